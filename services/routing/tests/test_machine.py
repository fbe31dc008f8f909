"""The table of moves, every transition by every role: against a table of its own, written down by hand below."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from jiayuan.chassis import tokens
from jiayuan.contracts.schemas.common import CASE_STATES, LEG_STATES
from jiayuan.contracts.times import iso
from jiayuan.routing.acting import WORDS
from jiayuan.routing.case import Actor, Assignee, Case, Leg, NotAllowed, Situation
from jiayuan.routing.case.machine import STANDINGS, TABLE, allowed, permit, refusal
from jiayuan.routing.case.terms import DEFAULT
from jiayuan.routing.interface.machine import PAGE, written

pytestmark = pytest.mark.unit

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
NOW = T0 + timedelta(hours=5)
STREET, COMMUNITY = "350921001", "350921001001"
ELSEWHERE, THEIRS = "350921002", "350921002001"

# -- who there is: every role that a token can have, with and without something to do with the case ----

WHO = {
    "worker of the leg": Actor("p1", ("grid_worker",), community=COMMUNITY),
    "another worker": Actor("p2", ("grid_worker",), community=COMMUNITY),
    "leader of the community": Actor("l1", ("grid_leader",), community=COMMUNITY),
    "leader elsewhere": Actor("l2", ("grid_leader",), community=THEIRS),
    "chief of the community": Actor("c1", ("grid_chief",), community=COMMUNITY),
    "chief elsewhere": Actor("c2", ("grid_chief",), community=THEIRS),
    "desk of the street": Actor("d1", ("desk",), street=STREET),
    "desk elsewhere": Actor("d2", ("desk",), street=ELSEWHERE),
    "clerk of the unit": Actor("u1", ("unit_clerk",), "U01"),
    "clerk of another": Actor("u2", ("unit_clerk",), "U02"),
    "convener of the street": Actor("v1", ("convener",), street=STREET),
    "convener elsewhere": Actor("v2", ("convener",), street=ELSEWHERE),
    "inspector of the county": Actor("i0", ("inspector",)),
    "inspector of the street": Actor("i1", ("inspector",), street=STREET),
    "inspector elsewhere": Actor("i2", ("inspector",), street=ELSEWHERE),
    "county": Actor("k1", ("county",)),
    "reporter": Actor("report:R1", ("reporter",)),
    "routing itself": Actor("routing", ("routing",)),
    # A role alone is no right: these have nothing to do with the case.
    **{
        role: Actor(f"{role}-1", (role,))
        for role in tokens.ROLES
        if role
        not in (
            "grid_worker",
            "grid_leader",
            "grid_chief",
            "desk",
            "unit_clerk",
            "convener",
            "inspector",
            "county",
        )
    },
    "nobody": Actor("nobody", ()),
}
HOLDER = {"person": "worker of the leg", "unit": "clerk of the unit", "desk": "desk of the street"}
DESKS = {"desk of the street", "county"}
ABOVE = DESKS | {"convener of the street", "leader of the community", "chief of the community"}
COMMITTEE = {"convener of the street", "county"}

# -- what is allowed: move → (states, who), by what holds the leg where it is a move on a leg -----------

OPEN = {"open", "assigned", "accepted", "answered"}
LEG_MOVES: dict[str, dict[str, set[str]]] = {
    # move: kind of leg → states in which its assignee has it
    "accept": {k: {"offered"} for k in ("handle", "desk", "lead", "assist", "supervise", "convene")},
    "answer": {k: {"accepted"} for k in ("handle", "desk", "lead", "assist", "supervise")},
    "resolve": {k: {"accepted", "answered"} for k in ("handle", "desk", "lead", "assist", "supervise")},
    "return": {k: {"offered", "accepted", "answered"} for k in ("handle", "lead", "assist")},
    "extend": {k: {"accepted", "answered"} for k in ("handle", "desk", "lead", "assist")},
    "pause": {k: {"accepted", "answered"} for k in ("handle", "desk", "lead", "assist")},
    "refuse": {k: {"offered", "accepted"} for k in ("lead", "assist")},
    "arrive": {k: {"offered", "accepted", "answered"} for k in ("lead", "assist")},
    "convene": {"convene": {"offered", "accepted", "answered"}},
    "release": {"assist": {"offered", "accepted", "answered"}},
}
NOT_THE_ASSIGNEES = {"release": DESKS | {"convener of the street"}}
CASE_MOVES: dict[str, tuple[set[str], set[str]]] = {
    "assign": (OPEN, DESKS),
    "whistle": (OPEN, DESKS | {"leader of the community", "chief of the community"}),
    "call": (OPEN, DESKS | COMMITTEE),
    "hand_over": (OPEN, DESKS | COMMITTEE),
    "agenda": (OPEN, COMMITTEE),
    "meeting": (OPEN, COMMITTEE),
    "resume": (OPEN, DESKS | {"worker of the leg", "routing itself"}),
    "urge": (OPEN, ABOVE),
    "supervise": (OPEN, DESKS),
    "unsupervise": (OPEN | {"resolved"}, DESKS),
    "recolour": (OPEN, DESKS | COMMITTEE),
    "inspect": ({"resolved"}, ABOVE | {"inspector of the county", "inspector of the street"}),
    "close": ({"resolved"}, DESKS | COMMITTEE),
    "reopen": ({"resolved", "closed"}, DESKS),
    "void": (OPEN | {"resolved"}, DESKS),
    "rate": (OPEN | {"resolved", "closed"}, {"reporter"}),
    "withdraw": (OPEN | {"resolved"}, {"reporter"}),
    "lapse": ({"resolved"}, {"routing itself"}),
    "raise": (OPEN, {"routing itself"}),
    "merge": (OPEN, {"routing itself"}),
    "separate": (OPEN | {"resolved"}, {"routing itself"}),
    "unmerge": ({"merged"}, {"routing itself"}),
}
KINDS = {
    "handle": Assignee("person", "p1"),
    "desk": Assignee("desk", f"desk-{STREET}"),
    "lead": Assignee("unit", "U01"),
    "assist": Assignee("unit", "U01"),
    "supervise": Assignee("desk", f"desk-{STREET}"),
    "convene": Assignee("person", "v1"),
}


def a_leg(kind: str = "handle", state: str = "offered") -> Leg:
    who = KINDS[kind]
    times = {"accepted": ("accepted_at",), "answered": ("accepted_at", "answered_at")}
    times["done"] = (*times["answered"], "done_at")
    leg = Leg("L1", "handle" if kind == "desk" else kind, "grid", 0, who, state, 900, 86400, iso(T0))
    return replace(leg, **{t: iso(T0) for t in times.get(state, ())})


def a_case(state: str = "assigned", leg: Leg | None = None, **more: Any) -> Case:
    """A case for which every condition beyond state and right holds: paused, supervised by all who may end that."""
    ended = state in ("closed", "voided", "merged")
    case = Case(
        id="C1",
        number="350921001-260302-000001",
        sequence=4,
        state=state,
        kind="problem",
        title="路灯不亮",
        category={"code": "0102"},
        livelihood=True,
        colour="yellow",
        level="grid",
        street=STREET,
        community=COMMUNITY,
        grid=None,
        decision={"policy": "2026.1", "rule": "r", "reason": "因为"},
        reports=({"id": "R1", "reporter": "c1", "channel": "hotline", "received_at": iso(T0)},),
        first_received_at=iso(T0),
        opened_at=iso(T0),
        legs=(leg or a_leg(),),
        resolved_at=iso(T0) if state in ("resolved", "closed") else None,
        closed_at=iso(T0) if ended else None,
    )
    return replace(case, **more)


def test_every_role_and_every_move_is_tried() -> None:
    assert {role for who in WHO.values() for role in who.roles} >= set(tokens.ROLES)
    assert set(LEG_MOVES) | set(CASE_MOVES) | {"decide"} == set(TABLE)
    assert set(WORDS) <= set(TABLE)
    assert {by for rule in TABLE.values() for by in rule.by} <= set(STANDINGS)


@pytest.mark.parametrize("move", LEG_MOVES)
def test_every_move_on_a_leg_in_every_state_by_every_role(move: str) -> None:
    for kind in KINDS:
        for who in WHO:
            _try_on_a_leg(move, kind, who)


def _try_on_a_leg(move: str, kind: str, who: str) -> None:
    holder = "convener of the street" if kind == "convene" else HOLDER[KINDS[kind].type]
    rightful = NOT_THE_ASSIGNEES.get(move, {holder, *(COMMITTEE - {"county"} if move == "convene" else ())})
    for state in LEG_STATES:
        leg = a_leg(kind, state)
        case = a_case("assigned", leg)
        no = refusal(move, Situation(case, leg, WHO[who], NOW, DEFAULT))
        if who not in rightful:
            assert no is not None
            assert no[0] == "right", (move, kind, state, who)
        elif state in LEG_MOVES[move].get(kind, ()):
            assert no is None, (move, kind, state, who, no)
        else:
            assert no is not None, (move, kind, state, who)
            assert no[0] == "state"


@pytest.mark.parametrize("move", CASE_MOVES)
def test_every_move_on_a_case_in_every_state_by_every_role(move: str) -> None:
    for who in WHO:
        _try_on_a_case(move, who)


def _try_on_a_case(move: str, who: str) -> None:
    states, rightful = CASE_MOVES[move]
    for state in CASE_STATES:
        more: dict[str, Any] = {}
        if move == "resume":
            more["pauses"] = ({"start": iso(T0), "reason": "r", "approver": "d1"},)
        if move == "unsupervise":
            more["supervised"] = tuple({"at": iso(T0), "by": a.subject, "reason": "r"} for a in WHO.values())
        if move == "close":
            more["inspection"] = {"at": iso(T0), "by": "somebody", "passed": True}
        case = a_case(state, **more)
        no = refusal(move, Situation(case, None, WHO[who], NOW, DEFAULT))
        if who not in rightful:
            assert no is not None
            assert no[0] == "right", (move, state, who)
        else:
            assert (no is None) == (state in states), (move, state, who, no)
            assert no is None or no[0] == "state"


@pytest.mark.parametrize("state", ["resolved", "closed", "voided", "merged"])
def test_no_leg_moves_in_a_case_that_is_done_or_over(state: str) -> None:
    for move, kind, leg_state in product(LEG_MOVES, KINDS, LEG_STATES):
        leg = a_leg(kind, leg_state)
        for who in WHO.values():
            assert refusal(move, Situation(a_case(state, leg), leg, who, NOW, DEFAULT)) is not None


@pytest.mark.parametrize(
    ("of", "rightful"),
    [
        (f"desk-{STREET}", {"desk of the street"}),
        ("desk-350921000", {"county"}),
        (f"convener-{STREET}", {"convener of the street"}),
        ("v1", {"convener of the street"}),
    ],
)
def test_whose_it_is_to_decide(of: str, rightful: set[str]) -> None:
    for state, who in product(CASE_STATES, WHO):
        for asked_by in ("p1", WHO[who].subject):
            approval = {"id": "A1", "kind": "pause", "asked_by": asked_by, "asked_at": iso(T0), "of": of}
            case = a_case(state, approvals=(approval,))
            no = refusal("decide", Situation(case, None, WHO[who], NOW, DEFAULT, approval))
            if who not in rightful:
                assert no is not None
                assert no[0] == "right"
            elif state in ("closed", "voided", "merged"):
                assert no is not None
                assert no[0] == "state"
            elif asked_by == WHO[who].subject:
                assert no is not None
                assert no[0] == "duty"
            else:
                assert no is None


def test_a_move_that_is_not_allowed_says_why_and_which_are() -> None:
    """What is listed is exactly what would be allowed."""
    for who, kind in product(["citizen", *list(WHO)[:18]], KINDS):
        for state in LEG_STATES:
            leg = a_leg(kind, state)
            case = a_case("assigned", leg)
            for one in (leg, None):
                on = "leg" if one is not None else "case"
                names = [n for n, r in TABLE.items() if r.on == on and n != "decide"]
                situation = Situation(case, one, WHO[who], NOW, DEFAULT)
                free = tuple(n for n in names if refusal(n, situation) is None)
                assert allowed(case, one, WHO[who], NOW) == free
                for name in set(names) - set(free):
                    with pytest.raises(NotAllowed) as error:
                        permit(name, situation)
                    assert error.value.allowed == free
                    assert error.value.why


def test_the_page_is_written_from_the_machine() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page), "run `make definitions`"
    assert "| `resolve` |" in page


# -- conditions, one by one ----------------------------------------------------------------------------


def no_(move: str, case: Case, who: Actor, leg: bool = True) -> Any:
    on_leg = case.legs[0] if leg else None
    return refusal(move, Situation(case, on_leg, who, NOW, DEFAULT))


def test_nobody_who_had_a_hand_in_it_inspects_or_closes() -> None:
    desk, county = WHO["desk of the street"], WHO["county"]
    chief = WHO["chief of the community"]
    seen = {"at": iso(T0), "by": "k1", "passed": True}
    by_desk = replace(a_leg("desk", "done"), hands=("d1",))
    begun = replace(a_leg("desk", "accepted"), state="reassigned", hands=("d1",))
    by_unit = replace(a_leg("lead", "done"), hands=("u7",))
    for legs, who in (
        ((by_desk,), desk),
        ((begun, a_leg("lead", "done")), desk),  # whoever had begun, too
        ((replace(a_leg("handle", "done"), assignee=Assignee("person", "c1")),), chief),
        ((by_unit,), Actor("u8", ("unit_clerk", "county"), "U01")),  # another clerk of the unit that did it
        ((by_unit,), Actor("u7", ("county",))),  # a clerk of that time, who is at the county now
    ):
        case = a_case("resolved", legs=legs)
        assert no_("inspect", case, who, False)[0] == "duty"
        case = replace(case, inspection=seen)
        if "grid_chief" not in who.roles:
            assert no_("close", case, who, False)[0] == "duty"
    case = a_case("resolved", legs=(by_desk,), inspection=seen)
    assert no_("close", case, Actor("d9", ("desk",), street=STREET), False) is None  # a colleague at the desk
    assert no_("close", case, county, False) == (
        "duty",
        "you inspected it: somebody who neither handled nor inspected it has to",
    )


def test_whoever_only_passed_it_on_may_inspect() -> None:
    desk = WHO["desk of the street"]
    passed_on = replace(a_leg("desk", "offered"), state="reassigned")
    assert no_("inspect", a_case("resolved", legs=(passed_on, a_leg("lead", "done"))), desk, False) is None


def test_an_inspection_counts_for_the_result_that_was_looked_at() -> None:
    county = WHO["county"]
    old = {"at": iso(T0 - timedelta(hours=1)), "by": "i1", "passed": True}
    assert no_("close", a_case("resolved", inspection=old), county, False)[0] == "state"
    failed = {"at": iso(T0), "by": "i1", "passed": False}
    assert no_("close", a_case("resolved", inspection=failed), county, False)[0] == "state"
    lenient = replace(DEFAULT, inspect_before_close=False)
    case = a_case("resolved", inspection=failed)
    assert refusal("close", Situation(case, None, county, NOW, lenient)) is None


@pytest.mark.parametrize("kind", ["return", "extension", "pause"])
def test_asked_once_while_it_is_not_decided(kind: str) -> None:
    move = {"extension": "extend"}.get(kind, kind)
    asked = {"id": "A1", "kind": kind, "leg": "L1", "asked_by": "p1", "asked_at": iso(T0), "of": "d"}
    leg = a_leg(state="accepted")
    who = WHO["worker of the leg"]
    assert no_(move, a_case("accepted", leg, approvals=(asked,)), who)[0] == "state"
    decided = {**asked, "decided_at": iso(T0), "granted": False}
    assert no_(move, a_case("accepted", leg, approvals=(decided,)), who) is None
    other = {**asked, "leg": "L9"}
    assert no_(move, a_case("accepted", leg, approvals=(other,)), who) is None


def test_extended_once_a_leg_and_only_where_there_is_a_limit() -> None:
    who, leg = WHO["worker of the leg"], a_leg(state="accepted")
    more = {"leg": "L1", "seconds": 60, "reason": "r", "approver": "d1", "at": iso(T0)}
    assert "once a leg" in no_("extend", a_case("accepted", leg, extensions=(more,)), who)[1]
    assert no_("extend", a_case("accepted", leg, extensions=({**more, "leg": "L0"},)), who) is None
    endless = replace(leg, finish_limit=None)
    assert no_("extend", a_case("accepted", endless), who)[0] == "state"


def test_paused_while_a_pause_lasts() -> None:
    who, leg = WHO["worker of the leg"], a_leg(state="accepted")
    span = {"start": iso(T0), "end": iso(NOW), "reason": "r", "approver": "d1"}
    assert no_("pause", a_case("accepted", leg, pauses=(span,)), who) is None  # over exactly now
    assert no_("resume", a_case("accepted", leg, pauses=(span,)), who, False)[0] == "state"
    lasting = {**span, "end": iso(NOW + timedelta(seconds=1))}
    assert no_("pause", a_case("accepted", leg, pauses=(lasting,)), who)[0] == "state"
    assert no_("resume", a_case("accepted", leg, pauses=(lasting,)), who, False) is None
    emergency = {**span, "end": None, "emergency": "E1"}
    assert no_("pause", a_case("accepted", leg, pauses=(emergency,)), who) is None
    many = tuple({**span, "end": iso(T0)} for _ in range(50))
    assert no_("pause", a_case("accepted", leg, pauses=many), who)[0] == "state"


def test_reopened_within_days_of_the_end() -> None:
    county = WHO["county"]
    on_time = iso(NOW - timedelta(days=30))
    assert no_("reopen", a_case("closed", closed_at=on_time), county, False) is None
    late = iso(NOW - timedelta(days=30, seconds=1))
    assert no_("reopen", a_case("closed", closed_at=late), county, False)[0] == "state"


def test_a_unit_that_has_to_come_can_neither_refuse_nor_return() -> None:
    case = a_case("assigned", a_leg("lead"), whistle={"bound": ["U01"]})
    clerk = WHO["clerk of the unit"]
    assert no_("refuse", case, clerk)[0] == "state"
    assert no_("return", case, clerk)[0] == "state"
