"""A policy table comes into force: by two people, at its time, in every replica."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from jiayuan.routing import enacting, policy, store
from jiayuan.routing.imports import import_directory
from jiayuan.routing.policy import PolicyError

from .conftest import T0, Client, Routing, small_directory

pytestmark = pytest.mark.store


def document(version: str, minutes: float = 0, **limits: str) -> dict[str, Any]:
    found = copy.deepcopy(policy.bundled_document())
    found["version"] = version
    found["effective_from"] = (T0 + timedelta(minutes=minutes)).isoformat()
    found["limits"] |= limits
    # The small directory of the tests has no third street.
    next(r for r in found["rules"] if r["id"] == "sea-rubbish-songshan")["when"]["place"] = ["350921002"]
    return found


def in_force(routing: Routing, at: float) -> str:
    with routing.work(at) as work:
        return enacting.in_force(work)


def test_one_hands_it_in_another_approves_it(own: Routing) -> None:
    with own.work() as work:
        enacting.import_policy(work, document("v2"), "anna")
    assert in_force(own, 1) == "2026.1"
    with pytest.raises(PolicyError, match="anna imported it"), own.work(1) as work:
        enacting.judge(work, "v2", "approved", "anna")
    with own.work(2) as work:
        enacting.judge(work, "v2", "approved", "bert")
    assert in_force(own, 3) == "v2"
    assert own.open(at=3)["decision"]["policy"] == "v2"
    rows = own.rows("SELECT version, verdict, by FROM policy_verdict")
    assert [tuple(r) for r in rows] == [("v2", "approved", "bert")]


def test_it_is_taken_up_at_its_time_in_every_replica(own: Routing, replica_of: Any) -> None:
    other = replica_of(own)
    assert in_force(other, 0) == "2026.1"
    with own.work() as work:
        enacting.import_policy(work, document("v2", 60), "anna")
        enacting.judge(work, "v2", "approved", "bert")
    for one in (own, other):
        assert in_force(one, 59) == "2026.1"
        assert in_force(one, 60) == "v2"


def test_a_table_in_force_is_withdrawn_and_the_one_before_holds_again(own: Routing) -> None:
    for version in ("v2", "v3"):
        with own.work() as work:
            enacting.import_policy(work, document(version), "anna")
            enacting.judge(work, version, "approved", "bert")
    case = own.open(at=1)
    assert case["decision"]["policy"] in ("v2", "v3")
    latest = in_force(own, 1)
    with pytest.raises(PolicyError, match="missing"), own.work(2) as work:
        enacting.judge(work, latest, "withdrawn", "anna")
    with own.work(2) as work:
        enacting.judge(work, latest, "withdrawn", "anna", "有误")
    assert in_force(own, 3) == ({"v2", "v3"} - {latest}).pop()
    assert own.case(case["id"])["decision"]["policy"] == latest  # cases keep what was decided
    with own.work(3) as work:
        assert enacting.table_of(work, latest) is not None  # and it can still be explained
        assert enacting.table_of(work, "never") is None


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        ("rejected", "approved", "v2 is rejected"),
        ("withdrawn", "approved", "v2 is withdrawn"),
        ("approved", "rejected", "v2 is approved"),
    ],
)
def test_what_was_judged_is_not_judged_otherwise(own: Routing, first: str, then: str, why: str) -> None:
    with own.work() as work:
        enacting.import_policy(work, document("v2"), "anna")
        enacting.judge(work, "v2", first, "bert", "看过")
        enacting.judge(work, "v2", first, "bert", "看过")  # again: nothing
    with pytest.raises(PolicyError, match=why), own.work() as work:
        enacting.judge(work, "v2", then, "carl", "改主意")
    assert len(own.rows("SELECT 1 FROM policy_verdict")) == 1


def test_a_table_that_is_wrong_by_now_is_not_approved(own: Routing) -> None:
    with own.work() as work:
        enacting.import_policy(work, document("v2"), "anna")
    there = small_directory()
    there["units"] = [{**u, "active": u["code"] != "U49"} for u in there["units"]]
    with own.work() as work:
        import_directory(work, own.opened.runtime.sealer, there, "test")
    with pytest.raises(PolicyError, match="U49 is not active"), own.work() as work:
        enacting.judge(work, "v2", "approved", "bert")
    assert in_force(own, 1) == "2026.1"


@pytest.mark.parametrize("version", ["2026.1", "v2"])
def test_a_version_is_never_changed(own: Routing, version: str) -> None:
    with own.work() as work:
        enacting.import_policy(work, document("v2"), "anna")
    with pytest.raises(PolicyError, match="imported before"), own.work() as work:
        enacting.import_policy(work, document(version, citizen="20d"), "anna")


def test_a_fault_is_found_when_it_is_handed_in(own: Routing) -> None:
    wrong = document("v2")
    wrong["rules"][0]["then"]["lead"] = "U99"
    wrong["rules"].insert(0, {**wrong["rules"][-2], "id": "twice", "priority": 200})
    with pytest.raises(PolicyError) as refusal, own.work() as work:
        enacting.import_policy(work, wrong, "anna")
    said = [p.problem for p in refusal.value.problems]
    assert any("no unit U99" in p for p in said)
    assert any("can never match" in p for p in said)
    assert own.rows("SELECT 1 FROM policy") == []


# -- the command line --------------------------------------------------------------------------------


@pytest.fixture
def run(own: Routing, monkeypatch: pytest.MonkeyPatch) -> Any:
    from jiayuan.routing.cli import routing as command

    settings = own.opened.settings
    monkeypatch.setenv("JIAYUAN_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", settings.seal_keys)

    def call(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(command, list(words))
        assert done.exit_code == code, done.output
        return done.output

    return call


def test_policies_by_command(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    changed = document("v2", citizen="20d")
    changed["rules"] = [r for r in changed["rules"] if r["id"] != "banks"]
    changed["rules"][-2]["then"]["finish"] = "9d"
    file.write_text(yaml.safe_dump(changed, allow_unicode=True), encoding="utf-8")
    assert "good" in run("policy", "check", str(file))
    assert "good" in run("policy", "check", str(file), "--live")
    assert "waits for another person" in run("policy", "import", str(file), "--who", "anna")
    assert "waiting" in run("policy", "list")
    assert "another person than who imported" in run("policy", "approve", "v2", "--who", "anna", code=1)
    assert "approved by bert" in run("policy", "approve", "v2", "--who", "bert")
    listed = [json.loads(line) for line in run("policy", "list", "--json").splitlines()]
    assert [(p["version"], p["state"], p["verdict_by"]) for p in listed] == [
        ("v2", "in_force", "bert"),
        ("2026.1", "bundled", None),
    ]
    shown = run("policy", "show")
    assert "policy v2" in shown
    assert "danger-fire: sign fire → department, U05 县消防救援大队 + U03 县公安局" in shown
    assert "99 danger-fire" in shown.splitlines()[1]
    difference = run("policy", "diff", "2026.1", "v2", code=1)
    assert "limits.citizen: 15天 → 20天" in difference
    assert "~ sea-rubbish-songshan: place 350921003 → 350921002" in difference
    assert "- " in difference
    assert "banks" in difference
    assert run("policy", "diff", "v2", str(file)) == ""
    again = tmp_path / "again.yaml"
    run("policy", "export", "v2", "--out", str(again))
    assert run("policy", "diff", "v2", str(again)) == ""
    assert "withdrawn by carl" in run("policy", "withdraw", "v2", "--reason", "有误", "--who", "carl")
    assert "neither a file nor a policy" in run("policy", "show", "v9", code=1)


def test_the_past_is_simulated_by_command(own: Routing, run: Any, tmp_path: Path) -> None:
    for n, code in enumerate(("0102", "0102", "0101", "1502")):
        own.open(at=n, category={"code": code, "confidence": 0.9})
    changed = document("v2")
    lamps = next(r for r in changed["rules"] if r["id"] == "street-lamps")
    lamps["then"] = {"level": "department", "lead": "U02", "response": "24h", "finish": "24h"}
    file = tmp_path / "new.yaml"
    file.write_text(yaml.safe_dump(changed, allow_unicode=True), encoding="utf-8")
    said = run("simulate", "--policy", str(file), "--since", "2026-03-02")
    assert "重新决定4次：2次会不同（50.00%），2次不变" in said
    assert "U49 县城市建设投资公司 → U02 县城市管理局：2次，如 350921001-260302-" in said
    found = json.loads(run("simulate", "--policy", str(file), "--since", "2026-03-02", "--json"))
    assert (found["decisions"], found["changed"]) == (4, 2)
    assert found["changes"]["finish"][0] | {"examples": 0} == {
        "from": 72 * 3600,
        "to": 86400,
        "count": 2,
        "examples": 0,
    }
    lines = run("simulate", "--policy", str(file), "--since", "2026-03-02", "--csv").splitlines()
    assert lines[0] == "field,from,to,count,examples"
    assert lines[1].startswith("lead,U49,U02,2,350921001-260302-")
    # Before anything was decided, in another street, with the table that decided it: nothing changes.
    assert "重新决定0次" in run("simulate", "--policy", str(file), "--since", "2026-03-03")
    assert "重新决定0次" in run("simulate", "--policy", str(file), "--since", "2026-03-02", "--street", "9")
    file.write_text(yaml.safe_dump(document("v3"), allow_unicode=True), encoding="utf-8")
    same = json.loads(run("simulate", "--policy", str(file), "--since", "2026-03-02", "--json"))
    assert (same["decisions"], same["changed"], same["changes"]) == (4, 0, {})
    assert run("simulate", "--policy", str(file), "--since", "gestern", code=2)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("rules: []", encoding="utf-8")
    assert "version" in run("simulate", "--policy", str(wrong), "--since", "2026-03-02", code=1)
    assert own.rows("SELECT count(*) FROM decision")[0][0] == 4


def test_a_long_history_is_read_in_parts(own: Routing, monkeypatch: pytest.MonkeyPatch) -> None:
    from jiayuan.routing.store import decisions

    monkeypatch.setattr(decisions, "_A_FETCH", 2)
    for n in range(5):
        own.open(at=n)
    with own.work(9) as work:
        rows = list(store.stream_decisions(work, T0, causes=("received",)))
        assert len({r.number for r in rows}) == 5
        part = store.stream_decisions(
            work, T0 + timedelta(minutes=1), T0 + timedelta(minutes=4), causes=("received",)
        )
        assert len(list(part)) == 3
        assert list(store.stream_decisions(work, T0, causes=("triage",))) == []


# -- over HTTP ---------------------------------------------------------------------------------------


def test_policies_over_http(own: Routing) -> None:
    client = Client(own.opened)
    status, _ = client("POST", "/policies", enacting.plain(document("v2")), who="anna", role="county")
    assert status == 201
    assert client("POST", "/policies", enacting.plain(document("v2")), who="anna", role="desk")[0] == 403
    status, said = client("POST", "/policies", {**enacting.plain(document("v3")), "rules": []}, role="county")
    assert (status, said["errors"][0]["field"]) == (422, "rules")
    verdict = {"verdict": "approved"}
    status, said = client("POST", "/policies/v2/verdicts", verdict, who="anna", role="county")
    assert (status, said["errors"][0]["field"]) == (422, "by")
    assert client("POST", "/policies/v2/verdicts", verdict, who="bert", role="county")[0] == 200
    status, said = client("GET", "/policies", role="desk")
    assert (status, said["policies"][0]["version"], said["policies"][0]["state"]) == (200, "v2", "in_force")
    status, said = client("GET", "/policies/v2", role="desk")
    assert (status, said["document"]["version"]) == (200, "v2")
    assert client("GET", "/policies/v9", role="desk")[0] == 404
    assert client("POST", "/policies/v9/verdicts", verdict, who="bert", role="county")[0] == 422
