"""Emergencies on a real database: declared, begun, extended, lifted, by people and by warnings; killed halfway."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
import pytest

from jiayuan.chassis.testing.databases import round_trips
from jiayuan.contracts import envelope, ids
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.names import CONTENT_TYPE, OUTCOMES_EXCHANGE
from jiayuan.contracts.times import iso, parse
from jiayuan.routing import book, emergencies, emergency, store
from jiayuan.routing import case as cases
from jiayuan.routing.directory import Person
from jiayuan.routing.emergencies import NotPossible, Wish
from jiayuan.routing.moving import Moving
from jiayuan.routing.store import emergencies as records

pytestmark = pytest.mark.store

Client = Routing = Any  # the fixtures of conftest.py
T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
STREET, COMMUNITY, OTHER = "350921001", "350921001001", "350921002"
MINOR = {"category": {"code": "1503", "name": "微心愿"}, "importance": 1, "urgency": 1, "kind": "wish"}
URGENT = {"importance": 3, "urgency": 3}


@pytest.fixture(autouse=True)
def again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second pass comes without a wait."""
    monkeypatch.setattr(emergencies, "AGAIN", 0.0)


def declare(routing: Routing, at: float = 0, **fields: Any) -> str:
    given = {"mode": "storm-1", "area": (STREET,), "reason": "台风红色预警", "by": "county-1", **fields}
    for name in ("starts_at", "ends_at"):
        if isinstance(given.get(name), int | float):
            given[name] = T0 + timedelta(minutes=given[name])
    with routing.work(at) as work:
        return emergencies.declare(work, Wish(**given))[0]


def work_off(routing: Routing, at: float) -> list[Event]:
    """Lets the worker do all that there is to do at a time; what it told."""
    told: list[Event] = []
    routing.opened.clock.time = T0 + timedelta(minutes=at)
    before = len(routing.opened.published)
    while emergencies.turn(routing.opened.runtime):
        pass
    for row in routing.opened.published[before:]:
        told.append(envelope.decode(row.body, CONTENT_TYPE))
    return told


def end(routing: Routing, id_: str, at: float) -> None:
    with routing.work(at) as work:
        emergencies.lift(work, records.emergency_of(work, id_, lock=True), "county-1", "预警解除")


def names(events: list[Event]) -> Counter[str]:
    return Counter(e.name for e in events)


def test_open_matters_are_paused_or_hurried_and_lifting_brings_everything_back(routing: Routing) -> None:
    minor, urgent = routing.open(**MINOR), routing.open(**URGENT)
    elsewhere = routing.open(place={"street": OTHER}, **MINOR)
    id_ = declare(routing, at=5)
    told = work_off(routing, 5)
    assert names(told) == {"case.paused": 1, "case.changed": 1}
    assert {e.lane for e in told} == {"bulk"}
    paused, hurried = routing.case(minor["id"]), routing.case(urgent["id"])
    assert [p["emergency"] for p in paused["pauses"]] == [id_]
    assert (paused["emergency"], hurried["emergency"]) == (id_, id_)
    assert "暂缓办理" in paused["pauses"][0]["reason"]
    assert hurried["legs"][0]["finish_limit"] < urgent["legs"][0]["finish_limit"]
    assert routing.case(elsewhere["id"]) == elsewhere
    end(routing, id_, 60)
    assert names(work_off(routing, 60)) == {"case.resumed": 1, "case.changed": 1}
    back, calm = routing.case(minor["id"]), routing.case(urgent["id"])
    assert back["pauses"][0]["end"] == iso(T0 + timedelta(minutes=60))
    assert "emergency" not in back
    assert [leg["finish_limit"] for leg in calm["legs"]] == [leg["finish_limit"] for leg in urgent["legs"]]
    assert routing.rows("SELECT * FROM emergency_case") == []
    assert work_off(routing, 61) == []


def test_a_new_matter_is_under_the_emergency_from_its_first_event(routing: Routing) -> None:
    id_ = declare(routing)
    work_off(routing, 0)
    events = routing.receive(routing.report(**MINOR), at=1)
    assert [e.name for e in events] == ["case.opened", "case.assigned", "case.paused"]
    urgent = routing.receive(routing.report(**URGENT), at=2)
    assert [e.name for e in urgent][-1] == "case.changed"
    case = urgent[-1].data["case"]
    assert (case["emergency"], case["legs"][0]["finish_limit"]) == (id_, 4 * 3600)
    end(routing, id_, 30)
    work_off(routing, 30)
    assert (
        routing.case(case["id"])["legs"][0]["finish_limit"]
        == urgent[1].data["case"]["legs"][0]["finish_limit"]
    )


