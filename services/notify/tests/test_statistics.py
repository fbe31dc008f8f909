"""How quick sending was, what it cost, budgets, and that all of it stays when notices go."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from rigs import Rig, Scripted

from jiayuan.chassis.testing.client import Client
from jiayuan.contracts import ids
from jiayuan.notify import keeping, receiving, spending, statistics, store
from jiayuan.notify.cli import notify
from jiayuan.notify.providers.base import Receipt
from jiayuan.notify.routes import Route
from jiayuan.notify.sending import Sender
from jiayuan.notify.states import Outcome

store_test = pytest.mark.store


@pytest.fixture
def timed(rig: Rig, wall: Any, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A rig whose ids are made at the time of the wall clock in the test's hand."""
    monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: int(wall.time.timestamp() * 1e9)))
    return rig


def _sums(rig: Rig, by: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    with rig.opened() as work:
        found = statistics.document(
            work, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC), by
        )
    return found["rows"] if by else [found["total"]]


def _sent(rig: Rig, wall: Any) -> tuple[Scripted, Sender, receiving.Receiving]:
    """Five notices: one accepted at once and delivered after 30 s, one after 20 s and delivered after 4 minutes, one
    whose answer is lost, one refused, one suppressed."""
    answers = {"c2": Outcome("unknown", error="lost"), "c3": Outcome("refused", error="no such number")}
    a = Scripted("a", lambda m: answers.get(m.recipient) or Outcome("accepted", f"a-{m.request_id}"))
    route = Route(a, price=Decimal("0.045"), receipts=True)
    sender, hearing = Sender(rig.runtime, [route], inline=True), receiving.Receiving(rig.runtime, [route])
    events = rig.events
    rig.handle(events.report("r0", reporter="c0", contact=rig.seal("c0")), events.report("r4", reporter=None))
    sender.turn()
    more = [events.report(f"r{n}", reporter=f"c{n}", contact=rig.seal(f"c{n}")) for n in (1, 2, 3)]
    rig.handle(*more)
    wall.pass_(seconds=20)
    for _ in range(6):
        sender.turn()
        wall.pass_(seconds=1)  # after an error the lane pauses
    for n, seconds in ((0, 10), (1, 220)):
        wall.pass_(seconds=seconds)
        request = next(m.request_id for m in a.calls if m.recipient == f"c{n}")
        hearing.take("a", [Receipt("delivered", request, None, wall.time, "OK")])
    return a, sender, hearing


@store_test
def test_what_was_quick_and_what_it_cost(timed: Rig, wall: Any) -> None:
    a, _, _ = _sent(timed, wall)
    assert len(a.calls) == 4
    (total,) = _sums(timed)
    expected = {
        "notices": 5,
        "accepted": 2,
        "accepted_10s": 1,
        "accepted_10s_percent": 25.0,
        "delivered": 2,
        "delivered_1m": 1,
        "delivered_5m": 2,
        "undelivered": 1,
        "suppressed": 1,
        "segments": 3,  # the lost one may be on the bill; the refused one isn't
        "cost": 0.135,
    }
    assert {name: total[name] for name in expected} == expected
    by = _sums(timed, ("hour", "provider", "template"))
    assert {(r["hour"], r["provider"], r["template"]): r["notices"] for r in by} == {
        ("2026-03-02T01:00:00.000000Z", "a", "received"): 4,
        ("2026-03-02T01:00:00.000000Z", "", "received"): 1,
    }


@store_test
def test_the_night_and_a_stop_do_not_count_as_slow(timed: Rig, wall: Any) -> None:
    a = Scripted("a")
    sender = Sender(timed.runtime, [Route(a)], inline=True)
    with timed.opened() as work:
        store.operating.stop(work, "template", "received", reason="a wrong word", by="lin", wall=wall.time)
    timed.reports(1)
    sender.sweep()
    sender.turn()
    assert timed.states() == ["deferred"]
    with timed.opened() as work:
        store.operating.start(work, "template", "received", reason="corrected", by="lin", wall=wall.time)
    sender.sweep()
    wall.pass_(seconds=61)
    sender.turn()
    (total,) = _sums(timed)
    assert (total["accepted"], total["accepted_10s"]) == (1, 1)


@store_test
def test_sums_stay_when_notices_are_forgotten(timed: Rig, wall: Any) -> None:
    _sent(timed, wall)
    before = _sums(timed, store.statistics.BY)
    states = timed.states()
    assert states == ["delivered", "delivered", "suppressed", "undelivered", "unknown"]
    # The second citizen has refused something, the third has reported again since.
    with timed.opened.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE recipient SET preferences = '{\"refused\": [\"all\"]}' WHERE ref = 'c1'")
        conn.exec_driver_sql("UPDATE recipient SET version = 9000000000000000 WHERE ref = 'c3'")
    wall.pass_(days=399)
    assert keeping.forget(timed.runtime) is False
    assert len(timed.rows()) == 5
    wall.pass_(days=2)
    keeping.forget(timed.runtime)
    assert timed.states() == ["unknown"]  # what hasn't come to its end stays
    assert _sums(timed, store.statistics.BY) == before
    people = {r["ref"]: r["contact"] for r in timed.rows("SELECT ref, contact FROM recipient")}
    assert set(people) == {"c1", "c2", "c3"}
    assert people["c1"] is None
    assert None not in (people["c2"], people["c3"])
    assert [r["id"] for r in timed.rows("SELECT id FROM report")] == ["r2"]
    for table in ("attempt", "sending"):
        assert len(timed.rows(f"SELECT 1 FROM {table}")) == 1
    keeping.forget(timed.runtime)
    assert _sums(timed, store.statistics.BY) == before


