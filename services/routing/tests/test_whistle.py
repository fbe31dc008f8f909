"""The whistle: every unit its own leg, refusals before the convener, cases that nobody takes; and a model of it all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jiayuan.chassis.testing.models import examples
from jiayuan.contracts.check import problems
from jiayuan.contracts.schemas.case import CaseChanged
from jiayuan.contracts.times import iso
from jiayuan.routing import case as cases
from jiayuan.routing.case import Assignee, Case, Leg, Moves, NotAllowed
from jiayuan.routing.case import whistle as whistles
from jiayuan.routing.case.whistle import Limits

pytestmark = pytest.mark.unit

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
LIMITS = Limits(86400, 600, None)
CONVENER = Assignee("person", "seat-1")
DESK = Assignee("desk", "desk-350921001")
STREET = "350921001"
REASON = "沿街占道反复回潮，街道劝离无效"


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def a_case(*legs: Leg, **fields: Any) -> Case:
    worker = Leg(
        "L0", "handle", "grid", 0, Assignee("person", "p1"), "accepted", 900, 86400, iso(T0), iso(T0)
    )
    case = Case(
        id="C1",
        number="350921001-260302-000001",
        sequence=2,
        state="accepted",
        kind="problem",
        title="沿街占道经营",
        category={"code": "0106"},
        livelihood=True,
        colour="yellow",
        level="grid",
        street=STREET,
        community="350921001001",
        grid=None,
        decision={"policy": "2026.1", "rule": "r", "reason": "因为"},
        reports=({"id": "R1", "reporter": "c1", "channel": "hotline", "received_at": iso(T0)},),
        first_received_at=iso(T0),
        opened_at=iso(T0),
        legs=legs or (worker,),
    )
    return replace(case, **fields)


def check(moves: Moves) -> Case:
    """Every step is one sequence on, keeps the contract, and survives the store."""
    assert moves
    for moved in moves:
        data = {"case": cases.document(moved.case), "change": cases.change_document(moved.change)}
        assert problems(CaseChanged, data) == []
        assert cases.from_document(data["case"], moved.case.sequence, moved.case.reopened) == moved.case
    sequences = [m.case.sequence for m in moves]
    assert sequences == list(range(sequences[0], sequences[0] + len(moves)))
    return moves[-1].case


def called(*assistants: str, lead: str = "U1", **fields: Any) -> Case:
    return check(
        whistles.call(a_case(**fields), "public_matter", lead, assistants, LIMITS, "desk-1", at(1), REASON)
    )


def leg(case: Case, unit: str) -> Leg:
    return whistles.unit_legs(case, unit)[-1]


def do(case: Case, unit: str, *moves: str, minutes: float = 5) -> Case:
    for move in moves:
        run = {
            "accept": cases.accept,
            "answer": cases.answer,
            "resolve": cases.resolve,
            "arrive": cases.arrive,
        }
        case = check(run[move](case, leg(case, unit).id, f"clerk-{unit}", at(minutes)))
    return case


def refuse(case: Case, unit: str, minutes: float = 5) -> Case:
    return check(
        whistles.refuse(
            case, leg(case, unit).id, CONVENER, 86400, f"clerk-{unit}", at(minutes), "不属于本单位职责"
        )
    )


def convene(case: Case, decision: str, unit: str = "", minutes: float = 9, index: int = 0) -> Case:
    mine = [leg for leg in case.legs if leg.kind == "convene" and leg.live]
    return check(
        whistles.convene(
            case,
            mine[index].id,
            decision,
            LIMITS,
            "seat-1",
            at(minutes),
            "经研究决定",
            unit=unit,
            response_limit=3600,
        )
    )


def states(case: Case) -> list[tuple[str, str, str]]:
    return [(leg.assignee.id, leg.kind, leg.state) for leg in case.legs]


# -- calling -----------------------------------------------------------------------------------------


def test_the_street_whistles_and_passes_the_case_on() -> None:
    case = called("U2", "U3", "U2")
    assert states(case) == [
        ("p1", "handle", "reassigned"),
        ("U1", "lead", "offered"),
        ("U2", "assist", "offered"),
        ("U3", "assist", "offered"),
    ]
    assert {leg.report_in_limit for leg in case.legs[1:]} == {600}
    assert {leg.finish_limit for leg in case.legs[1:]} == {86400}  # the worker's
    assert case.whistle == {
        "ground": "public_matter",
        "lead": "U1",
        "assistants": ["U2", "U3"],
        "by": "desk-1",
        "at": iso(at(1)),
        "reason": REASON,
    }
    assert (case.state, case.level) == ("assigned", "department")


def test_a_case_has_one_whistle_at_a_time() -> None:
    case = called("U2")
    with pytest.raises(NotAllowed, match="U1 leads it already") as no:
        whistles.call(case, "emergency", "U5", (), LIMITS, "desk-1", at(2), REASON)
    assert no.value.allowed == ("call", "hand_over")
    case = do(case, "U1", "accept", "resolve")
    with pytest.raises(NotAllowed, match="its leg is done") as no:
        whistles.call(case, "emergency", "U5", (), LIMITS, "desk-1", at(2), REASON)
    assert no.value.allowed == ("call", "release")


def test_units_that_work_on_it_stay_when_another_is_whistled_to_lead() -> None:
    """The lead returned it, the desk has it, the assistants are on the spot."""
    case = do(called("U2", "U3"), "U2", "arrive")
    case = check(cases.return_(case, leg(case, "U1").id, "clerk-U1", at(6), "不归我管", 3600))
    case = check(whistles.call(case, "public_matter", "U3", ("U2", "U4"), LIMITS, "desk-1", at(7), REASON))
    assert [s for s in states(case) if s[2] not in ("reassigned", "returned")] == [
        ("U2", "assist", "accepted"),
        ("U3", "lead", "offered"),
        ("U4", "assist", "offered"),
    ]
    assert case.whistle is not None
    assert (case.whistle["lead"], case.whistle["assistants"]) == ("U3", ["U2", "U4"])


@pytest.mark.parametrize("state", ["resolved", "closed", "voided", "merged"])
def test_nobody_is_called_to_what_is_over(state: str) -> None:
    case = replace(called("U2"), state=state)
    for move in (
        lambda: whistles.call(case, "emergency", "U5", (), LIMITS, "d", at(2), REASON),
        lambda: whistles.add(case, ("U5",), LIMITS, "d", at(2), REASON),
        lambda: whistles.hand_over(case, "U5", LIMITS, "d", at(2), REASON),
        lambda: whistles.arrive(case, leg(case, "U1").id, "c", at(2)),
        lambda: whistles.refuse(case, leg(case, "U1").id, CONVENER, 60, "c", at(2), "x"),
        lambda: whistles.put_on_agenda(case, "2026Q1", "c", at(2), "x"),
        lambda: whistles.decide_in_meeting(case, "2026Q1", "U5", (), LIMITS, "c", at(2), "x"),
        lambda: whistles.wish(case, "emergency", "U5", (), DESK, 60, "c", at(2), REASON),
    ):
        with pytest.raises(NotAllowed, match=f"the case is {state}"):
            move()


def test_more_units_can_be_called_later() -> None:
    case = do(called("U2"), "U2", "accept", "resolve")
    more = check(whistles.add(case, ("U2", "U1", "U3", "U4", "U3"), LIMITS, "desk-1", at(7), REASON))
    assert states(more)[-2:] == [("U3", "assist", "offered"), ("U4", "assist", "offered")]
    assert len(more.legs) == len(case.legs) + 2
    assert more.whistle is not None
    assert more.whistle["assistants"] == ["U2", "U3", "U4"]
    assert whistles.add(more, ("U1", "U3"), LIMITS, "desk-1", at(8), REASON) == ()
    let_off = check(cases.release(more, leg(more, "U3").id, "desk-1", at(8), "不用来了"))
    again = check(whistles.add(let_off, ("U3",), LIMITS, "desk-1", at(9), REASON))
    assert leg(again, "U3").state == "offered"


def test_a_case_has_room_for_so_many_units() -> None:
    case = called(*(f"A{i}" for i in range(20)))
    with pytest.raises(NotAllowed, match="room for 21 units"):
        whistles.add(case, ("U99",), LIMITS, "desk-1", at(2), REASON)
    with pytest.raises(NotAllowed, match="nobody has whistled"):
        whistles.add(a_case(), ("U2",), LIMITS, "desk-1", at(2), REASON)


def test_another_unit_leads() -> None:
    case = do(called("U2", "U3"), "U2", "accept")
    new = check(whistles.hand_over(case, "U2", LIMITS, "desk-1", at(7), "职责调整", keep=True))
    assert [s for s in states(new) if s[2] != "reassigned"] == [
        ("U3", "assist", "offered"),
        ("U2", "lead", "offered"),
        ("U1", "assist", "offered"),
    ]
    assert new.whistle is not None
    assert (new.whistle["lead"], new.whistle["assistants"]) == ("U2", ["U3", "U1"])
    assert whistles.hand_over(new, "U2", LIMITS, "desk-1", at(8), "x") == ()
    outside = check(whistles.hand_over(case, "U9", LIMITS, "desk-1", at(7), "职责调整"))
    assert [s for s in states(outside) if s[2] not in ("reassigned",)] == [
        ("U2", "assist", "accepted"),
        ("U3", "assist", "offered"),
        ("U9", "lead", "offered"),
    ]
    finished = do(case, "U1", "accept", "resolve")
    with pytest.raises(NotAllowed, match="the lead has finished"):
        whistles.hand_over(finished, "U2", LIMITS, "desk-1", at(9), "x")
    with pytest.raises(NotAllowed, match="nobody has whistled"):
        whistles.hand_over(a_case(), "U2", LIMITS, "desk-1", at(9), "x")


# -- what units do -----------------------------------------------------------------------------------


def test_a_unit_reports_in_on_the_spot() -> None:
    case = called("U2")
    moves = whistles.arrive(case, leg(case, "U2").id, "clerk-U2", at(4), "已到现场", ("ab" * 32,))
    assert [(m.change.event, m.change.action) for m in moves] == [
        ("case.accepted", "accept"),
        ("case.changed", "arrive"),
    ]
    assert moves[1].change.evidence == ("ab" * 32,)
    case = check(moves)
    here = leg(case, "U2")
    assert (here.state, here.accepted_at, here.arrived_at) == ("accepted", iso(at(4)), iso(at(4)))
    assert here.hands == ("clerk-U2",)
    assert whistles.arrive(case, here.id, "clerk-U2", at(5)) == ()
    with pytest.raises(NotAllowed, match="only a unit"):
        whistles.arrive(a_case(), "L0", "p1", at(5))
    with pytest.raises(NotAllowed, match="no leg"):
        whistles.arrive(case, "L9", "p1", at(5))


def test_it_closes_when_the_lead_says_so_and_every_assistant_is_done_or_released() -> None:
    case = do(called("U2", "U3", "U4"), "U1", "accept", "resolve")
    assert case.state == "answered"
    case = do(case, "U2", "accept", "resolve")
    case = check(cases.release(case, leg(case, "U3").id, "desk-1", at(8), "不用来了", 3600))
    assert case.state == "answered"
    case = do(case, "U4", "accept", "resolve")
    assert case.state == "resolved"


def test_it_does_not_close_before_the_lead_says_so() -> None:
    case = called("U2")
    case = do(case, "U2", "accept", "resolve")
    assert case.state == "assigned"
    assert do(case, "U1", "accept", "resolve").state == "resolved"


# -- refusing ----------------------------------------------------------------------------------------


def test_a_refusal_goes_to_the_convener() -> None:
    case = called("U2")
    moves = whistles.refuse(case, leg(case, "U2").id, CONVENER, 86400, "clerk-U2", at(5), "不属于本单位职责")
    assert [(m.change.event, m.change.action) for m in moves] == [("case.returned", "refuse")]
    case = check(moves)
    refused, ask = case.legs[-2], case.legs[-1]
    assert (refused.state, refused.reason) == ("refused", "不属于本单位职责")
    assert (ask.kind, ask.assignee, ask.state, ask.response_limit) == ("convene", CONVENER, "offered", 86400)
    assert case.approvals == (
        {
            "id": refused.id,
            "kind": "refusal",
            "leg": ask.id,
            "asked_by": "clerk-U2",
            "asked_at": iso(at(5)),
            "reason": "不属于本单位职责",
            "of": "seat-1",
            "limit": 86400,
        },
    )
    assert case.whistle is not None
    assert (case.whistle["convener"], case.whistle["assistants"]) == ("seat-1", ["U2"])
    assert whistles.refuse(case, refused.id, CONVENER, 86400, "clerk-U2", at(6), "x") == ()


def test_nothing_closes_while_the_convener_owes_a_decision() -> None:
    case = refuse(called("U2"), "U2")
    case = do(case, "U1", "accept", "resolve")
    assert case.state == "answered"
    assert convene(case, "release").state == "resolved"


def test_while_the_lead_has_refused_the_case_is_with_the_convener() -> None:
    case = refuse(called(), "U1")
    assert (case.state, case.level) == ("assigned", "department")
    with pytest.raises(NotAllowed, match="the convener has a refusal to decide first"):
        whistles.call(case, "emergency", "U5", (), LIMITS, "desk-1", at(6), REASON)
    with pytest.raises(NotAllowed, match="nobody leads it now") as no:
        whistles.hand_over(case, "U5", LIMITS, "desk-1", at(6), REASON)
    assert no.value.allowed == ("convene",)
    more = check(whistles.add(case, ("U3",), LIMITS, "desk-1", at(6), REASON))
    assert more.whistle is not None
    assert (more.whistle["lead"], more.whistle["assistants"]) == ("U1", ["U3"])
    with pytest.raises(NotAllowed, match="refusal of U1 first"):
        whistles.add(case, ("U1",), LIMITS, "desk-1", at(6), REASON)


def test_an_upheld_call_can_not_be_refused_or_returned_any_more() -> None:
    case = convene(refuse(called("U2"), "U2"), "uphold")
    again = leg(case, "U2")
    assert (again.kind, again.state, again.report_in_limit, again.offered_at) == (
        "assist",
        "offered",
        600,
        iso(at(9)),
    )
    assert case.approvals[0]["granted"] is False
    assert case.whistle is not None
    assert case.whistle["bound"] == ["U2"]
    with pytest.raises(NotAllowed, match="can't refuse any more") as no:
        whistles.refuse(case, again.id, CONVENER, 60, "clerk-U2", at(10), "仍不愿意")
    assert "accept" in no.value.allowed
    with pytest.raises(NotAllowed, match="can't refuse any more"):
        cases.return_(case, again.id, "clerk-U2", at(10), "不归我管", 60)
    clerk = cases.Actor("clerk-U2", ("unit_clerk",), unit="U2", street="")
    assert {"refuse", "return"} & set(cases.allowed(case, again, clerk, at(10))) == set()
    free = cases.Actor("clerk-U1", ("unit_clerk",), unit="U1")
    assert {"refuse", "return", "arrive"} <= set(cases.allowed(case, leg(case, "U1"), free, at(10)))


def test_a_unit_that_is_there_does_not_refuse() -> None:
    case = do(called("U2"), "U2", "arrive")
    with pytest.raises(NotAllowed, match="has come or answered"):
        whistles.refuse(case, leg(case, "U2").id, CONVENER, 60, "c", at(6), "x")
    case = do(case, "U1", "accept", "answer")
    with pytest.raises(NotAllowed, match="has come or answered"):
        whistles.refuse(case, leg(case, "U1").id, CONVENER, 60, "c", at(6), "x")
    with pytest.raises(NotAllowed, match="only a unit"):
        whistles.refuse(a_case(), "L0", CONVENER, 60, "p1", at(6), "x")
    released = (
        check(cases.release(called("U2"), leg(called("U2"), "U2").id, "d", at(6), "x")) if False else None
    )
    assert released is None


def test_the_convener_names_another_unit() -> None:
    case = convene(refuse(called("U2"), "U2"), "name", "U7")
    assert states(case)[1:] == [
        ("U1", "lead", "offered"),
        ("U2", "assist", "refused"),
        ("seat-1", "convene", "done"),
        ("U7", "assist", "offered"),
    ]
    assert case.approvals[0]["granted"] is True
    assert case.whistle is not None
    assert case.whistle["assistants"] == ["U7"]


def test_the_convener_hands_the_lead_to_an_assistant() -> None:
    case = do(called("U2", "U3"), "U2", "accept")
    case = convene(refuse(case, "U1"), "name", "U2")
    assert [s for s in states(case) if s[2] == "offered"] == [
        ("U3", "assist", "offered"),
        ("U2", "lead", "offered"),
    ]
    assert case.whistle is not None
    assert (case.whistle["lead"], case.whistle["assistants"]) == ("U2", ["U3"])


@pytest.mark.parametrize(
    ("refused", "unit", "why"),
    [
        ("U2", "U2", "uphold the call instead"),
        ("U2", "U1", "works on it already"),
        ("U2", "U3", "works on it already"),
    ],
)
def test_whom_the_convener_can_not_name(refused: str, unit: str, why: str) -> None:
    with pytest.raises(NotAllowed, match=why):
        convene(refuse(called("U2", "U3"), refused), "name", unit)


def test_a_lead_is_not_let_go_while_others_work() -> None:
    with pytest.raises(NotAllowed, match="name the unit that leads") as no:
        convene(refuse(called("U2"), "U1"), "release")
    assert no.value.allowed == ("uphold", "name")


def test_a_decision_is_made_once() -> None:
    case = refuse(called("U2"), "U2")
    ask = case.legs[-1].id
    done = convene(case, "uphold")
    assert whistles.convene(done, ask, "uphold", LIMITS, "seat-1", at(10), "x") == ()
    for other in ("release", "name"):
        with pytest.raises(NotAllowed, match="decided already"):
            whistles.convene(done, ask, other, LIMITS, "seat-1", at(10), "x", unit="U7")
    with pytest.raises(NotAllowed, match="nothing to decide"):
        whistles.convene(done, leg(done, "U1").id, "uphold", LIMITS, "seat-1", at(10), "x")


def test_the_conveners_leg_has_no_other_moves() -> None:
    case = refuse(called("U2"), "U2")
    ask = case.legs[-1]
    convener = cases.Actor("seat-1", ("convener",), street=STREET)
    assert cases.allowed(case, ask, convener, at(6)) == ("accept", "convene")
    for move in (cases.resolve, cases.answer):
        with pytest.raises(NotAllowed, match="uphold, release or name"):
            move(case, ask.id, "seat-1", at(6))
    with pytest.raises(NotAllowed, match="uphold, release or name"):
        cases.return_(case, ask.id, "seat-1", at(6), "x")
    other, same = (cases.Offer(Assignee("unit", u), "department", 0, 60) for u in ("U9", "U2"))
    with pytest.raises(NotAllowed, match="not of a handler"):
        cases.assign(case, other, (), "desk-1", at(6), "x", leg_id=ask.id)
    lead = leg(case, "U1").id
    with pytest.raises(NotAllowed, match="convener"):
        cases.assign(case, same, (), "desk-1", at(6), "x", leg_id=lead)


# -- what nobody takes -------------------------------------------------------------------------------


def test_the_last_unit_that_is_let_go_leaves_it_to_the_desk_and_the_meeting() -> None:
    case = convene(refuse(called(), "U1"), "release")
    assert states(case)[-1] == ("desk-350921001", "handle", "offered")
    assert case.whistle is not None
    assert (case.whistle["unclaimed"], case.whistle["unclaimed_at"]) == ("released", iso(at(9)))
    assert whistles.unclaimed(case) == "released"
    # Somebody takes it after all: the next whistle, or a grid worker.
    again = check(whistles.call(case, "emergency", "U8", (), LIMITS, "desk-1", at(10), REASON))
    assert whistles.unclaimed(again) is None
    offer = cases.Offer(Assignee("person", "p2"), "grid", 0, 900)
    person = check(cases.assign(case, offer, (), "desk-1", at(10), "先去看看"))
    assert whistles.unclaimed(person) is None


def test_what_the_convener_does_not_decide_in_time_is_for_the_meeting() -> None:
    case = refuse(called("U2"), "U2")
    ask = case.legs[-1].id
    moves = whistles.undecided(case, ask, "routing", at(2000))
    assert [(m.change.event, m.change.action) for m in moves] == [("case.changed", "unclaimed")]
    late = check(moves)
    assert whistles.unclaimed(late) == "undecided"
    assert whistles.undecided(late, ask, "routing", at(2001)) == ()
    assert whistles.undecided(late, leg(late, "U1").id, "routing", at(2001)) == ()
    after = convene(late, "uphold", minutes=2002)  # late, but before the meeting
    assert whistles.unclaimed(after) is None
    assert after.whistle is not None
    assert "unclaimed" not in after.whistle


def test_a_meeting_names_a_unit_and_the_case_goes_on() -> None:
    case = convene(refuse(called(), "U1"), "release")
    case = check(whistles.put_on_agenda(case, "2026Q1-350921001", "seat-1", at(20), "列入一季度例会"))
    assert whistles.put_on_agenda(case, "2026Q1-350921001", "seat-1", at(21), "x") == ()
    assert whistles.unclaimed(case) == "released"
    moves = whistles.decide_in_meeting(
        case, "2026Q1-350921001", "U6", ("U7",), LIMITS, "seat-1", at(30), "会议议定由住建局牵头"
    )
    assert [(m.change.event, m.change.action) for m in moves] == [("case.whistled", "meeting")]
    case = check(moves)
    assert [s for s in states(case) if s[2] == "offered"] == [
        ("U6", "lead", "offered"),
        ("U7", "assist", "offered"),
    ]
    assert case.whistle is not None
    assert case.whistle["meeting"] == "2026Q1-350921001"
    assert case.whistle["bound"] == ["U6"]
    assert whistles.unclaimed(case) is None
    again = ("2026Q1-350921001", "U6", (), LIMITS, "seat-1", at(31), "x")
    assert whistles.decide_in_meeting(case, *again) == ()
    assert do(do(case, "U7", "accept", "resolve"), "U6", "accept", "resolve").state == "resolved"


def test_a_meeting_decides_what_the_convener_had_not() -> None:
    case = refuse(refuse(called("U2", "U3"), "U1"), "U2", 6)
    case = check(whistles.undecided(case, case.legs[-1].id, "routing", at(2000)))
    case = check(
        whistles.decide_in_meeting(case, "2026Q1", "U1", (), LIMITS, "seat-1", at(3000), "U1必须牵头")
    )
    assert [(a["granted"], a["decided_by"]) for a in case.approvals] == [(False, "seat-1"), (True, "seat-1")]
    assert [s for s in states(case) if s[2] == "offered"] == [
        ("U3", "assist", "offered"),
        ("U1", "lead", "offered"),
    ]
    assert not [leg for leg in case.legs if leg.kind == "convene" and leg.live]
    assist = refuse(called("U2"), "U2")
    assist = check(whistles.undecided(assist, assist.legs[-1].id, "routing", at(2000)))
    with pytest.raises(NotAllowed, match="U1 works on it already"):
        whistles.decide_in_meeting(assist, "2026Q1", "U1", (), LIMITS, "seat-1", at(3000), "x")
    assist = check(whistles.decide_in_meeting(assist, "2026Q1", "U9", (), LIMITS, "seat-1", at(3000), "x"))
    assert states(assist)[-1] == ("U9", "assist", "offered")


def test_a_meeting_takes_only_what_nobody_takes() -> None:
    for case in (called("U2"), refuse(called("U2"), "U2")):
        with pytest.raises(NotAllowed, match="isn't one that nobody takes"):
            whistles.put_on_agenda(case, "2026Q1", "seat-1", at(20), "x")
        with pytest.raises(NotAllowed, match="isn't one that nobody takes"):
            whistles.decide_in_meeting(case, "2026Q1", "U9", (), LIMITS, "seat-1", at(20), "x")


# -- a chief's wish ----------------------------------------------------------------------------------


def wished() -> Case:
    return check(
        whistles.wish(a_case(), "joint_enforcement", "U1", ("U2", "U2"), DESK, 3600, "chief-1", at(1), REASON)
    )


def test_a_chief_asks_the_desk_to_whistle() -> None:
    case = wished()
    [asked] = whistles.asked(case)
    assert (asked["of"], asked["limit"], asked["asked_by"]) == ("desk-350921001", 3600, "chief-1")
    assert asked["whistle"] == {"ground": "joint_enforcement", "lead": "U1", "assistants": ["U2"]}
    same = whistles.wish(case, "joint_enforcement", "U1", ("U2",), DESK, 3600, "chief-1", at(2), REASON)
    assert same == ()
    with pytest.raises(NotAllowed, match="a wish to whistle for this case already"):
        whistles.wish(case, "emergency", "U1", (), DESK, 3600, "chief-1", at(2), REASON)
    blown = check(whistles.answer_wish(case, asked["id"], True, LIMITS, "desk-1", at(3), "同意"))
    assert blown.whistle is not None
    assert (blown.whistle["by"], blown.whistle["ground"]) == ("chief-1", "joint_enforcement")
    assert whistles.asked(blown) == []
    assert blown.approvals[0]["decided_by"] == "desk-1"
    assert whistles.answer_wish(blown, asked["id"], True, LIMITS, "desk-1", at(4), "同意") == ()
    with pytest.raises(NotAllowed, match="decided already"):
        whistles.answer_wish(blown, asked["id"], False, LIMITS, "desk-1", at(4), "不")


def test_the_desk_says_why_it_does_not_whistle() -> None:
    case = wished()
    case = check(
        whistles.answer_wish(case, whistles.asked(case)[0]["id"], False, None, "desk-1", at(3), "街道先处理")
    )
    assert case.whistle is None
    assert (case.approvals[0]["granted"], case.approvals[0]["note"]) == (False, "街道先处理")
    with pytest.raises(NotAllowed, match="nobody asked"):
        whistles.answer_wish(case, "X", True, LIMITS, "desk-1", at(4), "x")


# -- the model ---------------------------------------------------------------------------------------

UNITS = [f"U{i}" for i in range(1, 7)]
# A unit's part in the reference: what it owes, has done, or was let off.
OWES, DONE, OFF, REFUSED = "owes", "done", "off", "refused"


class Whistled(RuleBasedStateMachine):
    """A whistle against a plain reference: who leads, and what part each unit has."""

    def __init__(self) -> None:
        super().__init__()
        self.case = a_case()
        self.now = 1.0
        self.part: dict[str, str] = {}
        self.arrived: set[str] = set()
        self.answered: set[str] = set()
        self.lead = ""
        self.lead_said = False
        self.bound: set[str] = set()
        self.desk = False
        self.listed = False

    def tick(self) -> datetime:
        self.now += 1
        return at(self.now)

    def took(self, moves: Moves) -> None:
        self.case = check(moves)

    def owing(self) -> set[str]:
        return {u for u, p in self.part.items() if p == OWES}

    def waiting(self) -> set[str]:
        return {u for u, p in self.part.items() if p == REFUSED}

    def over(self) -> bool:
        return self.lead_said and not self.owing() and not self.waiting() and not self.desk

    def fresh(self, *units: str) -> None:
        for unit in units:
            self.part[unit] = OWES
            self.arrived.discard(unit)
            self.answered.discard(unit)

    @initialize(lead=st.sampled_from(UNITS), more=st.lists(st.sampled_from(UNITS), max_size=4))
    def blow(self, lead: str, more: list[str]) -> None:
        self.took(
            whistles.call(self.case, "public_matter", lead, more, LIMITS, "desk-1", self.tick(), REASON)
        )
        self.lead = lead
        self.fresh(lead, *more)

    def open(self) -> bool:
        return self.case.state not in ("resolved", "closed")

    @precondition(open)
    @rule(unit=st.sampled_from(UNITS), move=st.sampled_from(["accept", "arrive", "answer", "resolve"]))
    def works(self, unit: str, move: str) -> None:
        run = {
            "accept": cases.accept,
            "arrive": cases.arrive,
            "answer": cases.answer,
            "resolve": cases.resolve,
        }
        mine = whistles.live_leg(self.case, unit)
        assert (mine is not None) == (unit in self.owing())
        if mine is None:
            return
        try:
            moves = run[move](self.case, mine.id, f"clerk-{unit}", self.tick())
        except NotAllowed:
            assert move in ("answer", "resolve")
            assert mine.state == "offered"
            return
        if moves:
            self.took(moves)
        if move == "arrive":
            self.arrived.add(unit)
        if move in ("answer", "resolve"):
            self.answered.add(unit)
        if move == "resolve":
            self.part[unit] = DONE
            self.lead_said = self.lead_said or unit == self.lead

    @precondition(open)
    @rule(unit=st.sampled_from(UNITS))
    def refuses(self, unit: str) -> None:
        mine = whistles.live_leg(self.case, unit)
        if mine is None:
            return
        try:
            moves = whistles.refuse(
                self.case, mine.id, CONVENER, 600, f"clerk-{unit}", self.tick(), "不属职责"
            )
        except NotAllowed:
            assert unit in self.bound | self.arrived | self.answered
            return
        assert unit not in self.bound | self.arrived | self.answered
        self.took(moves)
        self.part[unit] = REFUSED

    @precondition(open)
    @rule(data=st.data(), decision=st.sampled_from(whistles.DECISIONS), other=st.sampled_from(UNITS))
    def convener_decides(self, data: Any, decision: str, other: str) -> None:
        if not self.waiting():
            return
        unit = data.draw(st.sampled_from(sorted(self.waiting())))
        approval = whistles.pending(self.case, unit)
        assert approval is not None
        leads = unit == self.lead and not self.lead_said
        try:
            moves = whistles.convene(
                self.case, approval["leg"], decision, LIMITS, "seat-1", self.tick(), "决定", unit=other
            )
        except NotAllowed:
            taken = other == unit or other in self.waiting() or (other in self.owing() and not leads)
            stuck = leads and bool(self.owing() | (self.waiting() - {unit}))
            assert taken if decision == "name" else (decision == "release" and stuck)
            return
        self.took(moves)
        if decision == "uphold":
            self.fresh(unit)
            self.bound.add(unit)
        else:
            self.part[unit] = OFF
            if decision == "name":
                self.fresh(other)
                self.lead = other if leads else self.lead
            elif leads:
                self.desk = self.listed = True

    @precondition(open)
    @rule(units=st.lists(st.sampled_from(UNITS), min_size=1, max_size=3))
    def more_are_called(self, units: list[str]) -> None:
        try:
            moves = whistles.add(self.case, units, LIMITS, "desk-1", self.tick(), REASON)
        except NotAllowed:
            assert self.desk or set(units) & self.waiting()
            return
        new = [u for u in units if self.part.get(u) not in (OWES, DONE)]
        assert bool(moves) == bool(new)
        if moves:
            self.took(moves)
            self.fresh(*new)

    @precondition(open)
    @rule(unit=st.sampled_from(UNITS), keep=st.booleans())
    def another_leads(self, unit: str, keep: bool) -> None:
        try:
            moves = whistles.hand_over(self.case, unit, LIMITS, "desk-1", self.tick(), REASON, keep=keep)
        except NotAllowed:
            leads = self.lead in self.owing() and not self.desk
            assert not leads or unit in self.waiting()
            return
        if not moves:
            assert unit == self.lead
            return
        self.took(moves)
        old, self.lead = self.lead, unit
        self.part[old] = OFF
        self.fresh(unit, *([old] if keep else []))

    @precondition(open)
    @rule(unit=st.sampled_from(UNITS))
    def an_assistant_is_released(self, unit: str) -> None:
        mine = whistles.live_leg(self.case, unit)
        if mine is None:
            return
        try:
            moves = cases.release(self.case, mine.id, "desk-1", self.tick(), "不用了", 60)
        except NotAllowed:
            assert unit == self.lead
            return
        self.took(moves)
        self.part[unit] = OFF

    @precondition(open)
    @rule(unit=st.sampled_from(UNITS))
    def the_meeting_names(self, unit: str) -> None:
        for leg in self.case.legs:
            late = whistles.undecided(self.case, leg.id, "routing", self.tick())
            if late:
                self.took(late)
        try:
            moves = whistles.decide_in_meeting(
                self.case, "2026Q1", unit, (), LIMITS, "seat-1", self.tick(), "会议议定"
            )
        except NotAllowed:
            nobody_leads = self.desk or self.lead in self.waiting()
            assert not (self.waiting() or self.listed) or (unit in self.owing() and not nobody_leads)
            return
        if not moves:
            return
        leads = self.desk or (self.lead in self.waiting() and not self.lead_said)
        self.took(moves)
        assert self.waiting() or self.listed
        for waiting in self.waiting():
            self.part[waiting] = OFF
        self.listed = False
        if leads:
            self.lead, self.desk = unit, False
        self.fresh(unit)
        self.bound.add(unit)

    @precondition(lambda self: self.open() and self.desk)
    @rule(unit=st.sampled_from(UNITS))
    def the_desk_whistles_anew(self, unit: str) -> None:
        self.took(whistles.call(self.case, "emergency", unit, (), LIMITS, "desk-1", self.tick(), REASON))
        self.lead, self.desk, self.listed = unit, False, False
        self.fresh(unit)
        self.bound &= self.owing() - {unit}

    @precondition(lambda self: not self.open())
    @rule(unit=st.sampled_from(UNITS))
    def nothing_moves_any_more(self, unit: str) -> None:
        for leg in whistles.unit_legs(self.case, unit):
            with pytest.raises(NotAllowed):  # one after the other, as long as there is nothing to do
                cases.answer(self.case, leg.id, "c", self.tick()) or cases.resolve(
                    self.case, leg.id, "c", self.tick()
                ) or whistles.refuse(self.case, leg.id, CONVENER, 60, "c", self.tick(), "x") or cases.release(
                    self.case, leg.id, "d", self.tick(), "x"
                ) or whistles.add(self.case, [unit], LIMITS, "d", self.tick(), "x")

    @precondition(lambda self: not self.open())
    @rule()
    def the_reporter_says_it_is_not_solved(self) -> None:
        self.took((cases.reopen(self.case, "report:R1", iso(self.tick()), "未解决", 60),))
        self.part = dict.fromkeys(self.part, OFF)
        self.lead_said, self.desk, self.listed = False, True, False

    @precondition(lambda self: self.open() and self.desk)
    @rule()
    def the_desk_does_it_alone(self) -> None:
        desk = next(leg for leg in self.case.live_legs if leg.kind == "handle")
        for move in (cases.accept, cases.resolve):
            moves = move(self.case, desk.id, "desk-1", self.tick())
            if moves:
                self.took(moves)
        self.lead_said, self.desk, self.listed = True, False, False

    @invariant()
    def each_unit_has_one_live_leg(self) -> None:
        live = [leg.assignee.id for leg in self.case.legs if leg.live and leg.kind in whistles.CALLED]
        assert sorted(live) == sorted(self.owing() if self.open() else [])

    @invariant()
    def exactly_one_leads(self) -> None:
        leading = [leg for leg in self.case.legs if leg.live and leg.kind == "lead"]
        assert len(leading) <= 1
        if not self.part or not self.open():
            return
        waits = self.lead in self.waiting()
        assert (len(leading) == 1) + bool(self.lead_said) + waits + self.desk == 1
        assert not leading or leading[0].assignee.id == self.lead
        assert (self.case.whistle or {}).get("lead") == self.lead

    @invariant()
    def it_is_resolved_exactly_when_nobody_owes(self) -> None:
        if self.part:
            assert (self.case.state == "resolved") == self.over()
        if self.case.state == "resolved":
            assert self.case.live_legs == ()

    @invariant()
    def the_document_names_who_assists(self) -> None:
        if self.case.whistle is None:
            return
        named = set(self.case.whistle["assistants"]) | {self.case.whistle["lead"]}
        assert self.owing() | self.waiting() <= named
        assert set(self.case.whistle.get("bound", ())) == self.bound
        assert len(self.case.whistle["assistants"]) == len(set(self.case.whistle["assistants"]))


TestWhistled = Whistled.TestCase
TestWhistled.settings = settings(max_examples=examples(30), stateful_step_count=30, deadline=None)