def test_a_leg_that_a_move_makes_in_an_emergency_has_its_limits_and_gets_those_of_peace(
    routing: Routing,
) -> None:
    case = routing.open(**URGENT)
    id_ = declare(routing)
    work_off(routing, 0)
    routing.breach(case, "response", case["legs"][0]["id"], 16)
    raised = routing.case(case["id"])["legs"][-1]
    assert raised["state"] == "offered"
    assert raised["response_limit"] == 600
    end(routing, id_, 17)
    work_off(routing, 17)
    assert routing.case(case["id"])["legs"][-1]["response_limit"] == 900


def test_a_case_that_was_closed_in_an_emergency_and_is_opened_again_in_peace_has_its_limits(
    routing: Routing,
) -> None:
    case = routing.open(**URGENT)
    peace = case["legs"][0]["finish_limit"]
    id_ = declare(routing)
    work_off(routing, 0)
    leg = case["legs"][0]["id"]
    for n, action in enumerate(("accept", "answer", "resolve")):
        routing.move(case["id"], leg, action, 1 + n)
    end(routing, id_, 10)
    work_off(routing, 10)
    with routing.work(20) as work:
        moving = Moving(work, [case["id"]])
        moved = cases.reopen(moving.cases[case["id"]], "desk", iso(work.now), "还没有解决", 900)
        moving.take(moved.case, (moved,))
        moving.save()
    again = routing.case(case["id"])
    assert "emergency" not in again
    assert again["legs"][-1]["finish_limit"] == peace


def test_the_answer_to_a_move_is_the_case_as_it_is_afterwards(client: Client, routing: Routing) -> None:
    case = routing.open(**URGENT)
    declare(routing)
    work_off(routing, 0)
    who = {"who": case["legs"][0]["assignee"]["id"], "role": "grid_worker"}
    status, answer = client("POST", f"/cases/{case['id']}/legs/{case['legs'][0]['id']}/accept", {}, **who)
    assert (status, answer["sequence"]) == (200, routing.rows('SELECT sequence FROM "case"')[0][0])


def test_it_begins_and_ends_by_itself(routing: Routing) -> None:
    case = routing.open(**MINOR)
    declare(routing, at=0, starts_at=10, ends_at=20)
    assert work_off(routing, 9) == []
    assert routing.receive(routing.report(**MINOR), at=9)[-1].name == "case.assigned"
    assert names(work_off(routing, 10))["case.paused"] == 2
    told = work_off(routing, 20)
    assert names(told) == {"emergency.lifted": 1, "case.resumed": 2}
    assert told[0].data["lifted_by"] == "time"
    assert parse(told[0].data["at"]) == T0 + timedelta(minutes=20)
    assert routing.case(case["id"])["pauses"][0].get("end")


def test_its_end_can_be_moved_and_is_told_with_a_higher_sequence(routing: Routing) -> None:
    routing.open(**MINOR)
    id_ = declare(routing, ends_at=20)
    work_off(routing, 0)
    with routing.work(10) as work:
        row = records.emergency_of(work, id_, lock=True)
        assert emergencies.extend(work, row, T0 + timedelta(minutes=40), "county-1", "台风滞留")
        (event,) = work.emitted
    assert (event.name, event.sequence, event.data["ends_at"]) == (
        "emergency.declared",
        2,
        iso(T0 + timedelta(minutes=40)),
    )
    assert work_off(routing, 21) == []
    assert names(work_off(routing, 40))["case.resumed"] == 1
    with routing.work(41) as work, pytest.raises(NotPossible):
        emergencies.extend(work, records.emergency_of(work, id_), T0 + timedelta(minutes=90), "c", "晚了")


