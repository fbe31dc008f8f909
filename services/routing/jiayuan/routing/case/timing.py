"""What a deadline that passed does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from jiayuan.contracts.times import iso, parse

from .model import (
    DESK_STEP,
    LIVE,
    OVER,
    Case,
    Change,
    Moves,
    Rung,
)
from .reporter import close_now
from .steps import (
    desk_handles,
    desk_of,
    new_leg,
    next_step,
    with_leg,
)


def raise_step(
    case: Case,
    leg_id: str,
    ladder: Sequence[Rung],
    actor: str,
    at: datetime,
    response_limits: Mapping[str, int | None],
    *,
    take_over: bool = False,
) -> Moves:
    """The leg was not answered in time: it goes one rung up. Whoever has accepted it keeps it, and so does a unit:
    then the street's desk looks over it.

    `take_over`: sla's policy says that the rung takes it over, whether it was accepted or not.

    `ladder` are the rungs above the leg's person, lowest first, the desk last; `response_limits` by level.
    Nothing happens when the leg was answered in the meantime, or at the desk, above which there is nobody.
    """
    leg = case.leg(leg_id)
    if (
        leg is None
        or leg.state not in (LIVE if take_over else ("offered", "accepted"))
        or case.state in OVER
        or leg.assignee.type == "desk"
    ):
        return ()
    if leg.assignee.type == "unit" or leg.kind != "handle" or (leg.state != "offered" and not take_over):
        return supervise(case, leg_id, actor, at, response_limits.get("street"))
    rung = next((r for r in ladder if r.step > leg.step and r.assignee != leg.assignee), None)
    if rung is None:
        rung = Rung(DESK_STEP, "street", desk_of(case.street))
    when, reason = iso(at), "到时未签收，上升一级" if leg.state == "offered" else "超过时限，上级接办"
    old = replace(leg, state="reassigned", ended_at=when, reason=reason)
    new = new_leg(
        "handle",
        rung.level,
        rung.step,
        rung.assignee,
        when,
        response_limits.get(rung.level),
        leg.finish_limit,
        reason,
    )
    return (
        next_step(
            case, Change("case.assigned", "raise", actor, when, new.id, reason), with_leg(case, old, new)
        ),
    )


def supervise(case: Case, leg_id: str | None, actor: str, at: datetime, response_limit: int | None) -> Moves:
    """A limit has passed: the street's desk looks over the case, once; whoever holds it goes on."""
    leg = case.leg(leg_id) if leg_id else None
    if case.state in (*OVER, "resolved") or (leg_id and (leg is None or not leg.live)):
        return ()
    if any(o.kind == "supervise" and o.state != "released" for o in case.legs) or desk_handles(case):
        return ()
    when, reason = iso(at), "超过时限，街道督办"
    desk = new_leg("supervise", "street", DESK_STEP, desk_of(case.street), when, response_limit, None, reason)
    return (
        next_step(case, Change("case.assigned", "raise", actor, when, desk.id, reason), (*case.legs, desk)),
    )


def lapse(case: Case, started_at: str, actor: str, at: datetime) -> Moves:
    """The reporter said nothing in time: closed as lapsed. A clock of an earlier resolution means nothing."""
    if case.state != "resolved" or case.resolved_at is None or parse(started_at) < parse(case.resolved_at):
        return ()
    return (close_now(case, "lapse", "lapsed", actor, iso(at), "到时未评价，视为确认"),)
