"""Our calls of a day beside the provider's own list: what differs, what is taken over, and what people settle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
from click.testing import CliRunner
from fakes import FakeAliyun, FakeTencent
from rigs import Rig, Scripted, until

from jiayuan.chassis.testing.client import Client
from jiayuan.notify import receiving, reconciling, routes, wall
from jiayuan.notify.cli import notify
from jiayuan.notify.providers.aliyun import Aliyun
from jiayuan.notify.providers.base import Listed, Message
from jiayuan.notify.providers.tencent import Tencent
from jiayuan.notify.reconciliation import Call, Difference, compare
from jiayuan.notify.routes import Route
from jiayuan.notify.sending import Sender
from jiayuan.notify.states import Outcome


def _call(request: str = "r1", *, outcome: str = "accepted", state: str = "accepted") -> Call:
    return Call(request, f"p-{request}", f"n-{request}", outcome, state)


@pytest.mark.parametrize(
    ("call", "listed", "unfinished", "found"),
    [
        (_call(), [Listed("r1", None, "accepted")], True, None),
        (_call(state="delivered"), [Listed(None, "p-r1", "delivered")], True, None),
        # They have no end of it yet, or never say: ours stands.
        (_call(state="delivered"), [Listed("r1", None, "accepted")], True, None),
        (_call(state="delivered"), [Listed("r1", None, "undelivered")], True, ("state", "undelivered")),
        (
            _call(),
            [Listed("r1", None, "accepted"), Listed("r1", None, "delivered")],
            True,
            ("state", "delivered"),
        ),
        (_call(), [], True, ("missing", None)),
        (_call(), [], False, None),
        (_call(state="delivered"), [], False, ("missing", None)),
        (_call(outcome="unknown"), [], True, None),
    ],
)
def test_what_is_a_difference(
    call: Call, listed: list[Listed], unfinished: bool, found: tuple[str, str | None] | None
) -> None:
    differences = compare([call], listed, unfinished=unfinished)
    assert [(d.kind, d.theirs) for d in differences] == ([found] if found else [])


def test_what_is_no_call_of_ours_is_extra() -> None:
    listed = [
        Listed("other", None, "delivered"),
        Listed("other", None, "delivered"),
        Listed(None, None, "accepted"),
    ]
    assert compare([], listed, unfinished=True) == [Difference("extra", "other", None, None, "delivered")]


class Listing(Scripted):
    """A provider with a list of its own."""

    lists_unfinished = True

    def __init__(self) -> None:
        super().__init__("a")
        self.list: list[Listed] | None = []
        self.asked: list[tuple[date, list[str]]] = []

    def listed(self, day: date, numbers: Sequence[str]) -> list[Listed] | None:
        """What the test says."""
        self.asked.append((day, list(numbers)))
        return self.list


@pytest.fixture
def listing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> tuple[Listing, Any]:
    """Three accepted notices of today, and a clock that stands at 7 o'clock tomorrow."""
    monkeypatch.undo()  # attempts' ids are of the real day, so the clock must be
    a = Listing()
    route = Route(a)
    rig.reports(3)
    sender = Sender(rig.runtime, [route], inline=True)
    for _ in range(4):
        sender.turn()
    monkeypatch.setattr(routes, "shared", lambda _r: [route])
    hearing = receiving.Receiving(rig.runtime, [route])
    monkeypatch.setattr(receiving, "of", lambda _r: hearing)
    now = datetime.now(UTC)
    tomorrow = reconciling._midnight(reconciling.spending.day_of(now)) + 31 * reconciling.timedelta(hours=1)
    monkeypatch.setattr(wall, "now", lambda: tomorrow)
    return a, monkeypatch


@pytest.mark.store
def test_a_day_is_reconciled_once_and_what_they_know_better_is_taken_over(rig: Rig, listing: Any) -> None:
    a, monkeypatch = listing
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", rig.opened.url)
    monkeypatch.setattr(reconciling, "PAGE", 2)
    requests = [m.request_id for m in a.calls]
    a.list = [
        Listed(requests[0], None, "accepted"),
        Listed(requests[1], None, "delivered"),
        Listed("their-own", None, "delivered"),
    ]
    while reconciling.turn(rig.runtime):
        pass
    assert len(a.asked) == 2
    assert {n for _, numbers in a.asked for n in numbers} == {"13905931234"}
    assert rig.states() == ["accepted", "accepted", "delivered"]
    found = {(d["kind"], d["key"]): d for d in rig.rows("SELECT * FROM difference")}
    assert set(found) == {("state", requests[1]), ("missing", requests[2]), ("extra", "their-own")}
    assert found["state", requests[1]]["settled_by"] == "notify"
    reconciling.turn(rig.runtime)
    assert len(a.asked) == 2  # the day is done

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(notify, list(words))
        assert done.exit_code == code, done.output
        return done.output

    said = json.loads(run("reconciliation", "list", "--json"))
    assert [(d["ours"], d["open"], d["error"]) for d in said["days"]] == [(3, 2, None)]
    assert "2 differences" in run("alarms")
    missing, extra = (
        next(d["id"] for d in said["differences"] if d["kind"] == k) for k in ("missing", "extra")
    )
    assert "1 settled" in run("reconciliation", "settle", str(missing), "--reason", "their list was late")
    assert "none of these is open" in run("reconciliation", "settle", str(missing), "--reason", "x", code=1)
    client = Client(rig.opened)
    (left,) = client("GET", "/reconciliation", role="county")[1]["differences"]
    assert (left["id"], left["kind"]) == (extra, "extra")
    why = {"reason": "another system's"}
    assert client("POST", f"/reconciliation/{extra}/settle", why, role="operator")[0] == 200
    assert client("POST", f"/reconciliation/{extra}/settle", why, role="operator")[0] == 404