def test_who_declares_the_same_twice_declares_it_once(routing: Routing) -> None:
    first = declare(routing)
    with routing.work(1) as work:
        assert emergencies.declare(work, Wish("storm-1", (STREET,), "again", "county-2")) == (first, False)
        assert work.emitted == []
    assert declare(routing, at=1, area=(OTHER,)) != first


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mode": "war"}, "mode"),
        ({"area": ()}, "area"),
        ({"area": (STREET, "350921999")}, "area[1]"),
        ({"ends_at": -5}, "ends_at"),
        ({"ends_at": 60 * 24 * 8}, "ends_at"),
    ],
)
def test_what_is_wrong_is_named(routing: Routing, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(NotPossible) as error:
        declare(routing, **fields)
    assert [p.field for p in error.value.problems] == [field]
    assert error.value.problems[0].allowed
    assert routing.rows("SELECT * FROM emergency") == []


def test_of_two_on_one_area_the_higher_rank_holds_and_then_the_other(routing: Routing) -> None:
    case = routing.open(**MINOR)
    low = declare(routing, mode="storm-2")
    work_off(routing, 0)
    high = declare(routing, at=10, area=(COMMUNITY,), mode="storm-1")
    work_off(routing, 10)
    both = routing.case(case["id"])
    assert (both["emergency"], len(both["pauses"]), both["pauses"][0].get("end")) == (high, 1, None)
    end(routing, high, 20)
    work_off(routing, 20)
    one = routing.case(case["id"])
    assert (one["emergency"], one["pauses"][0].get("end")) == (low, None)
    end(routing, low, 30)
    work_off(routing, 30)
    none = routing.case(case["id"])
    assert none["pauses"][0]["end"] == iso(T0 + timedelta(minutes=30))
    assert len(none["pauses"]) == 1


def test_a_matter_that_was_under_way_when_it_was_declared_is_found_by_the_second_pass(
    routing: Routing, replica: Routing
) -> None:
    id_ = declare(routing)
    with routing.work(0) as work:  # the first pass finds nothing
        emergencies.begin(work, records.emergency_to_begin(work))
    with routing.work(0) as work:
        assert emergencies.sweep(work)
    # A replica that had read the directory before commits a case only now.
    with replica.work(0) as work:
        book.of(work).emergencies = emergency.NONE
    case = replica.open(**MINOR)
    assert "emergency" not in case
    work_off(routing, 1)
    assert routing.case(case["id"])["emergency"] == id_


def test_in_peace_a_report_costs_no_statement_more(routing: Routing) -> None:
    routing.open()
    with round_trips() as peace:
        routing.open()
    assert not [sql for sql in peace if "emergency" in sql]


# -- people ------------------------------------------------------------------------------------------


def test_people_are_called_in_once_an_emergency_in_events_of_bounded_size(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emergencies, "PEOPLE_AN_EVENT", 2)
    helpers = {
        f"v{i}": Person(f"v{i}", f"例志愿{i}", "volunteer", COMMUNITY, COMMUNITY, STREET, skills=(skill,))
        for i, skill in enumerate(("急救", "防汛", "书法", "急救", "急救"))
    }

    def with_helpers(work: Any) -> Any:
        known = read(work)
        return replace(known, people={**known.people, **helpers})

    read = store.read_directory
    monkeypatch.setattr(store, "read_directory", with_helpers)
    declare(routing)
    called = [e for e in work_off(routing, 0) if e.name == "emergency.called"]
    assert [len(e.data["people"]) for e in called] == [2, 2]
    assert {p for e in called for p in e.data["people"]} == {"v0", "v1", "v3", "v4"}
    assert called[0].data["report_by"] == iso(T0 + timedelta(hours=1))
    # Whom one that is still on has called is at work already.
    declare(routing, at=1, area=(COMMUNITY,))
    assert not [e for e in work_off(routing, 1) if e.name == "emergency.called"]


# -- warnings ----------------------------------------------------------------------------------------


def alert(routing: Routing, at: float, source: str = "/partners/weather-bureau", **fields: Any) -> Any:
    """A bureau's message; what became of it: (outcome, result, fields that were wrong)."""
    data = {
        "external_id": ids.new_id(),
        "event": "台风",
        "severity": "red",
        "area": [STREET],
        "starts_at": iso(T0 + timedelta(minutes=at)),
        **fields,
    }
    before = len(routing.opened.published)
    with routing.work(at) as work:
        emergencies.alert_raised(work, [routing.event("alert.raised", data, source)])
    (out,) = [
        orjson.loads(o.body)["data"]
        for o in routing.opened.published[before:]
        if o.exchange == OUTCOMES_EXCHANGE
    ]
    return out["outcome"], out.get("result"), [p["field"] for p in out["problems"]]


def on_now(routing: Routing, at: float) -> list[str]:
    with routing.work(at) as work:
        return sorted(row.mode for row in records.list_emergencies(work, "on", 10))


def test_a_warning_turns_on_the_mode_of_the_policy_and_its_resend_does_nothing(routing: Routing) -> None:
    outcome, id_, _ = alert(routing, 0, external_id="TF-1")
    assert (outcome, on_now(routing, 0)) == ("accepted", ["storm-1"])
    assert alert(routing, 1, external_id="TF-1") == ("duplicate", id_, [])
    # Another sender's number is another warning; for the same area and mode it is the same emergency.
    assert alert(routing, 1, "/partners/emergency-bureau", external_id="TF-1") == ("accepted", id_, [])
    assert alert(routing, 2, external_id="B-1", severity="blue") == ("accepted", None, [])
    assert on_now(routing, 2) == ["storm-1"]


def test_an_update_changes_the_mode_or_moves_the_end_and_a_cancellation_lifts(routing: Routing) -> None:
    case = routing.open(**MINOR)
    _, first, _ = alert(routing, 0, external_id="TF-1")
    work_off(routing, 0)
    later = iso(T0 + timedelta(hours=30))
    moved = alert(routing, 10, external_id="TF-2", action="update", refers_to="TF-1", ends_at=later)
    assert moved == ("accepted", first, [])
    with routing.work(10) as work:
        assert records.emergency_of(work, first).ends_at == parse(later)
    outcome, second, _ = alert(
        routing, 20, external_id="TF-3", action="update", refers_to="TF-2", severity="orange"
    )
    assert (outcome, on_now(routing, 20)) == ("accepted", ["storm-2"])
    assert second != first
    work_off(routing, 20)
    assert routing.case(case["id"])["emergency"] == second
    cancelled = alert(routing, 30, external_id="TF-4", action="cancel", refers_to="TF-1", area=[])
    assert cancelled == ("accepted", second, [])
    assert on_now(routing, 30) == []
    work_off(routing, 30)
    assert routing.case(case["id"])["pauses"][0]["end"] == iso(T0 + timedelta(minutes=30))
    assert (
        alert(routing, 31, external_id="TF-4", action="cancel", refers_to="TF-1", area=[])[0] == "duplicate"
    )


def test_a_cancellation_for_later_moves_the_end_there(routing: Routing) -> None:
    _, id_, _ = alert(routing, 0, external_id="TF-1")
    alert(
        routing,
        1,
        external_id="TF-2",
        action="cancel",
        refers_to="TF-1",
        area=[],
        starts_at=iso(T0 + timedelta(minutes=50)),
    )
    with routing.work(1) as work:
        assert records.emergency_of(work, id_).ends_at == T0 + timedelta(minutes=50)
    assert on_now(routing, 49) == ["storm-1"]
    assert on_now(routing, 50) == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"area": ["350921777"]}, "data.area[0]"),
        ({"area": []}, "data.area"),
        ({"severity": "blue", "area": ["1"]}, "data.area[0]"),
        ({"ends_at": iso(T0 - timedelta(hours=1))}, "data.ends_at"),
        ({"ends_at": iso(T0 + timedelta(days=30))}, "data.ends_at"),
        ({"action": "cancel"}, "data.refers_to"),
        ({"action": "update", "refers_to": "nobody's"}, "data.refers_to"),
    ],
)
def test_a_warning_that_cannot_be_is_rejected_with_the_field_and_kept(
    routing: Routing, fields: dict[str, Any], field: str
) -> None:
    outcome, result, wrong = alert(routing, 0, **fields)
    assert (outcome, result, wrong) == ("rejected", None, [field])
    assert on_now(routing, 0) == []
    assert len(routing.rows("SELECT * FROM dead_letter")) == 1


