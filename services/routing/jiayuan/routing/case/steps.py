"""Small parts that every move is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from jiayuan.contracts.ids import new_id

from .model import (
    DESK_STEP,
    LIVE,
    MAIN,
    OVER,
    Assignee,
    Case,
    Change,
    Leg,
    Moved,
    Moves,
    NotAllowed,
)

_ADVANCE: Final = {"offered": 0, "accepted": 1, "answered": 2, "done": 2}
_STATES: Final = ("assigned", "accepted", "answered")


def new_leg(
    kind: str,
    level: str,
    step: int,
    assignee: Assignee,
    offered_at: str,
    response_limit: int | None,
    finish_limit: int | None,
    reason: str | None = None,
) -> Leg:
    """A leg that is offered now."""
    return Leg(
        new_id(),
        kind,
        level,
        step,
        assignee,
        "offered",
        response_limit,
        finish_limit,
        offered_at,
        reason=reason,
    )


def desk_of(street: str) -> Assignee:
    """The desk of a street (or of the county, by its virtual street code)."""
    return Assignee("desk", f"desk-{street}")


def standing(legs: Iterable[Leg]) -> str:
    """The state that the legs give an unresolved case: as far as the furthest of those who handle it."""
    furthest = max(
        (_ADVANCE[leg.state] for leg in legs if leg.kind in MAIN and leg.state in _ADVANCE), default=-1
    )
    return _STATES[furthest] if furthest >= 0 else "open"


def is_resolved(legs: Sequence[Leg]) -> bool:
    """Whether every leg that matters is done: somebody handled it, and nobody who was called still owes."""
    owed = any(leg.live for leg in legs if leg.kind != "supervise")
    return not owed and any(leg.state == "done" for leg in legs if leg.kind in MAIN)


def _level(legs: Sequence[Leg], before: str) -> str:
    """Where it is handled now: the latest live leg of those who handle it."""
    return next((leg.level for leg in reversed(legs) if leg.kind in MAIN and leg.live), before)


def with_leg(case: Case, leg: Leg, *added: Leg) -> tuple[Leg, ...]:
    return (*(leg if old.id == leg.id else old for old in case.legs), *added)


def next_step(case: Case, change: Change, legs: tuple[Leg, ...] | None = None, **fields: Any) -> Moved:
    """The next sequence of the case; while it is unresolved, state and level follow from the legs."""
    if legs is not None:
        fields["legs"] = legs
        if "state" not in fields:
            fields["state"] = standing(legs)
            fields["level"] = _level(legs, case.level)
    return Moved(replace(case, sequence=case.sequence + 1, **fields), change)


def release_all(legs: Iterable[Leg], at: str, reason: str) -> tuple[Leg, ...]:
    """Nobody owes anything any more."""
    return tuple(
        replace(leg, state="released", ended_at=at, reason=leg.reason or reason) if leg.live else leg
        for leg in legs
    )


def moves_of(leg: Leg) -> tuple[str, ...]:
    """The moves that the assignee of a leg has now."""
    moves: tuple[str, ...] = {
        "offered": ("accept", "return"),
        "accepted": ("answer", "return", "resolve"),
        "answered": ("return", "resolve"),
    }.get(leg.state, ())
    if leg.assignee.type == "desk" or leg.kind == "supervise":
        moves = tuple(m for m in moves if m != "return")
    return moves


WHY: Final = {
    "offered": "the leg has not been accepted yet",
    "accepted": "the leg is accepted already",
    "answered": "the leg is answered already",
    "done": "the leg is done",
    "returned": "the leg was returned",
    "refused": "the leg was refused",
    "reassigned": "the leg was passed on to somebody else",
    "released": "the leg was released: nothing is owed on it any more",
}


def owned(case: Case, leg_id: str, move: str) -> Leg:
    leg = case.leg(leg_id)
    if leg is None:
        raise NotAllowed(move, f"the case has no leg {leg_id}")
    return leg


def allow(case: Case, leg: Leg, move: str) -> None:
    allowed = moves_of(leg) if case.state not in (*OVER, "resolved") else ()
    if move not in allowed:
        why = WHY[leg.state] if leg.state not in LIVE or not allowed else _why_not(leg, move)
        if case.state in OVER and leg.live:
            why = f"the case is {case.state}"
        raise NotAllowed(move, why, allowed)


def _why_not(leg: Leg, move: str) -> str:
    if move == "return" and leg.kind == "supervise":
        return "a supervisor has nothing to return: resolve it, or assign the case to somebody"
    if move == "return" and leg.assignee.type == "desk":
        return "the desk is the last to turn to: assign the case to a person or a unit"
    return WHY[leg.state]


def with_evidence(moves: Moves, evidence: Sequence[str]) -> Moves:
    """The same steps, the first with the assignee's evidence."""
    if not moves or not evidence:
        return moves
    first = moves[0]
    return (replace(first, change=replace(first.change, evidence=tuple(evidence))), *moves[1:])


def desk_handles(case: Case) -> bool:
    return any(leg.live and leg.kind == "handle" and leg.assignee.type == "desk" for leg in case.legs)


def for_desk(
    case: Case, when: str, response_limit: int | None, finish_limit: int | None, reason: str | None
) -> Leg:
    return new_leg(
        "handle", "street", DESK_STEP, desk_of(case.street), when, response_limit, finish_limit, reason
    )