@pytest.mark.store
def test_a_provider_without_a_list_is_asked_again_and_at_last_told_of(rig: Rig, listing: Any) -> None:
    a, monkeypatch = listing
    a.list = None
    monkeypatch.setattr(reconciling, "TRIES", 2)
    at = wall.now()
    for n in range(4):
        monkeypatch.setattr(wall, "now", lambda n=n: at + n * reconciling.AGAIN)
        assert reconciling.turn(rig.runtime) is False
    assert len(a.asked) == 2
    (row,) = rig.rows("SELECT * FROM reconciliation")
    assert row["error"] == "the provider gave no list"
    assert row["ended_at"] is not None
    assert [r["subject"] for r in rig.rows("SELECT * FROM alarm")] == ["a"]
    assert rig.rows("SELECT * FROM difference") == []


@pytest.mark.store
def test_before_six_in_the_morning_nobody_is_asked(rig: Rig, listing: Any) -> None:
    a, monkeypatch = listing
    early = wall.now() - 2 * reconciling.timedelta(hours=1)
    monkeypatch.setattr(wall, "now", lambda: early)
    assert reconciling.turn(rig.runtime) is False
    assert a.asked == []


@pytest.mark.store
def test_providers_without_a_list_are_told_of_with_what_is_known(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.undo()  # attempts' ids are of the real day, so the clock must be
    file = tmp_path / "providers.yaml"
    file.write_text(
        "providers: [{name: app, kind: wechat}, {name: gw, kind: http}, {kind: aliyun}, {kind: sink}]"
    )
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", rig.opened.url)
    monkeypatch.setenv("JIAYUAN_NOTIFY_PROVIDERS", str(file))
    said = {"c0": "accepted", "c1": "refused", "c2": "unknown", "c3": "unknown", "c4": "throttled"}
    app = Scripted("app", lambda m: Outcome(said[m.recipient], "ref" if m.recipient == "c0" else None))
    app.found = lambda a: Outcome("not_found" if a.request_id == lost else "unknown")
    rig.reports(5)
    sender = Sender(rig.runtime, [Route(app)], inline=True)
    assert until(lambda: not sender.turn() and len({m.recipient for m in app.calls}) == 5)
    lost = next(m.request_id for m in app.calls if m.recipient == "c3")
    before = wall.now()
    monkeypatch.setattr(wall, "now", lambda: before + reconciling.timedelta(seconds=30))
    while sender.sweep():
        pass
    assert {asked.request_id for asked in app.questions} == {
        m.request_id for m in app.calls if m.recipient in ("c2", "c3")
    }

    def run(*words: str) -> str:
        done = CliRunner().invoke(notify, ["reconciliation", "list", *words])
        assert done.exit_code == 0, done.output
        return done.output

    today = reconciling.spending.day_of(before).isoformat()
    lines = [line for line in run("--day", today).splitlines() if "no list" in line]
    assert lines == [
        f"{today} app              no list at the provider 无清单可对: "
        "delivered 0, accepted 1, undelivered 1, not taken 2, unresolved 1",
        f"{today} gw               no list at the provider 无清单可对: "
        "delivered 0, accepted 0, undelivered 0, not taken 0, unresolved 0",
    ]
    yesterday = json.loads(run("--json"))["without_list"]
    assert [(one["provider"], one["accepted"]) for one in yesterday] == [("app", 0), ("gw", 0)]


@pytest.mark.parametrize("vendor", ["aliyun", "tencent"])
def test_vendors_list_what_they_sent_to_a_number(
    vendor: str, aliyun: FakeAliyun, tencent: FakeTencent
) -> None:
    fake: Any = aliyun if vendor == "aliyun" else tencent
    provider: Any = (
        Aliyun("key-id", "key-secret", "家园", address=aliyun.url)
        if vendor == "aliyun"
        else Tencent("secret-id", "secret-key", "1400000000", "家园", address=tencent.url)
    )
    made = [
        Message(
            f"0198c0de-0000-7000-8000-00000000000{n}",
            "c",
            "sms",
            f"1390000000{n}",
            template="1",
            parameters={},
        )
        for n in (1, 2)
    ]
    assert {o.kind for o in provider.send(made)} == {"accepted"}
    fake.statuses[made[0].request_id] = 3 if vendor == "aliyun" else "SUCCESS"
    today = reconciling.spending.day_of(datetime.now(UTC))
    found = {one.request_id: one.state for one in provider.listed(today, [m.to for m in made])}
    expected = {made[0].request_id: "delivered", made[1].request_id: "accepted"}
    assert found == (expected if provider.lists_unfinished else {made[0].request_id: "delivered"})
    fake.query_script += ["down"] * 2
    assert provider.listed(today, [made[0].to, made[1].to]) is None
