"""Every decision is kept with its inputs; what isn't sure goes to the desk; what is put right is decided again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from jiayuan.chassis.database import driver_url
from jiayuan.chassis.testing.databases import Databases
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso
from jiayuan.routing import handlers

from .conftest import COMMUNITY, STREET, T0, Routing

pytestmark = pytest.mark.store

OTHER = "350921002"
LAMPS = {"code": "0102", "name": "路灯照明", "confidence": 1.0, "method": "desk"}


def decisions(routing: Routing, case: str) -> list[Any]:
    return routing.rows("SELECT * FROM decision WHERE case_id::text = :c ORDER BY sequence", c=case)


def corrected(routing: Routing, report: str, sequence: int, at: float = 5, **fields: Any) -> list[Event]:
    """What intake says was put right."""
    data = {"report": report, "text": "更正", "at": iso(T0 + timedelta(minutes=at)), "by": "desk-1", **fields}
    event = routing.event("report.supplemented", data, sequence=sequence)
    with routing.work(at) as work:
        handlers.about_reports(work, [event])
        return work.emitted


def to_lamps(routing: Routing, report: str, sequence: int, at: float = 5) -> list[Event]:
    weights = {"livelihood": True, "importance": 2, "urgency": 2}
    return corrected(routing, report, sequence, at, category=LAMPS, **weights)


def holders(case: dict[str, Any]) -> list[str]:
    live = ("offered", "accepted", "answered")
    return [leg["assignee"]["id"] for leg in case["legs"] if leg["state"] in live]


def test_a_decision_is_kept_with_its_inputs(routing: Routing) -> None:
    case = routing.open(category={"code": "0102", "name": "路灯照明", "confidence": 0.87}, signs=[])
    (row,) = decisions(routing, case["id"])
    assert (row.sequence, row.cause, row.by) == (2, "received", "routing")
    assert (row.policy, row.rule) == (case["decision"]["policy"], "street-lamps")
    assert (row.category, row.kind, row.importance, row.urgency) == ("0102", "problem", 2, 2)
    assert (row.street, row.community, row.signs) == (STREET, COMMUNITY, "")
    assert round(row.confidence, 2) == 0.87
    assert (row.doubt, row.more) == (None, None)
    assert (row.level, row.lead, row.assistants, row.colour) == ("department", "U49", "", case["colour"])
    assert (row.response_limit, row.finish_limit) == (86400, 72 * 3600)
    assert row.at == T0


def test_each_report_of_a_batch_has_its_decision_and_a_report_that_comes_again_no_second(
    routing: Routing,
) -> None:
    reports = [routing.report(signs=[{"code": "fire"}]), routing.report(), routing.report()]
    routing.receive(*reports)
    routing.receive(*reports)
    rows = routing.rows("SELECT rule, signs FROM decision ORDER BY rule")
    assert [tuple(r) for r in rows] == [
        ("danger-fire", "fire"),
        ("neighbours-grid", ""),
        ("neighbours-grid", ""),
    ]


def test_decisions_are_only_ever_added_to() -> None:
    from jiayuan.routing import store

    for table in (store.decision_table, store.policy_verdict, store.policy_table):
        assert table.info["grants"] == "SELECT, INSERT"


UNSURE = {"code": "1502", "name": "犬类与宠物", "confidence": 0.2, "method": "keywords"}


def test_what_is_not_sure_goes_to_the_desk_with_what_was_thought_of(routing: Routing) -> None:
    thought = [
        {"code": "1502", "name": "犬类与宠物", "confidence": 0.2, "why": ["狗"]},
        {"code": "0105", "name": "垃圾清运与公厕", "why": ["垃圾"]},
    ]
    case = routing.open(category=UNSURE, candidates=thought)
    assert holders(case) == [f"desk-{STREET}"]
    assert case["level"] == "street"
    assert "先交街道研判" in case["decision"]["reason"]
    assert case["decision"]["confidence"] == 0.2
    (row,) = decisions(routing, case["id"])
    assert (row.doubt, row.more) == ("confidence", {"candidates": thought})


@pytest.mark.parametrize(
    ("fields", "to_desk"),
    [
        ({"category": UNSURE}, True),
        ({"category": {**UNSURE, "confidence": 0.3}}, False),  # exactly the threshold is sure enough
        ({"category": {"code": "1502"}}, False),  # nobody guessed
        ({"category": UNSURE, "kind": "praise"}, False),  # whatever it is about, the same rule decides
        ({"category": UNSURE, "signs": [{"code": "gas"}]}, False),  # danger waits for nobody
    ],
)
def test_when_the_desk_looks_first(routing: Routing, fields: dict[str, Any], to_desk: bool) -> None:
    case = routing.open(**fields)
    assert (holders(case) == [f"desk-{STREET}"]) is to_desk


@pytest.mark.parametrize(
    ("code", "signs", "desk"),
    [("0101", [], True), ("1106", [], False), ("0101", [{"code": "collapse"}], False), ("1502", [], True)],
)
def test_what_cannot_be_settled_without_a_place_goes_to_the_county(
    routing: Routing, code: str, signs: list[Any], desk: bool
) -> None:
    case = routing.open(category={"code": code}, signs=signs, place={})
    assert (holders(case) == ["desk-350921000"]) is desk
    (row,) = decisions(routing, case["id"])
    assert row.doubt == ("place" if desk else None)


# -- put right by intake's desk ----------------------------------------------------------------------


def test_a_corrected_category_is_decided_again_while_nobody_has_accepted(routing: Routing) -> None:
    case = routing.open(id="r1")
    assert case["level"] == "grid"
    events = to_lamps(routing, "r1", 2)
    assert [(e.name, e.sequence, e.data["change"]["action"]) for e in events] == [
        ("case.changed", 3, "recategorise"),
        ("case.whistled", 4, "whistle"),
    ]
    now = routing.case(case["id"])
    assert (now["category"], now["level"], holders(now)) == (LAMPS, "department", ["U49"])
    assert now["decision"]["rule"] == "street-lamps"
    assert [leg["state"] for leg in now["legs"]] == ["reassigned", "offered"]
    assert now["whistle"]["lead"] == "U49"
    first, second = decisions(routing, case["id"])
    assert (first.rule, second.rule, second.cause, second.by) == (
        "neighbours-grid",
        "street-lamps",
        "corrected",
        "desk-1",
    )
    assert second.more["before"]["category"] == "1502"
    (row,) = routing.rows('SELECT category, colour, level FROM "case"')
    assert tuple(row) == ("0102", now["colour"], "department")


def test_a_corrected_place_moves_the_case(routing: Routing) -> None:
    case = routing.open(id="r1")
    events = corrected(routing, "r1", 2, place={"street": OTHER})
    assert [e.data["change"]["action"] for e in events] == ["relocate", "assign"]
    now = routing.case(case["id"])
    assert (now["street"], now["community"]) == (OTHER, None)
    assert all(e.data["case"]["number"] == case["number"] for e in events)
    (holder,) = holders(now)
    (street,) = routing.rows("SELECT street FROM person WHERE id = :p", p=holder)
    assert street[0] == OTHER
    (row,) = routing.rows('SELECT street, community FROM "case"')
    assert tuple(row) == (OTHER, None)


def test_where_it_is_decided_the_same_whoever_has_it_keeps_it(routing: Routing) -> None:
    case = routing.open(category={"code": "0301"}, id="r1")
    same = {**LAMPS, "code": "0301", "name": "停水与水压"}
    events = corrected(routing, "r1", 2, category=same)
    assert [e.data["change"]["action"] for e in events] == ["recategorise"]
    now = routing.case(case["id"])
    assert [leg["id"] for leg in now["legs"]] == [leg["id"] for leg in case["legs"]]


def test_after_acceptance_only_the_record_changes_and_the_desk_is_to_look(routing: Routing) -> None:
    case = routing.open(id="r1")
    routing.move(case["id"], case["legs"][0]["id"], "accept", 2)
    events = to_lamps(routing, "r1", 2)
    assert [e.data["change"]["action"] for e in events] == ["recategorise"]
    now = routing.case(case["id"])
    assert (now["category"], now["level"], now["colour"]) == (LAMPS, "grid", case["colour"])
    assert (now["decision"], now["state"]) == (case["decision"], "accepted")
    assert decisions(routing, case["id"])[-1].doubt == "accepted"


def test_what_is_older_or_comes_again_changes_nothing(routing: Routing) -> None:
    case = routing.open(id="r1")
    to_lamps(routing, "r1", 5)
    assert to_lamps(routing, "r1", 5) == []
    older = {**LAMPS, "code": "1106", "name": "退役军人"}
    assert corrected(routing, "r1", 3, category=older) == []
    assert routing.case(case["id"])["category"] == LAMPS
    # A place has its own order: an older word about it is still the newest.
    assert corrected(routing, "r1", 4, place={"street": OTHER}) != []
    now = routing.case(case["id"])
    assert (now["street"], now["category"]) == (OTHER, LAMPS)
    assert corrected(routing, "r1", 4, place={"street": STREET}) == []


def test_corrections_of_a_batch_in_any_order_are_one_decision(routing: Routing) -> None:
    case = routing.open(id="r1")
    said = [
        {"category": LAMPS},
        {"category": {**LAMPS, "code": "1106"}},
        {"place": {"street": OTHER}},
        {"category": {**LAMPS, "code": "1302", "name": "渔港渔船"}},
    ]
    at = iso(T0)
    events = [
        routing.event("report.supplemented", {"report": "r1", "text": "改", "at": at, **s}, sequence=n)
        for n, s in zip((4, 3, 2, 5), said, strict=True)
    ]
    with routing.work(5) as work:
        handlers.about_reports(work, events)
        assert [e.data["change"]["action"] for e in work.emitted] == ["recategorise", "relocate", "whistle"]
    now = routing.case(case["id"])
    assert (now["category"]["code"], now["street"], holders(now)) == ("1302", OTHER, ["U12"])
    assert len(decisions(routing, case["id"])) == 2


def test_what_is_put_right_before_the_report_comes_is_how_it_is_opened(routing: Routing) -> None:
    assert to_lamps(routing, "r1", 3) == []
    corrected(routing, "r1", 2, category={**LAMPS, "code": "1106"})
    events = routing.receive(routing.report(id="r1", category=UNSURE), at=6)
    assert [e.name for e in events] == ["case.opened", "case.whistled"]
    case = events[-1].data["case"]
    assert (case["category"], holders(case)) == (LAMPS, ["U49"])
    assert corrected(routing, "r1", 2, 7, category={**LAMPS, "code": "1106"}) == []  # older than what it has


def test_danger_stays_danger_whatever_it_is_called(routing: Routing) -> None:
    case = routing.open(
        id="r1", category={"code": "0304"}, signs=[{"code": "electric"}], importance=3, urgency=3
    )
    to_lamps(routing, "r1", 2)
    now = routing.case(case["id"])
    assert (now["category"], now["colour"], now["decision"]["rule"]) == (LAMPS, "red", "danger-electric")
    assert [leg["id"] for leg in now["legs"]] == [leg["id"] for leg in case["legs"]]


def test_a_case_of_before_there_were_decisions_keeps_its_danger(
    routing: Routing, databases: Databases
) -> None:
    electric = {"category": {"code": "0304"}, "signs": [{"code": "electric"}], "importance": 3, "urgency": 3}
    case = routing.open(id="r1", **electric)
    engine = create_engine(driver_url(databases.admin(routing.url)), poolclass=NullPool)
    with engine.begin() as conn:  # nobody else may take anything away
        conn.execute(text("DELETE FROM decision"))
    to_lamps(routing, "r1", 2)
    now = routing.case(case["id"])
    assert (now["category"], now["colour"], now["decision"]["rule"]) == (LAMPS, "red", "danger-electric")


def test_another_reports_correction_is_not_the_cases(routing: Routing) -> None:
    case = routing.open(id="r1")
    joined = {"report": "r1", "score": 0.9, "reason": "同一件事"}
    event = routing.event("report.received", {"report": routing.report(id="r2"), "joined": joined})
    with routing.work(3) as work:
        handlers.report_received(work, [event])
    assert to_lamps(routing, "r2", 2) == []
    assert routing.case(case["id"])["category"]["code"] == "1502"
    (step,) = routing.rows("SELECT actor FROM case_step WHERE action = 'supplemented'")
    assert step[0] == "desk-1"


def test_what_is_over_stays_as_it_was(routing: Routing) -> None:
    case = routing.open(id="r1")
    routing.said("report.withdrawn", "r1", 2)
    assert to_lamps(routing, "r1", 3) == []
    assert routing.case(case["id"])["category"]["code"] == "1502"


def test_a_livelihood_matter_is_entered_when_it_turns_out_to_be_one_and_stays_so(routing: Routing) -> None:
    case = routing.open(id="r1", livelihood=False)
    assert to_lamps(routing, "r1", 2)[0].data["case"]["livelihood"] is True
    assert decisions(routing, case["id"])[-1].more["livelihood_from"] == 3
    corrected(routing, "r1", 3, category={**LAMPS, "code": "1505"}, livelihood=False, importance=1, urgency=1)
    now = routing.case(case["id"])
    assert (now["category"]["code"], now["livelihood"]) == ("1505", True)
    assert "livelihood_from" not in decisions(routing, case["id"])[-1].more
    assert routing.rows('SELECT livelihood FROM "case"')[0][0] is True


def test_words_alone_change_nothing(routing: Routing) -> None:
    routing.open(id="r1")
    assert corrected(routing, "r1", 2) == []
    assert routing.rows("SELECT count(*) FROM decision")[0][0] == 1


def test_two_replicas_that_hear_of_it_at_once_decide_once(routing: Routing, replica: Routing) -> None:
    case = routing.open(id="r1")
    assert to_lamps(routing, "r1", 2) != []
    assert to_lamps(replica, "r1", 2) == []
    assert len(decisions(routing, case["id"])) == 2