def test_an_imported_table_says_which_mode_from_its_day_on_and_what_is_on_keeps_its_terms(
    routing: Routing,
) -> None:
    document = {
        "version": "2026.2",
        "effective_from": iso(T0 + timedelta(minutes=10)),
        "longest": "2d",
        "modes": [
            {
                "code": "storm-1",
                "name": "防台",
                "rank": 4,
                "lasts": "6h",
                "who": ["county"],
                "word": "没有暂缓。",
            }
        ],
        "alerts": [{"event": ["台风"], "severity": ["blue"], "mode": "storm-1"}],
    }
    case = routing.open(**MINOR)
    before = declare(routing)
    with routing.work(0) as work:
        emergencies.import_policy(work, document, "county-1")
    with routing.work(0) as work, pytest.raises(emergency.EmergencyPolicyError, match="imported before"):
        emergencies.import_policy(work, document, "county-1")
    work_off(routing, 11)
    assert routing.case(case["id"])["emergency"] == before
    assert routing.case(case["id"])["pauses"]
    assert alert(routing, 11, severity="blue", area=[OTHER])[0] == "accepted"
    with routing.work(11) as work:
        assert {r.policy for r in records.list_emergencies(work, "on", 10)} == {"2026.1", "2026.2"}


# -- killed halfway ----------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from datetime import datetime
from jiayuan.chassis.testing.databases import Opened
from jiayuan.routing import emergencies
from jiayuan.routing.moving import Moving
opened = Opened("routing", sys.argv[1])
opened.clock.time = datetime.fromisoformat(sys.argv[2])
emergencies.BATCH, emergencies.AGAIN = 7, 0.0
emergencies.sweep.__defaults__ = (7,)
save, batches = Moving.save, 0
def killed(self):
    global batches
    save(self)
    batches += 1
    if batches == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # everything is written, nothing of this batch is committed