@store_test
def test_a_batch_that_fails_forgets_nothing_and_counts_nothing(
    timed: Rig, wall: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sent(timed, wall)
    before = _sums(timed)
    wall.pass_(days=500)
    monkeypatch.setattr(store.forgetting, "_PEOPLE", "SELECT 1/0")
    with pytest.raises(Exception, match="zero"):
        keeping.forget(timed.runtime)
    assert len(timed.rows()) == 5
    assert _sums(timed) == before


@store_test
def test_a_budget_is_told_at_80_and_at_100_per_cent_once_each(timed: Rig, wall: Any) -> None:
    timed.settings(budget_day=0.1, budget_month=1.0)

    def alarms() -> list[str]:
        with timed.opened() as work:
            return sorted(a.subject for a in store.operating.alarms(work))

    keeping.watch_budgets(timed.runtime)
    assert alarms() == []
    with timed.opened() as work:
        store.spending.add(work, "a", spending.day_of(wall.time), [spending.Charge(2, Decimal("0.09"))])
    keeping.watch_budgets(timed.runtime)
    assert alarms() == ["2026-03-02 at 80 %"]
    with timed.opened() as work:
        store.operating.clear(work, "2026-03-02 at 80 %", by="lin", wall=wall.time)
    keeping.watch_budgets(timed.runtime)
    assert alarms() == []  # somebody has seen it
    with timed.opened() as work:
        store.spending.add(work, "b", spending.day_of(wall.time), [spending.Charge(1, Decimal("0.01"))])
    keeping.watch_budgets(timed.runtime)
    assert alarms() == ["2026-03-02 at 100 %"]
    wall.pass_(days=1)
    keeping.watch_budgets(timed.runtime)
    assert alarms() == []  # the day is over
    with timed.opened() as work:
        found = statistics.budgets(work, timed.runtime.settings, wall.time)
    assert (found["day"]["spent"], found["month"]["spent"], found["month"]["percent"]) == (0.0, 0.1, 10.0)


@store_test
def test_at_the_command_line_and_by_http(
    timed: Rig, wall: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    _sent(timed, wall)
    monkeypatch.setenv("JIAYUAN_NOTIFY_DATABASE_URL", timed.opened.url)

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(notify, list(words))
        assert done.exit_code == code, done.output
        return done.output

    asked = ("statistics", "--since", "2026-03-02", "--by", "template")
    found = json.loads(run(*asked, "--json"))
    assert [(r["template"], r["notices"]) for r in found["rows"]] == [("received", 5)]
    sheet = tmp_path / "s.xlsx"
    run(*asked, "--xlsx", str(sheet))
    lines = list(load_workbook(sheet).active.iter_rows(values_only=True))
    assert [line[:3] for line in lines] == [
        ("template", "notices", "accepted"),
        ("received", 5, 2),
        ("total", 5, 2),
    ]
    assert "received" in run(*asked)
    assert "2026-03: 0.14 yuan, no budget" in run("budget")
    assert "later than since" in run("statistics", "--since", "2026-03-02", "--until", "2025-01-01", code=1)
    client = Client(timed.opened)
    status, said = client("GET", "/statistics?by=template&since=2026-03-02T00:00:00Z", role="county")
    assert (status, said["rows"][0]["delivered_5m"]) == (200, 2)
    assert client("GET", "/statistics?by=colour", role="county")[0] == 400
    assert client("GET", "/statistics?format=csv&by=provider", role="county")[0] == 200
    rows = list(csv.reader(io.StringIO(client.content.decode("utf-8-sig"))))
    assert rows[0][:2] == ["provider", "notices"]
    assert client("GET", "/statistics?format=xlsx", role="operator")[0] == 200
    assert client.content[:2] == b"PK"
    assert client("GET", "/budget", role="county")[1]["day"]["providers"]["a"]["messages"] == 3


@given(st.decimals(0, 1000, places=2), st.decimals(0, 1000, places=2))
def test_a_level_is_reached_exactly_at_its_share(spent: Decimal, budget: Decimal) -> None:
    expected = [level for level in (80, 100) if budget and spent / budget >= Decimal(level) / 100]
    assert list(spending.reached(spent, budget)) == expected


def test_the_day_is_the_county_s() -> None:
    assert spending.day_of(datetime(2026, 3, 31, 16, 0, tzinfo=UTC)).isoformat() == "2026-04-01"
    assert (
        spending.first_of("month", spending.day_of(datetime(2026, 3, 31, tzinfo=UTC))).isoformat()
        == "2026-03-01"
    )


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)))
def test_an_id_says_when_it_was_made(at: datetime) -> None:
    made = at.replace(tzinfo=UTC)
    assert int(store.first_id(made).replace("-", "")[:12], 16) == int(made.timestamp() * 1000)
    assert store.first_id(made) < store.first_id(made + timedelta(milliseconds=2))
