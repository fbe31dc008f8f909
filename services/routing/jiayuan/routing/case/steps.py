"""Small parts that every move is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from .model import (
    DESK_STEP,
    MAIN,
    OVER,
    Assignee,
    Case,
    Change,
    Leg,
    Moved,
    Moves,
    NotAllowed,
    evolve,
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
    report_in_limit: int | None = None,
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
        report_in_limit=report_in_limit,
    )


def desk_of(street: str) -> Assignee:
    """The desk of a street (or of the county, by its virtual street code)."""
    return Assignee("desk", f"desk-{street}")


def standing(legs: Sequence[Leg]) -> str:
    """The state that the legs give an unresolved case: as far as the furthest of those who handle it. What was done
    before it was opened again counts no more."""
    furthest = max(
        (
            _ADVANCE[leg.state]
            for i, leg in enumerate(legs)
            if leg.kind in MAIN and leg.state in _ADVANCE and (leg.state != "done" or not _anew(legs, i))
        ),
        default=-1,
    )
    if furthest < 0:
        # With the convener it is, while nobody else has it.
        return "assigned" if any(leg.kind == "convene" and leg.live for leg in legs) else "open"
    return _STATES[furthest]


def _anew(legs: Sequence[Leg], i: int) -> bool:
    """Whether the case was handed out anew after a leg was done. What the desk got because somebody returned their
    part is no new beginning."""
    done = legs[i].done_at or ""
    returned = {leg.ended_at for leg in legs if leg.state == "returned"}
    return any(
        leg.kind in MAIN
        and leg.offered_at >= done
        and not (leg.assignee.type == "desk" and leg.offered_at in returned)
        for leg in legs[i + 1 :]
    )


def is_resolved(legs: Sequence[Leg]) -> bool:
    """Whether every leg that matters is done: somebody handled it, and nobody who was called still owes."""
    owed = any(leg.live for leg in legs if leg.kind != "supervise")
    return not owed and any(leg.state == "done" for leg in legs if leg.kind in MAIN)


def _level(legs: Sequence[Leg], before: str) -> str:
    """Where it is handled now: the latest live leg of those who handle it."""
    return next((leg.level for leg in reversed(legs) if leg.kind in MAIN and leg.live), before)


def with_leg(case: Case, leg: Leg, *added: Leg) -> tuple[Leg, ...]:
    """The legs of the case with this one as it is now, and more."""
    return (*(leg if old.id == leg.id else old for old in case.legs), *added)


def next_step(case: Case, change: Change, legs: tuple[Leg, ...] | None = None, **fields: Any) -> Moved:
    """The next sequence of the case; while it is unresolved, state and level follow from the legs. What lay over legs
    that have ended, or over a case that is done, ends with them."""
    if legs is not None:
        fields["legs"] = legs
        if "state" not in fields:
            fields["state"] = standing(legs)
            fields["level"] = _level(legs, case.level)
        if case.approvals or case.pauses or case.supervised:
            _tidy(case, change, fields)
    return Moved(evolve(case, sequence=case.sequence + 1, **fields), change)


def _tidy(case: Case, change: Change, fields: dict[str, Any]) -> None:
    state, at = fields["state"], parse(change.at)
    over = state in OVER
    if over or state == "resolved":
        fields["pauses"] = ended_spans(fields.get("pauses", case.pauses), at)
    if over:
        fields["supervised"] = tuple(
            o if o.get("ended_at") else {**o, "ended_at": change.at} for o in case.supervised
        )
    live = {leg.id for leg in fields["legs"] if leg.live}
    fields["approvals"] = tuple(
        {**a, "decided_at": change.at, "decided_by": "routing", "granted": False, "note": "事项已了结"}
        if not a.get("decided_at") and (over or (a.get("leg") is not None and a["leg"] not in live))
        else a
        for a in fields.get("approvals", case.approvals)
    )


def ended_spans(
    pauses: tuple[Mapping[str, Any], ...], at: datetime, emergency: str | None = None
) -> tuple[Mapping[str, Any], ...]:
    """The pauses, those that last ended at a time (only those of an emergency mode, where one is named)."""
    out = []
    for span in pauses:
        end = span.get("end")
        if (end is None or parse(end) > at) and emergency in (None, span.get("emergency")):
            span = {**span, "end": iso(max(at, parse(span["start"])))}
        out.append(span)
    return tuple(out)


def by_hand(leg: Leg, actor: str) -> tuple[str, ...]:
    """Whose hands have acted on the leg, with this actor's; on a person's leg it is the person."""
    if leg.assignee.type == "person" or actor in leg.hands:
        return leg.hands
    return (*leg.hands, actor)[-20:]


def release_all(legs: Iterable[Leg], at: str, reason: str) -> tuple[Leg, ...]:
    """Nobody owes anything any more."""
    return tuple(
        replace(leg, state="released", ended_at=at, reason=leg.reason or reason) if leg.live else leg
        for leg in legs
    )


def owned(case: Case, leg_id: str, move: str) -> Leg:
    """The leg of that id; NotAllowed when the case has none."""
    leg = case.leg(leg_id)
    if leg is None:
        raise NotAllowed(move, f"the case has no leg {leg_id}")
    return leg


def with_evidence(moves: Moves, evidence: Sequence[str]) -> Moves:
    """The same steps, the first with the assignee's evidence."""
    if not moves or not evidence:
        return moves
    first = moves[0]
    return (replace(first, change=replace(first.change, evidence=tuple(evidence))), *moves[1:])


def desk_handles(case: Case) -> bool:
    """Whether the desk has a leg by which it handles the case."""
    return any(leg.live and leg.kind == "handle" and leg.assignee.type == "desk" for leg in case.legs)


def for_desk(
    case: Case, when: str, response_limit: int | None, finish_limit: int | None, reason: str | None
) -> Leg:
    """A leg of the street's desk, offered now."""
    return new_leg(
        "handle", "street", DESK_STEP, desk_of(case.street), when, response_limit, finish_limit, reason
    )
