"""Handlers on a real database: one case a report, every way through it, and replicas that meet."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from jiayuan.chassis import reseal
from jiayuan.chassis.seal import Sealer, new_key
from jiayuan.chassis.testing.databases import Opened, round_trips
from jiayuan.contracts.times import iso, parse
from jiayuan.routing import book, catalogue, enacting, handlers, store
from jiayuan.routing.explain import explain
from jiayuan.routing.imports import import_directory
from jiayuan.routing.policy import PolicyError

pytestmark = pytest.mark.store

DEPARTMENT = {"category": {"code": "0102", "name": "路灯照明"}}  # U49 leads, nobody assists
TOGETHER = {"signs": [{"code": "fire", "call": "119"}]}  # U05 leads, U03 and U06 assist
BUS_UNIT = {"category": {"code": "0101", "name": "道路破损"}}  # U02, whose own system speaks over the bus


def together(*runs: Callable[[], Any]) -> None:
    """Runs all at the same time; the first failure is raised."""
    gate, failures = threading.Barrier(len(runs)), []

    def one(run: Callable[[], Any]) -> None:
        gate.wait()
        try:
            run()
        except BaseException as error:  # noqa: BLE001  raised below
            failures.append(error)

    threads = [threading.Thread(target=one, args=(r,)) for r in runs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


def actions(emitted: list[Any]) -> list[tuple[str, int, str]]:
    return [(e.name, e.sequence, e.data["change"]["action"]) for e in emitted]


def live(case: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (leg["kind"], leg["assignee"]["id"])
        for leg in case["legs"]
        if leg["state"] in ("offered", "accepted", "answered")
    ]


# -- opening -----------------------------------------------------------------------------------------


def test_a_report_becomes_a_case_with_a_worker_of_its_community(routing: Any) -> None:
    report = routing.report()
    emitted = routing.receive(report)
    assert actions(emitted) == [("case.opened", 1, "open"), ("case.assigned", 2, "assign")]
    opened, assigned = (e.data["case"] for e in emitted)
    assert (opened["state"], opened["legs"]) == ("open", [])
    assert re.fullmatch(r"350921001-260302-\d{6}", assigned["number"])
    assert (assigned["state"], assigned["level"], assigned["colour"]) == ("assigned", "grid", "yellow")
    assert assigned["decision"]["rule"] == "neighbours-grid"
    assert (assigned["citizen_limit"], assigned["confirmation_limit"]) == (15 * 86400, 72 * 3600)
    [leg] = assigned["legs"]
    assert (leg["kind"], leg["step"], leg["response_limit"], leg["finish_limit"]) == (
        "handle",
        0,
        900,
        72 * 3600,
    )
    assert routing.rows("SELECT community, role FROM person WHERE id = :i", i=leg["assignee"]["id"]) == [
        ("350921001001", "worker")
    ]
    assert all(e.subject == assigned["id"] and e.street == "350921001" and e.causationid for e in emitted)
    assert routing.case(assigned["id"]) == assigned
    assert routing.rows("SELECT assignee, state FROM leg") == [(leg["assignee"]["id"], "offered")]
    assert routing.rows("SELECT sequence, action FROM case_step ORDER BY id") == [(1, "open"), (2, "assign")]


def test_a_department_is_whistled(routing: Any) -> None:
    emitted = routing.receive(routing.report(**TOGETHER))
    assert actions(emitted)[1] == ("case.whistled", 2, "whistle")
    case = emitted[1].data["case"]
    assert case["whistle"] == {"ground": "emergency", "lead": "U05", "assistants": ["U03", "U06"]}
    assert (case["colour"], case["level"]) == ("red", "department")
    assert [(leg["kind"], leg["response_limit"]) for leg in case["legs"]] == [
        ("lead", 900),
        ("assist", 900),
        ("assist", 900),
    ]


@pytest.mark.parametrize(
    ("place", "street", "community", "level"),
    [
        ({"grid": "350921001002-G01"}, "350921001", "350921001002", "grid"),
        ({"street": "350921002"}, "350921002", None, "grid"),
        ({}, "350921000", None, "street"),
        ({"street": "350921003"}, "350921000", None, "street"),  # not in the small directory
    ],
)
def test_places(routing: Any, place: dict[str, str], street: str, community: str | None, level: str) -> None:
    case = routing.open(place=place)
    assert (case["street"], case["community"], case["level"]) == (street, community, level)
    [leg] = case["legs"]
    if level == "street":
        assert leg["assignee"] == {"type": "desk", "id": "desk-350921000"}
        assert "地点不明" in case["decision"]["reason"]
    else:
        [(where,)] = routing.rows("SELECT grid FROM person WHERE id = :i", i=leg["assignee"]["id"])
        assert where.startswith(place.get("grid") or street)


def test_without_a_directory_everything_goes_to_the_county(opened: Opened) -> None:
    from jiayuan.contracts import envelope

    place = {"street": "350921001"}
    base = {
        "id": "r1",
        "tracking_code": "T",
        "kind": "problem",
        "channel": "hotline",
        "title": "t",
        "text": "t",
    }
    more = {
        "livelihood": True,
        "importance": 2,
        "urgency": 2,
        "place": place,
        "received_at": "2026-03-02T01:00:00Z",
    }
    with opened() as work:
        for code, id_ in (("1502", "r1"), ("1106", "r2")):
            report = {**base, **more, "id": id_, "category": {"code": code}}
            event = envelope.make("report.received", "/jiayuan/intake", {"report": report}, at=work.now)
            handlers.report_received(work, [event])
        held = [e.data["case"]["legs"][0]["assignee"]["id"] for e in work.emitted if e.sequence == 2]
        reasons = [e.data["case"]["decision"]["reason"] for e in work.emitted if e.sequence == 2]
    assert held == ["desk-350921000"] * 2
    assert "没有单位U19" in reasons[1]


def test_one_report_is_one_case_however_often_it_comes(routing: Any, replica: Any) -> None:
    report = routing.report()
    first = routing.receive(report, report)
    assert len(first) == 2
    assert routing.receive(report) == []
    assert (
        replica.receive(report, routing.report())[0].data["case"]["number"] != first[0].data["case"]["number"]
    )
    assert routing.rows('SELECT count(*) FROM "case"') == [(2,)]


def test_two_replicas_at_once(routing: Any, replica: Any) -> None:
    reports = [routing.report() for _ in range(60)]
    shuffled = random.Random(1).sample(reports, len(reports))
    together(lambda: routing.receive(*reports), lambda: replica.receive(*shuffled))
    assert routing.rows('SELECT count(*), count(DISTINCT number) FROM "case"') == [(60, 60)]
    assert routing.rows("SELECT count(*), count(DISTINCT case_id) FROM case_report") == [(60, 60)]
    assert routing.rows("SELECT count(*) FROM leg") == [(60,)]
    assert routing.rows("SELECT count(*) FROM outbox_event WHERE routing_key LIKE 'case.%'") == [(120,)]


def test_turns_are_fair_between_replicas(routing: Any, replica: Any) -> None:
    dice = random.Random(3)
    for _ in range(40):
        here = dice.choice((routing, replica))
        here.receive(*(here.report(place={"street": "350921001"}) for _ in range(50)))
    given = dict(routing.rows("SELECT assignee, count(*) FROM leg GROUP BY assignee"))
    workers = routing.rows("SELECT count(*) FROM person WHERE role = 'worker' AND street = '350921001'")[0][0]
    assert len(given) == workers
    assert max(given.values()) - min(given.values()) <= 2
    stored = routing.rows("SELECT sum(given) FROM turn")[0][0]
    assert stored == 2000


def test_a_restarted_process_goes_on_where_the_order_was(routing: Any, replica: Any) -> None:
    workers = routing.rows("SELECT count(*) FROM person WHERE role = 'worker' AND street = '350921001'")[0][0]
    reports = [routing.report(place={"street": "350921001"}) for _ in range(workers)]
    half = len(reports) // 2
    for i, r in enumerate(reports[:half]):
        routing.receive(r, at=i)
    for i, r in enumerate(reports[half:]):
        replica.receive(r, at=half + i)  # its first look at the turns comes now
    assert set(Counter(a for (a,) in routing.rows("SELECT assignee FROM leg")).values()) == {1}


# -- moves -------------------------------------------------------------------------------------------


def test_the_straight_way_to_the_end(routing: Any) -> None:
    case = routing.open()
    leg = case["legs"][0]["id"]
    emitted = [
        e
        for i, a in enumerate(("accept", "answer", "resolve"))
        for e in routing.move(case["id"], leg, a, i + 1)
    ]
    assert actions(emitted) == [
        ("case.accepted", 3, "accept"),
        ("case.answered", 4, "answer"),
        ("case.resolved", 5, "resolve"),
    ]
    closed = routing.said("report.rated", case["reports"][0]["id"], 10, solved=True, satisfaction=5)
    assert actions(closed) == [("case.closed", 6, "confirm")]
    after = routing.case(case["id"])
    assert (after["state"], after["confirmed"], after["satisfaction"]) == ("closed", "satisfied", 5)
    [row] = routing.rows('SELECT state, confirmed, sequence, closed_at FROM "case"')
    assert row[:3] == ("closed", "satisfied", 6)
    assert iso(row[3]) == after["closed_at"]
    assert routing.rows("SELECT state FROM leg") == [("done",)]
    assert [r[0] for r in routing.rows("SELECT sequence FROM case_step ORDER BY id")] == [1, 2, 3, 4, 5, 6]


def test_a_repeated_move_changes_nothing(routing: Any) -> None:
    case = routing.open()
    leg = case["legs"][0]["id"]
    assert len(routing.move(case["id"], leg, "accept", 1)) == 1
    assert routing.move(case["id"], leg, "accept", 2) == []
    assert routing.case(case["id"])["legs"][0]["accepted_at"].startswith("2026-03-02T01:01")


def test_concurrent_moves_are_one_after_the_other(routing: Any, replica: Any) -> None:
    case = routing.open(**TOGETHER)
    legs = [leg["id"] for leg in case["legs"]]
    together(
        *(
            lambda w=w, leg=leg: w.move(case["id"], leg, "accept", 1)
            for w in (routing, replica)
            for leg in legs
        )
    )
    after = routing.case(case["id"])
    assert [leg["state"] for leg in after["legs"]] == ["accepted"] * 3
    assert routing.rows('SELECT sequence FROM "case"') == [(5,)]
    assert [r[0] for r in routing.rows("SELECT sequence FROM case_step ORDER BY sequence")] == [1, 2, 3, 4, 5]


def test_a_whistle_ends_when_all_are_done(routing: Any) -> None:
    case = routing.open(**TOGETHER)
    names = []
    for leg in case["legs"]:
        for action in ("accept", "resolve"):
            names += [e.name for e in routing.move(case["id"], leg["id"], action, 5)]
    assert names == [
        "case.accepted",
        "case.answered",
        "case.accepted",
        "case.answered",
        "case.accepted",
        "case.resolved",
    ]


def test_returned_to_the_desk(routing: Any) -> None:
    case = routing.open(**DEPARTMENT)
    emitted = routing.move(case["id"], case["legs"][0]["id"], "return", 30)
    assert actions(emitted) == [("case.returned", 3, "return")]
    after = routing.case(case["id"])
    assert live(after) == [("handle", "desk-350921001")]
    assert after["legs"][1]["finish_limit"] == case["legs"][0]["finish_limit"]
    assert routing.rows("SELECT state FROM leg ORDER BY offered_at") == [("returned",), ("offered",)]


# -- clocks ------------------------------------------------------------------------------------------


def test_up_the_ladder_to_the_street(routing: Any) -> None:
    case = routing.open()
    holders = []
    for i in range(1, 5):
        leg = routing.case(case["id"])["legs"][-1]["id"]
        emitted = routing.breach(case, "response", leg, 15 * i)
        assert actions(emitted) == ([("case.assigned", i + 2, "raise")] if i < 4 else [])
        last = routing.case(case["id"])["legs"][-1]
        holders.append((last["step"], last["level"], last["assignee"]["type"]))
    assert holders == [
        (1, "grid", "person"),
        (2, "community", "person"),
        (3, "street", "desk"),
        (3, "street", "desk"),
    ]
    roles = routing.rows("SELECT p.role FROM leg l JOIN person p ON p.id = l.assignee ORDER BY l.offered_at")
    assert [r[0] for r in roles] == ["worker", "leader", "chief"]


def test_a_breach_after_the_answer_does_nothing(routing: Any) -> None:
    case = routing.open()
    leg = case["legs"][0]["id"]
    routing.move(case["id"], leg, "accept", 13)
    routing.move(case["id"], leg, "answer", 14)
    assert routing.breach(case, "response", leg, 15) == []
    assert routing.rows('SELECT sequence FROM "case"') == [(4,)]


def test_a_breach_delivered_twice_raises_once(routing: Any, replica: Any) -> None:
    case = routing.open()
    leg = case["legs"][0]["id"]
    together(*(lambda w=w: w.breach(case, "response", leg, 15) for w in (routing, replica)))
    assert len(routing.case(case["id"])["legs"]) == 2


def test_a_department_keeps_its_leg_and_the_street_looks_over_it(routing: Any) -> None:
    case = routing.open(**DEPARTMENT)
    leg = case["legs"][0]["id"]
    assert actions(routing.breach(case, "response", leg, 1441)) == [("case.assigned", 3, "raise")]
    assert routing.breach(case, "finish", leg, 9999) == []
    assert live(routing.case(case["id"])) == [("lead", "U49"), ("supervise", "desk-350921001")]


def test_a_finish_limit_that_passed_calls_the_street_too(routing: Any) -> None:
    case = routing.open()
    leg = case["legs"][0]["id"]
    routing.move(case["id"], leg, "accept", 5)
    assert actions(routing.breach(case, "finish", leg, 5000)) == [("case.assigned", 4, "raise")]
    assert [k for k, _ in live(routing.case(case["id"]))] == ["handle", "supervise"]
    assert routing.breach(case, "finish", leg, 5001) == []
    assert routing.breach(case, "citizen", None, 9000) == []


def test_an_unknown_case_is_no_failure(routing: Any) -> None:
    gone = {"id": "01a20868-e7b8-7018-ac54-827e2a68d8e1", "street": "350921001"}
    assert routing.breach(gone, "response", "x", 15) == []
    assert routing.breach({"id": "not-a-uuid", "street": "350921001"}, "response", "x", 15) == []


def resolved(routing: Any, **fields: Any) -> dict[str, Any]:
    case = routing.open(**fields)
    for leg in case["legs"]:
        for action in ("accept", "resolve"):
            routing.move(case["id"], leg["id"], action, 10)
    found: dict[str, Any] = routing.case(case["id"])
    assert found["state"] == "resolved"
    return found


def test_nobody_answers_and_it_lapses(routing: Any) -> None:
    case = resolved(routing)
    early = {"started_at": iso(parse(case["resolved_at"]) - timedelta(minutes=1))}
    assert routing.breach(case, "confirmation", None, 6000, **early) == []
    emitted = routing.breach(case, "confirmation", None, 6000, started_at=case["resolved_at"])
    assert actions(emitted) == [("case.closed", 5, "lapse")]
    assert routing.case(case["id"])["confirmed"] == "lapsed"


# -- reporters ---------------------------------------------------------------------------------------


def test_not_solved_opens_it_once(routing: Any) -> None:
    case = resolved(routing)
    report = case["reports"][0]["id"]
    emitted = routing.said("report.rated", report, 20, solved=False, satisfaction=1)
    assert actions(emitted) == [("case.reopened", 5, "reopen")]
    after = routing.case(case["id"])
    assert live(after) == [("handle", "desk-350921001")]
    assert "resolved_at" not in after
    [row] = routing.rows('SELECT state, reopened, resolved_at FROM "case"')
    assert tuple(row) == ("assigned", 1, None)
    desk = after["legs"][-1]["id"]
    for action in ("accept", "resolve"):
        routing.move(case["id"], desk, action, 30)
    emitted = routing.said("report.rated", report, 40, solved=False, satisfaction=1)
    assert actions(emitted) == [("case.closed", 8, "confirm")]
    assert routing.case(case["id"])["confirmed"] == "unsatisfied"


def test_a_rating_before_the_end_is_kept(routing: Any) -> None:
    case = routing.open()
    leg = case["legs"][0]["id"]
    assert routing.said("report.rated", case["reports"][0]["id"], 3, solved=True, satisfaction=4) == []
    assert routing.rows('SELECT sequence, rating IS NULL FROM "case"') == [(2, False)]
    routing.move(case["id"], leg, "accept", 5)
    emitted = routing.move(case["id"], leg, "resolve", 6)
    assert actions(emitted) == [("case.resolved", 4, "resolve"), ("case.closed", 5, "confirm")]
    assert routing.case(case["id"])["satisfaction"] == 4


@pytest.mark.parametrize("state", ["assigned", "resolved"])
def test_withdrawn(routing: Any, state: str) -> None:
    case = resolved(routing) if state == "resolved" else routing.open()
    emitted = routing.said("report.withdrawn", case["reports"][0]["id"], 20, reason="打13900001111说清楚了")
    [event] = emitted
    assert event.name == "case.closed"
    assert event.data["case"]["confirmed"] == "withdrawn"
    assert "13900001111" not in event.data["change"]["reason"]
    assert routing.said("report.withdrawn", case["reports"][0]["id"], 21) == []


def test_what_comes_before_its_report_waits_for_it(routing: Any) -> None:
    report = routing.report()
    assert routing.said("report.rated", report["id"], 1, solved=True, satisfaction=5) == []
    assert routing.said("report.supplemented", report["id"], 2, text="补充") == []
    assert routing.said("report.withdrawn", report["id"], 3) == []
    emitted = routing.receive(report, at=4)
    assert actions(emitted) == [
        ("case.opened", 1, "open"),
        ("case.assigned", 2, "assign"),
        ("case.closed", 3, "withdraw"),
    ]
    assert routing.case(emitted[0].subject)["confirmed"] == "withdrawn"


def test_an_early_rating_counts_when_the_case_is_resolved(routing: Any) -> None:
    report = routing.report()
    routing.said("report.rated", report["id"], 1, solved=True, satisfaction=2)
    case = routing.receive(report, at=4)[-1].data["case"]
    routing.move(case["id"], case["legs"][0]["id"], "accept", 5)
    routing.move(case["id"], case["legs"][0]["id"], "resolve", 6)
    assert routing.case(case["id"])["confirmed"] == "unsatisfied"


def test_a_withdrawal_and_its_report_at_once(routing: Any, replica: Any) -> None:
    for _ in range(10):
        report = routing.report()
        together(
            lambda r=report: routing.receive(r), lambda r=report: replica.said("report.withdrawn", r["id"], 1)
        )
    assert routing.rows('SELECT state, count(*) FROM "case" GROUP BY state') == [("closed", 10)]


# -- departments' own systems ------------------------------------------------------------------------


def outcomes(work: Any) -> list[dict[str, Any]]:
    import orjson

    return [orjson.loads(body)["data"] if isinstance(body, str) else body["data"] for (body,) in work]


def test_a_unit_handles_over_the_bus_by_id_and_by_number(routing: Any) -> None:
    case = routing.open(**BUS_UNIT)
    names = [e.name for e in routing.handled(case["id"], "U02", "accept", 10).emitted]
    names += [e.name for e in routing.handled(case["number"], "U02", "answer", 20).emitted]
    work = routing.handled(
        case["number"], "U02", "resolve", 30, note="已修，电话13900001111", evidence=["https://x.invalid/1"]
    )
    names += [e.name for e in work.emitted]
    assert names == ["case.accepted", "case.answered", "case.resolved"]
    assert "13900001111" not in work.emitted[0].data["change"]["reason"]
    assert work.emitted[0].data["change"]["actor"] == "U02"
    [(evidence,)] = routing.rows("SELECT evidence FROM case_step WHERE action = 'resolve'")
    assert evidence == ["https://x.invalid/1"]
    told = routing.rows("SELECT body FROM outbox_event WHERE exchange = 'jiayuan.outcomes' ORDER BY id")
    assert [o["outcome"] for o in outcomes(told)] == ["accepted"] * 3
    assert outcomes(told)[0]["result"] == case["id"]


def test_a_resend_is_a_duplicate(routing: Any) -> None:
    case = routing.open(**BUS_UNIT)
    routing.handled(case["id"], "U02", "accept", 10, external_id="E1")
    again = routing.handled(case["id"], "U02", "accept", 11, external_id="E1")
    assert again.emitted == []
    told = outcomes(
        routing.rows("SELECT body FROM outbox_event WHERE exchange = 'jiayuan.outcomes' ORDER BY id")
    )
    assert [(o["outcome"], o["result"]) for o in told] == [
        ("accepted", case["id"]),
        ("duplicate", case["id"]),
    ]


@pytest.mark.parametrize(
    ("case", "unit", "action", "field"),
    [
        ("350921001-000000-000000", "U02", "accept", "data.case"),
        ("01a20868-e7b8-7018-ac54-827e2a68d8e1", "U02", "accept", "data.case"),
        ("", "U99", "accept", "data.unit"),
        ("", "U03", "accept", "data.unit"),  # no leg in this case
        ("", "U49", "accept", "data.unit"),  # acts over HTTP
        ("", "U02", "resolve", "data.action"),
        ("", "U02", "return", "data.note"),  # without a reason
    ],
)
def test_refused_with_the_reason(routing: Any, case: str, unit: str, action: str, field: str) -> None:
    known = routing.open(**BUS_UNIT)
    work = routing.handled(case or known["id"], unit, action, 10, external_id="E1")
    assert work.emitted == []
    [(body,)] = routing.rows("SELECT body FROM outbox_event WHERE exchange = 'jiayuan.outcomes'")
    [told] = outcomes([(body,)])
    assert (told["outcome"], told["problems"][0]["field"]) == ("rejected", field)
    assert routing.rows("SELECT reason FROM dead_letter") == [("refused",)]
    # Put right, the same external id is taken.
    assert routing.handled(known["id"], "U02", "accept", 12, external_id="E1").emitted != []


def test_only_its_own_partner_acts_for_a_unit(opened: Opened, document: dict[str, Any], own: Any) -> None:
    units = [{**u, "partner": "city-management"} if u["code"] == "U02" else u for u in document["units"]]
    with opened() as work:
        import_directory(work, opened.runtime.sealer, {**document, "units": units}, "test")
    case = own.open(**BUS_UNIT)
    assert own.handled(case["id"], "U02", "accept", 10).emitted == []
    assert "may not act for U02" in own.rows("SELECT error FROM dead_letter")[0][0]


def test_the_partners_time_counts_within_reason(routing: Any) -> None:
    case = routing.open(**BUS_UNIT)
    routing.handled(case["id"], "U02", "accept", 60, at="2026-03-02T01:30:00Z")
    routing.handled(case["id"], "U02", "answer", 61, at="2026-03-02T01:10:00Z")  # before it was accepted
    routing.handled(case["id"], "U02", "resolve", 62, at="2027-01-01T00:00:00Z")
    [leg] = routing.case(case["id"])["legs"]
    assert [leg[k][11:16] for k in ("accepted_at", "answered_at", "done_at")] == ["01:30", "01:30", "02:02"]


def test_many_reports_of_one_case_in_one_batch(routing: Any) -> None:
    case = routing.open(**BUS_UNIT)
    events = [
        routing.event(
            "handling.reported",
            {
                "external_id": a,
                "case": case["number"],
                "unit": "U02",
                "action": a,
                "at": "2026-03-02T01:05:00Z",
            },
            "/partners/department-systems",
        )
        for a in ("accept", "answer", "resolve")
    ]
    with routing.work(9) as work:
        handlers.handling_reported(work, events)
        assert [e.sequence for e in work.emitted] == [3, 4, 5]
    assert routing.case(case["id"])["state"] == "resolved"


# -- directory and policy ----------------------------------------------------------------------------


def test_importing_tells_who_changed(opened: Opened, document: dict[str, Any]) -> None:
    sealer = opened.runtime.sealer
    with opened() as work:
        done = import_directory(work, sealer, document, "me")
        items = [i for e in work.emitted for i in e.data["items"]]
        assert {e.name for e in work.emitted} == {"directory.changed"}
        assert max(len(e.data["items"]) for e in work.emitted) <= 100
    assert (done.version, done.changed) == (1, 60 + 65 + 3)
    assert len(items) == done.changed
    for item in items[:5]:
        assert sealer.open(item["contact"], item["id"])["phone"].startswith("000")
    with opened() as work:
        again = import_directory(work, sealer, document, "me")
        assert (again.version, again.changed, work.emitted) == (2, 0, [])
    gone, moved = document["people"][-1], document["people"][-2]
    changed = {**document, "people": [*document["people"][:-2], {**moved, "phone": "00099999999"}]}
    with opened() as work:
        import_directory(work, sealer, changed, "me")
        [event] = work.emitted
    assert {i["id"]: i["active"] for i in event.data["items"]} == {gone["id"]: False, moved["id"]: True}
    with opened() as work:
        known = book.of(work).directory
        assert known.person(gone["id"]) is None
        assert gone["id"] not in known.workers("350921001") + list(known.workers("350921002"))


def test_a_running_process_sees_a_new_directory(own: Any, work_for: Any, document: dict[str, Any]) -> None:
    own.open()
    people = [p for p in document["people"] if p["role"] != "worker"]
    replica = work_for("routing", own.url)
    with replica() as work:
        import_directory(work, replica.runtime.sealer, {**document, "people": people}, "me")
    case = own.open()
    assert case["legs"][0]["assignee"]["id"] == "desk-350921001"
    assert "暂无网格员" in case["decision"]["reason"]


def test_a_new_policy_holds_from_its_time(own: Any) -> None:
    signs = list(catalogue.load("").signs)
    fast = {"level": "department", "lead": "U03", "response": "15m"}
    table = {
        "version": "t2",
        "effective_from": "2026-03-02T10:00:00+08:00",
        "zone": "Asia/Shanghai",
        "colours": {i: dict.fromkeys((1, 2, 3), "green") for i in (1, 2, 3)},
        "limits": {
            "grid_response": "5m",
            "department_response": "24h",
            "citizen": "15d",
            "confirmation": "72h",
            "report_in": "24h",
            "finish": dict.fromkeys(("red", "orange", "yellow", "blue", "green"), "1h"),
        },
        "rules": [
            {"id": "danger", "priority": 9, "when": {"sign": signs}, "then": fast, "reason": "有危险"},
            {"id": "all", "when": {}, "then": {"level": "grid"}, "reason": "都到网格"},
        ],
    }
    with own.work() as work:
        enacting.import_policy(work, table, "me")
        enacting.judge(work, "t2", "approved", "somebody else")
    assert own.open(at=0)["decision"]["policy"] != "t2"
    case = own.open(at=61)
    assert (case["decision"]["rule"], case["colour"], case["legs"][0]["response_limit"]) == (
        "all",
        "green",
        300,
    )
    with pytest.raises(PolicyError, match="imported before"), own.work() as work:
        enacting.import_policy(work, table, "me")


def test_explained_in_one_sentence(routing: Any) -> None:
    case = routing.open()
    with routing.work() as work:
        found, known = store.read_case(work, case["number"]), book.of(work)
        assert found is not None
        said = explain(found, known.directory, known.policy(work.now).zone)
    assert said.startswith(case["number"])
    assert "黄色" in said
    assert "2026年03月02日09:00" in said
    assert "网格员例" in said
    assert said.count("。") == 1


def test_few_round_trips_a_batch(routing: Any) -> None:
    routing.receive(routing.report())
    with round_trips() as asked:
        routing.receive(*(routing.report() for _ in range(200)))
    assert len(asked) == 2, asked  # the claim, and everything else with the commit


def test_contacts_of_staff_units_and_desks_are_sealed_anew(opened: Opened, document: dict[str, Any]) -> None:
    old = opened.runtime.sealer
    with opened() as work:
        import_directory(work, old, document, "me")
        before = store.contacts(work)
    new = Sealer(f"{new_key('k2')},{opened.settings.seal_keys}")
    with opened.engine.connect() as conn:
        tables = [
            conn.execute(text(f"SELECT count(contact) FROM {t}")).scalar_one()
            for t in ("person", "unit", "place")
        ]
    assert all(tables)
    done = reseal.run(opened.engine, opened.metadata, new, 4, lambda _what, _more: None)
    with opened() as work:
        after = store.contacts(work)
    assert done == len(before) == len(after) == sum(tables)
    for whom, sealed in after.items():
        assert sealed.startswith("k2.")
        assert new.open(sealed, whom) == old.open(before[whom], whom)
    assert reseal.left(opened.engine, opened.metadata, new) == 0