Moving.save = killed
while emergencies.turn(opened.runtime):
    pass
"""


def _die(routing: Routing, at: float) -> None:
    now = (T0 + timedelta(minutes=at)).isoformat()
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, routing.url, now], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_a_worker_that_is_killed_halfway_leaves_rows_and_another_goes_on_with_everything_once(
    routing: Routing,
) -> None:
    opened = [routing.open(**MINOR)["id"] for _ in range(40)]
    id_ = declare(routing, at=1)
    _die(routing, 1)
    paused = [case for case in opened if routing.case(case)["pauses"]]
    assert len(paused) == 14  # two batches of seven, and nothing of the third
    work_off(routing, 2)
    end(routing, id_, 30)
    _die(routing, 30)
    resumed = [case for case in opened if routing.case(case)["pauses"][0].get("end")]
    assert len(resumed) == 14
    work_off(routing, 31)
    for case in opened:
        (span,) = routing.case(case)["pauses"]
        assert span["end"] > span["start"]
    steps = Counter(routing.rows("SELECT case_id, action FROM case_step"))
    assert {key[1]: n for key, n in steps.items()} == {"open": 1, "assign": 1, "pause": 1, "resume": 1}
    assert set(steps.values()) == {1}
    assert routing.rows("SELECT * FROM emergency_sweep") == []


# -- HTTP --------------------------------------------------------------------------------------------


@pytest.fixture
def county(client: Client) -> Any:
    return lambda method, path, body=None: client(method, path, body, "officer", "county")


BODY = {"mode": "storm-1", "area": [STREET], "reason": "台风红色预警"}


def test_the_duty_officer_declares_looks_extends_and_lifts(county: Any, routing: Routing) -> None:
    routing.open(**MINOR)
    status, made = county("POST", "/emergencies", BODY)
    assert (status, made["declared_by"], made["rank"]) == (201, "officer", 4)
    status, same = county("POST", "/emergencies", BODY)
    assert (status, same["id"]) == (200, made["id"])
    work_off(routing, 0)
    _, shown = county("GET", f"/emergencies/{made['id']}")
    assert (shown["cases"], shown["being_brought_in_line"], shown["called"]) == (
        {"under": 1, "paused": 1},
        [],
        0,
    )
    assert [e["id"] for e in county("GET", "/emergencies")[1]["emergencies"]] == [made["id"]]
    later = iso(T0 + timedelta(hours=36))
    status, moved = county(
        "POST", f"/emergencies/{made['id']}/extend", {"ends_at": later, "reason": "台风滞留"}
    )
    assert (status, moved["ends_at"], moved["sequence"]) == (200, later, 2)
    status, over = county("POST", f"/emergencies/{made['id']}/lift", {"reason": "预警解除"})
    assert (status, over["lifted_by"]) == (200, "officer")
    assert county("POST", f"/emergencies/{made['id']}/lift", {"reason": "again"})[0] == 200
    status, refused = county("POST", f"/emergencies/{made['id']}/extend", {"ends_at": later, "reason": "x"})
    assert (status, "over" in refused["detail"]) == (409, True)
    assert [step["action"] for step in over["history"]] == ["declare", "extend", "lift"]
    assert [m["code"] for m in county("GET", "/emergencies/modes")[1]["modes"]] == list(
        emergency.bundled().modes
    )


def test_what_is_wrong_is_refused_with_the_field(county: Any) -> None:
    for change, field in [
        ({"mode": "war"}, "mode"),
        ({"area": ["350921999"]}, "area[0]"),
        ({"area": []}, "area"),
        ({"reason": ""}, "reason"),
        ({"ends_at": iso(T0 - timedelta(days=1))}, "ends_at"),
        ({"until": "x"}, "until"),
    ]:
        status, answer = county("POST", "/emergencies", {**BODY, **change})
        assert (status, [e["field"] for e in answer["errors"]]) == (422, [field]), answer
    assert county("GET", "/emergencies/unknown")[0] == 404
    assert county("GET", "/emergencies?state=maybe")[0] == 422


@pytest.mark.parametrize(
    "role", ["grid_worker", "grid_leader", "grid_chief", "unit_clerk", "operator", "service"]
)
def test_others_read_and_don_t_decide(client: Client, role: str) -> None:
    assert client("GET", "/emergencies", None, "x", role)[0] == 200
    assert client("POST", "/emergencies", BODY, "x", role)[0] == 403


def test_a_streets_desk_acts_for_its_own_street_where_the_mode_says_so(client: Client) -> None:
    def desk(body: dict[str, Any], street: str = STREET) -> int:
        return client("POST", "/emergencies", body, "desk", "desk", street=street)[0]

    assert desk(BODY) == 403  # a typhoon is for the county
    own = {**BODY, "mode": "incident", "area": [COMMUNITY]}
    assert desk(own, OTHER) == 403
    assert desk({**own, "area": [COMMUNITY, OTHER]}) == 403
    assert desk({**own, "area": ["350921"]}) == 403
    assert desk(own) == 201
    _, listed = client("GET", "/emergencies", None, "desk", "desk", street=STREET)
    id_ = listed["emergencies"][0]["id"]
    lift = f"/emergencies/{id_}/lift"
    assert client("POST", lift, {"reason": "x"}, "desk", "desk", street=OTHER)[0] == 403
    assert client("POST", lift, {"reason": "x"}, "desk", "desk", street=STREET)[0] == 200


# -- the command line --------------------------------------------------------------------------------


def test_the_command_line_of_the_duty_officer(
    routing: Routing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from jiayuan.routing.cli import routing as command

    monkeypatch.setenv("JIAYUAN_DATABASE_URL", routing.opened.settings.database_url)
    monkeypatch.setenv("JIAYUAN_SEAL_KEYS", routing.opened.settings.seal_keys)
    monkeypatch.setenv("JIAYUAN_CLOCK_SPEED", "1")

    def run(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(command, ["emergency", *words])
        assert done.exit_code == code, done.output
        return str(done.output)

    assert "storm-1" in run("modes")
    why = ("--reason", "台风红色预警，值班电话13800138000", "--who", "officer")
    said = run("declare", "storm-1", "--area", f"{STREET}，{OTHER}", "--hours", "12", *why)
    id_ = said.split(":")[0]
    assert "13800138000" not in said
    assert "declared already" in run("declare", "storm-1", "--area", f"{OTHER},{STREET}", *why)
    assert id_ in run("list", "--state", "on")
    assert "open cases under it: 0" in run("show", id_)
    until = (datetime.now(UTC) + timedelta(hours=30)).isoformat()
    run("extend", id_, "--until", until, "--reason", "台风滞留")
    assert "解除" in run("lift", id_, "--reason", "预警解除", "--who", "officer")
    assert "it was over before" in run("lift", id_, "--reason", "again")
    shown = run("show", id_)
    assert [w in shown for w in ("declare by officer", "extend by", "lift by officer")] == [True] * 3
    # What is wrong is named, and nothing is changed.
    assert "mode: there is no mode war" in run("declare", "war", "--area", STREET, *why, code=1)
    assert "area[0]" in run("declare", "storm-1", "--area", "1", *why, code=1)
    assert "over" in run("extend", id_, "--until", until, "--reason", "x", code=1)
    run("extend", id_, "--until", "tomorrow", "--reason", "x", code=2)
    run("declare", "storm-1", "--area", STREET, "--until", until, "--hours", "3", *why, code=2)
    assert "there is no emergency" in run("show", "nothing", code=1)
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    text = (resources.files("jiayuan.routing") / "data" / "emergency.yaml").read_text(encoding="utf-8")
    good.write_text(text.replace('"2026.1"', '"2026.9"'), encoding="utf-8")
    bad.write_text("modes: []", encoding="utf-8")
    assert "good" in run("policy", "check", str(good))
    assert "4 modes" in run("policy", "import", str(good))
    assert "imported before" in run("policy", "import", str(good), code=1)
    for verb in ("check", "import"):
        assert "version" in run("policy", verb, str(bad), code=1)
