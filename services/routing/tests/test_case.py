"""The state machine: every move in every state, and the ways of a case from opening to closing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jiayuan.contracts.check import problems
from jiayuan.contracts.schemas.case import CaseChanged
from jiayuan.contracts.schemas.common import CASE_STATES, LEG_STATES
from jiayuan.contracts.times import iso
from jiayuan.routing import case as cases
from jiayuan.routing.case import Assignee, Case, Leg, Moves, NotAllowed, Offer, Rung

pytestmark = pytest.mark.unit

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
WORKER = Assignee("person", "p1")
LADDER = (
    Rung(1, "grid", Assignee("person", "leader")),
    Rung(2, "community", Assignee("person", "chief")),
    Rung(3, "street", Assignee("desk", "desk-350921001")),
)
RESPONSES: dict[str, int | None] = {"grid": 900, "community": 900, "street": 3600, "department": 86400}
REACHED = {"accepted": ("accepted_at",), "answered": ("accepted_at", "answered_at")}
REACHED["done"] = (*REACHED["answered"], "done_at")


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def a_leg(
    id_: str = "L1", kind: str = "handle", assignee: Assignee = WORKER, state: str = "offered", step: int = 0
) -> Leg:
    level = {"unit": "department", "desk": "street", "person": "grid"}[assignee.type]
    leg = Leg(id_, kind, level, step, assignee, state, 900, 86400, iso(T0))
    return replace(leg, **{name: iso(at(1)) for name in REACHED.get(state, ())})


def a_case(*legs: Leg, state: str = "assigned", **fields: object) -> Case:
    resolved = iso(at(2)) if state == "resolved" else None
    case = Case(
        id="C1",
        number="350921001-260302-000001",
        sequence=2,
        state=state,
        kind="problem",
        title="路灯不亮",
        category={"code": "0102"},
        livelihood=True,
        colour="yellow",
        level="grid",
        street="350921001",
        community="350921001001",
        grid=None,
        decision={"policy": "2026.1", "rule": "r", "reason": "因为"},
        reports=({"id": "R1", "reporter": "c1", "channel": "hotline", "received_at": iso(T0)},),
        first_received_at=iso(T0),
        opened_at=iso(T0),
        legs=legs or (a_leg(),),
        resolved_at=resolved,
    )
    return replace(case, **fields)  # type: ignore[arg-type]


def units(*states: str) -> tuple[Leg, ...]:
    """A lead and assistants in these states."""
    return tuple(
        a_leg(f"L{i}", "lead" if i == 0 else "assist", Assignee("unit", f"U{i}"), state)
        for i, state in enumerate(states)
    )


def do(move: str, case: Case, leg: str = "L1", minutes: float = 5) -> Moves:
    if move == "return":
        return cases.return_(case, leg, "actor", at(minutes), "不属于本单位", 3600)
    return {"accept": cases.accept, "answer": cases.answer, "resolve": cases.resolve}[move](
        case, leg, "actor", at(minutes)
    )


def check(moves: Moves) -> Case:
    """Every step is one sequence on, keeps the contract, and survives the store."""
    for moved in moves:
        data = {"case": cases.document(moved.case), "change": cases.change_document(moved.change)}
        assert problems(CaseChanged, data) == []
        again = cases.from_document(
            data["case"],
            moved.case.sequence,
            moved.case.reopened,
            {"solved": r.solved, "satisfaction": r.satisfaction, "at": r.at, "by": r.by}
            if (r := moved.case.rating)
            else None,
        )
        assert again == moved.case
    assert [m.case.sequence for m in moves] == list(
        range(moves[0].case.sequence, moves[0].case.sequence + len(moves))
    )
    return moves[-1].case


# What each move makes of a leg in each state: a new state, "same" (done before), or "no".
TABLE = {
    "accept": {"offered": "accepted", "accepted": "same", "answered": "same", "done": "same"},
    "answer": {"accepted": "answered", "answered": "same", "done": "same"},
    "resolve": {"accepted": "done", "answered": "done", "done": "same"},
    "return": {"offered": "returned", "accepted": "returned", "answered": "returned", "returned": "same"},
}


@pytest.mark.parametrize("state", LEG_STATES)
@pytest.mark.parametrize("move", TABLE)
def test_every_move_in_every_leg_state(move: str, state: str) -> None:
    case = a_case(a_leg(state=state))
    expected = TABLE[move].get(state, "no")
    if expected == "no":
        with pytest.raises(NotAllowed) as refusal:
            do(move, case)
        assert move not in refusal.value.allowed
        assert refusal.value.why
    elif expected == "same":
        assert do(move, case) == ()
    else:
        after = check(do(move, case))
        leg = after.leg("L1")
        assert leg is not None
        assert leg.state == expected
        assert after.sequence > case.sequence


@pytest.mark.parametrize("state", [s for s in CASE_STATES if s in ("resolved", "closed", "voided", "merged")])
@pytest.mark.parametrize("move", TABLE)
def test_no_leg_moves_once_the_case_is_over(move: str, state: str) -> None:
    with pytest.raises(NotAllowed) as refusal:
        do(move, a_case(a_leg(state="offered" if move != "answer" else "accepted"), state=state))
    assert refusal.value.allowed == ()


@pytest.mark.parametrize("move", TABLE)
def test_a_leg_that_is_not_there(move: str) -> None:
    with pytest.raises(NotAllowed, match="no leg"):
        do(move, a_case(), "nowhere")


def test_the_straight_way() -> None:
    case = a_case()
    seen = []
    for minutes, move in enumerate(("accept", "answer", "resolve")):
        moves = do(move, case, minutes=minutes)
        case = check(moves)
        seen.append((moves[-1].change.event, case.state))
    assert seen == [
        ("case.accepted", "accepted"),
        ("case.answered", "answered"),
        ("case.resolved", "resolved"),
    ]
    assert case.resolved_at == iso(at(2))


def test_resolving_without_answering_is_the_answer() -> None:
    case = check(do("resolve", a_case(a_leg(state="accepted"))))
    assert case.legs[0].answered_at == case.legs[0].done_at == iso(at(5))


def test_a_whistle_is_resolved_when_all_are_done() -> None:
    case = a_case(*units("accepted", "accepted", "offered"))
    moves = do("resolve", case, "L0")
    assert [m.change.event for m in moves] == ["case.answered"]  # the lead alone doesn't resolve it
    case = check(moves)
    case = check(do("resolve", case, "L1"))
    assert case.state == "answered"
    case = check(do("accept", case, "L2"))
    moves = do("resolve", case, "L2")
    assert [m.change.event for m in moves] == ["case.resolved"]
    assert check(moves).state == "resolved"


def test_a_released_assistant_holds_nothing_up() -> None:
    case = a_case(*units("done", "offered"))
    moves = cases.release(case, "L1", "desk", at(9), "不再需要")
    assert [m.change.event for m in moves] == ["case.resolved"]
    assert [leg.state for leg in check(moves).legs] == ["done", "released"]
    assert cases.release(moves[-1].case, "L1", "desk", at(9), "不再需要") == ()
    with pytest.raises(NotAllowed):
        cases.release(a_case(*units("offered", "offered")), "L0", "desk", at(9), "不需要")


def test_returned_to_the_desk_which_cannot_return_it_again() -> None:
    case = check(do("return", a_case(a_leg(state="accepted"))))
    first, desk = case.legs
    assert (first.state, first.reason) == ("returned", "不属于本单位")
    assert (desk.kind, desk.level, desk.step, desk.assignee.id) == ("handle", "street", 3, "desk-350921001")
    assert (desk.finish_limit, desk.response_limit) == (first.finish_limit, 3600)
    assert (case.state, case.level) == ("assigned", "street")
    with pytest.raises(NotAllowed, match="last to turn to"):
        do("return", case, desk.id)


def test_two_assistants_return_and_the_desk_has_one_leg() -> None:
    case = check(do("return", a_case(*units("accepted", "offered", "offered")), "L1"))
    case = check(do("return", case, "L2"))
    assert [leg.kind for leg in case.legs if leg.live] == ["lead", "handle"]


# -- the ladder --------------------------------------------------------------------------------------


def test_up_the_tree_to_the_desk_and_no_further() -> None:
    case, holders = a_case(), []
    for minute in range(1, 4):
        leg = case.live_legs[0]
        moves = cases.raise_step(case, leg.id, LADDER, "routing", at(minute * 15), RESPONSES)
        assert [m.change.event for m in moves] == ["case.assigned"]
        assert moves[0].change.action == "raise"
        case = check(moves)
        old, new = case.leg(leg.id), case.live_legs[0]
        assert old is not None
        assert (old.state, old.ended_at) == ("reassigned", iso(at(minute * 15)))
        assert new.finish_limit == leg.finish_limit
        assert new.response_limit == RESPONSES[new.level]
        assert new.offered_at == iso(at(minute * 15))
        holders.append((new.step, new.level, new.assignee.id))
    assert holders == [(1, "grid", "leader"), (2, "community", "chief"), (3, "street", "desk-350921001")]
    assert cases.raise_step(case, case.live_legs[0].id, LADDER, "routing", at(60), RESPONSES) == ()


def test_a_ladder_with_rungs_missing() -> None:
    moves = cases.raise_step(a_case(), "L1", LADDER[2:], "routing", at(15), RESPONSES)
    assert check(moves).live_legs[0].step == 3
    moves = cases.raise_step(a_case(), "L1", (), "routing", at(15), RESPONSES)
    assert check(moves).live_legs[0].assignee == cases.desk_of("350921001")


def test_whoever_accepted_and_did_not_answer_keeps_the_leg_and_the_street_looks_over_it() -> None:
    moves = cases.raise_step(a_case(a_leg(state="accepted")), "L1", LADDER, "routing", at(15), RESPONSES)
    assert [(leg.kind, leg.state) for leg in check(moves).live_legs] == [
        ("handle", "accepted"),
        ("supervise", "offered"),
    ]


@pytest.mark.parametrize("state", [s for s in LEG_STATES if s not in ("offered", "accepted")])
def test_a_breach_after_the_leg_was_answered_does_nothing(state: str) -> None:
    assert cases.raise_step(a_case(a_leg(state=state)), "L1", LADDER, "routing", at(15), RESPONSES) == ()


def test_a_breach_of_an_unknown_leg_does_nothing() -> None:
    assert cases.raise_step(a_case(), "gone", LADDER, "routing", at(15), RESPONSES) == ()
    assert cases.supervise(a_case(), "gone", "routing", at(15), 3600) == ()


def test_a_unit_keeps_its_leg_and_the_desk_supervises_once() -> None:
    case = a_case(*units("offered", "offered"))
    case = check(cases.raise_step(case, "L0", (), "routing", at(1440), RESPONSES))
    assert [(leg.kind, leg.state, leg.step) for leg in case.legs] == [
        ("lead", "offered", 0),
        ("assist", "offered", 0),
        ("supervise", "offered", 3),
    ]
    assert cases.raise_step(case, "L1", (), "routing", at(1441), RESPONSES) == ()
    assert cases.supervise(case, "L0", "routing", at(9999), 3600) == ()
    assert case.level == "department"  # where it is handled doesn't change by being looked over
    desk = case.legs[2].id
    with pytest.raises(NotAllowed, match="nothing to return"):
        do("return", case, desk)
    case = check(do("accept", case, desk))
    assert case.state == "assigned"
    case = check(do("resolve", case, desk))
    assert case.state == "assigned"  # a supervisor's leg resolves nothing
    for leg in ("L0", "L1"):
        case = check(do("accept", case, leg))
        case = check(do("resolve", case, leg))
    assert case.state == "resolved"


def test_the_supervising_leg_ends_with_the_resolution() -> None:
    case = check(cases.supervise(a_case(a_leg(state="accepted")), "L1", "routing", at(99), 3600))
    case = check(do("resolve", case))
    assert [leg.state for leg in case.legs] == ["done", "released"]


@pytest.mark.parametrize("state", ["done", "returned", "reassigned", "released", "refused"])
def test_a_late_finish_clock_of_an_ended_leg_does_nothing(state: str) -> None:
    assert cases.supervise(a_case(a_leg(state=state)), "L1", "routing", at(9), 3600) == ()


def test_the_desk_does_not_supervise_itself() -> None:
    case = check(do("return", a_case()))
    assert cases.supervise(case, case.live_legs[0].id, "routing", at(9999), 3600) == ()


# -- assigning ---------------------------------------------------------------------------------------


def test_the_desk_gives_a_returned_case_to_a_person() -> None:
    case = check(do("return", a_case()))
    moves = cases.assign(case, Offer(Assignee("person", "p2"), "grid", 0, 900), (), "clerk", at(20), "您来办")
    assert [m.change.event for m in moves] == ["case.assigned"]
    case = check(moves)
    assert [(leg.assignee.id, leg.state) for leg in case.legs] == [
        ("p1", "returned"),
        ("desk-350921001", "reassigned"),
        ("p2", "offered"),
    ]
    assert case.level == "grid"
    again = cases.assign(case, Offer(Assignee("person", "p2"), "grid", 0, 900), (), "clerk", at(21), "您来办")
    assert again == ()


def test_the_desk_whistles_units() -> None:
    case = check(do("return", a_case()))
    lead, other = (Offer(Assignee("unit", u), "department", 0, 86400) for u in ("U1", "U2"))
    moves = cases.assign(case, lead, [other], "clerk", at(20), "联合执法", ground="joint_enforcement")
    assert [m.change.event for m in moves] == ["case.whistled"]
    case = check(moves)
    assert case.whistle == {"ground": "joint_enforcement", "lead": "U1", "assistants": ["U2"]}
    assert [leg.kind for leg in case.live_legs] == ["lead", "assist"]
    assert case.level == "department"


def test_another_lead_takes_the_place_of_the_first() -> None:
    case = a_case(
        *units("accepted", "accepted"), whistle={"ground": "emergency", "lead": "U0", "assistants": ["U1"]}
    )
    case = check(
        cases.assign(
            case, Offer(Assignee("unit", "U9"), "department", 0, 86400), (), "clerk", at(9), "换牵头"
        )
    )
    assert case.whistle == {"ground": "emergency", "lead": "U9", "assistants": ["U1"]}


def test_which_leg_is_replaced_must_be_clear() -> None:
    to = Offer(Assignee("person", "p2"), "grid", 0, 900)
    two = a_case(a_leg("L1"), a_leg("L2", assignee=Assignee("person", "p9")))
    with pytest.raises(NotAllowed, match="name the leg"):
        cases.assign(two, to, (), "clerk", at(9), "请办")
    assert check(cases.assign(two, to, (), "clerk", at(9), "请办", leg_id="L2")).legs[1].state == "reassigned"
    for state in ("resolved", "closed"):
        with pytest.raises(NotAllowed, match=state):
            cases.assign(a_case(state=state), to, (), "clerk", at(9), "请办")
    with pytest.raises(NotAllowed, match="passed on"):
        cases.assign(a_case(a_leg(state="reassigned")), to, (), "clerk", at(9), "请办", leg_id="L1")


# -- the reporter ------------------------------------------------------------------------------------


def resolved(**fields: object) -> Case:
    return a_case(a_leg(state="done"), state="resolved", **fields)


@pytest.mark.parametrize(
    ("solved", "satisfaction", "word"),
    [
        (True, 5, "satisfied"),
        (True, 3, "satisfied"),
        (True, None, "satisfied"),
        (True, 2, "unsatisfied"),
        (None, 4, "satisfied"),
        (None, 2, "unsatisfied"),
    ],
)
def test_solved_closes_and_so_does_not_knowing(
    solved: bool | None, satisfaction: int | None, word: str
) -> None:
    case, moves = cases.rate(resolved(), solved, satisfaction, "c1", at(9))
    assert check(moves) == case
    assert (case.state, case.confirmed, case.satisfaction) == ("closed", word, satisfaction)
    assert (case.solved, cases.document(case).get("solved")) == (solved, solved)


def test_whether_it_is_solved_is_the_reporters_word_before_the_inspectors() -> None:
    def seen(solved: bool | None, passed: bool = True) -> Case:
        return cases.inspect(resolved(), passed, "i1", at(9), None, solved=solved)[-1].case

    assert [seen(s).solved for s in (True, False, None)] == [True, False, None]
    assert seen(False).inspection == {"at": iso(at(9)), "by": "i1", "passed": True, "solved": False}
    # What is done again isn't solved yet, whatever was seen of the result before.
    assert seen(False, passed=False).solved is None
    said = cases.rate(seen(False), True, 4, "c1", at(10))[0]
    unsure = cases.rate(seen(False), None, 4, "c1", at(10))[0]
    called = cases.close(seen(False), "satisfied", "d1", at(10), "回访", 5, True)[-1].case
    assert (said.solved, unsure.solved, called.solved) == (True, False, True)


def test_opened_again_nobody_knows_any_more_whether_it_is_solved() -> None:
    seen = cases.inspect(resolved(), True, "i1", at(9), None, solved=True)[-1].case
    again, _ = cases.rate(seen, False, 1, "c1", at(10), 3600)
    assert (again.state, again.solved) == ("assigned", None)
    assert "solved" not in cases.document(again)


def test_not_solved_opens_once_and_then_closes() -> None:
    case, moves = cases.rate(resolved(), False, 1, "c1", at(9), 3600)
    assert [m.change.event for m in moves] == ["case.reopened"]
    check(moves)
    assert (case.state, case.reopened, case.resolved_at, case.level) == ("assigned", 1, None, "street")
    desk = case.live_legs[0]
    assert (desk.assignee.type, desk.finish_limit, desk.response_limit) == ("desk", 86400, 3600)
    case = check(do("accept", case, desk.id, 10))
    case = check(do("resolve", case, desk.id, 11))
    assert case.state == "resolved"
    case, moves = cases.rate(case, False, 1, "c1", at(12))
    check(moves)
    assert (case.state, case.confirmed) == ("closed", "unsatisfied")


def test_a_rating_before_the_end_is_kept_and_counts() -> None:
    case, moves = cases.rate(a_case(a_leg(state="accepted")), True, 4, "c1", at(3))
    assert moves == ()
    moves = do("resolve", case)
    assert [m.change.event for m in moves] == ["case.resolved", "case.closed"]
    after = check(moves)
    assert (after.confirmed, after.satisfaction, after.rating) == ("satisfied", 4, None)
    assert after.closed_at == after.resolved_at  # it can't have been confirmed before


def test_a_rating_after_the_end_changes_nothing() -> None:
    case = a_case(a_leg(state="done"), state="closed", confirmed="lapsed")
    assert cases.rate(case, False, 1, "c1", at(9)) == (case, ())


def test_no_answer_lapses() -> None:
    case = check(cases.lapse(resolved(), iso(at(2)), "routing", at(5000)))
    assert (case.state, case.confirmed) == ("closed", "lapsed")
    assert cases.lapse(case, iso(at(2)), "routing", at(5001)) == ()
    assert cases.lapse(a_case(), iso(at(2)), "routing", at(5000)) == ()


def test_a_confirmation_clock_of_an_earlier_resolution_means_nothing() -> None:
    assert cases.lapse(resolved(resolved_at=iso(at(100))), iso(at(2)), "routing", at(5000)) == ()


@pytest.mark.parametrize("state", ["open", "assigned", "accepted", "answered", "resolved"])
def test_withdrawn_whenever(state: str) -> None:
    case = check(cases.withdraw(a_case(state=state), "c1", at(9), "自己解决了"))
    assert (case.state, case.confirmed, case.live_legs) == ("closed", "withdrawn", ())
    assert cases.withdraw(case, "c1", at(10)) == ()


def test_close_and_reopen_need_a_resolved_case() -> None:
    with pytest.raises(NotAllowed):
        cases.close(a_case(), "satisfied", "desk", at(9))
    with pytest.raises(NotAllowed):
        cases.reopen(a_case(), "desk", iso(at(9)), "重办")
    assert check(cases.close(resolved(), "satisfied", "desk", at(9))).state == "closed"
    assert cases.close(a_case(state="closed"), "satisfied", "desk", at(9)) == ()


def test_opening_tells_twice() -> None:
    case = replace(a_case(), sequence=1, state="open", legs=())
    first = cases.opened(case, "routing")
    legs = units("offered", "offered")
    second = cases.assign_first(
        first.case, legs, "routing", {"ground": "emergency", "lead": "U0", "assistants": ["U1"]}
    )
    assert check((first, second)).state == "assigned"
    assert [m.change.event for m in (first, second)] == ["case.opened", "case.whistled"]
    assert cases.assign_first(first.case, legs, "routing").change.event == "case.assigned"


def test_evidence_stays_with_the_step() -> None:
    moves = cases.with_evidence(do("accept", a_case()), ["https://example.invalid/1.jpg"])
    assert moves[0].change.evidence == ("https://example.invalid/1.jpg",)
    assert "evidence" not in cases.change_document(moves[0].change)
