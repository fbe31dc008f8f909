"""What an assignee does: accept, answer, return, resolve; and the desk, that lets an assistant off."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from jiayuan.contracts.times import iso

from .machine import require
from .model import (
    Case,
    Change,
    Leg,
    Moves,
    NotAllowed,
)
from .offering import is_offer, open_offers, taken
from .reporter import count_rating
from .steps import (
    by_hand,
    desk_handles,
    for_desk,
    is_resolved,
    next_step,
    owned,
    release_all,
    with_leg,
)


def accept(case: Case, leg_id: str, actor: str, at: datetime, note: str | None = None) -> Moves:
    """offered → accepted (簽收, for a unit 報到). Of those a wish was offered to, the first to accept has it."""
    leg = owned(case, leg_id, "accept")
    if leg.accepted_at is not None and leg.state in ("accepted", "answered", "done"):
        return ()
    require("accept", case, leg)
    when = iso(at)
    moved = replace(leg, state="accepted", accepted_at=when, hands=by_hand(leg, actor))
    legs, more = taken(case, leg, with_leg(case, moved), when)
    return (next_step(case, Change("case.accepted", "accept", actor, when, leg.id, note), legs, **more),)


def answer(case: Case, leg_id: str, actor: str, at: datetime, note: str | None = None) -> Moves:
    """accepted → answered (應答)."""
    leg = owned(case, leg_id, "answer")
    if leg.state in ("answered", "done"):
        return ()
    require("answer", case, leg)
    when = iso(at)
    moved = replace(leg, state="answered", answered_at=when, hands=by_hand(leg, actor))
    return (
        next_step(case, Change("case.answered", "answer", actor, when, leg.id, note), with_leg(case, moved)),
    )


def resolve(
    case: Case,
    leg_id: str,
    actor: str,
    at: datetime,
    note: str | None = None,
    response_limit: int | None = None,
) -> Moves:
    """accepted or answered → done (辦結). The case is resolved with the last leg that matters; a rating that came
    before counts then (`response_limit`: the desk's, should it be opened again). Before the last leg, the event
    is case.answered with the action `resolve`."""
    leg = owned(case, leg_id, "resolve")
    if leg.state == "done":
        return ()
    require("resolve", case, leg)
    when = iso(at)
    done = replace(
        leg, state="done", answered_at=leg.answered_at or when, done_at=when, hands=by_hand(leg, actor)
    )
    change = Change("", "resolve", actor, when, leg.id, note)
    return settle(case, with_leg(case, done), "case.answered", change, response_limit)


def release(
    case: Case, leg_id: str, actor: str, at: datetime, reason: str, response_limit: int | None = None
) -> Moves:
    """The desk lets an assistant off, so that it doesn't hold up the case for ever."""
    leg = owned(case, leg_id, "release")
    if leg.state == "released":
        return ()
    if leg.kind != "assist":
        raise NotAllowed(
            "release", "only an assistant can be released; give the case to somebody else instead"
        )
    require("release", case, leg)
    when = iso(at)
    let_off = replace(leg, state="released", ended_at=when, reason=reason)
    change = Change("", "release", actor, when, leg.id, reason)
    return settle(case, with_leg(case, let_off), "case.assigned", change, response_limit)


def settle(
    case: Case, legs: tuple[Leg, ...], event: str, change: Change, response_limit: int | None = None
) -> Moves:
    """After a leg has ended: resolved if it was the last that matters."""
    if not is_resolved(legs):
        return (next_step(case, replace(change, event=event), legs),)
    legs = release_all(legs, change.at, "the case is resolved")
    resolved = next_step(
        case, replace(change, event="case.resolved"), legs, state="resolved", resolved_at=change.at
    )
    rating = resolved.case.rating
    return (resolved, *(count_rating(resolved.case, rating, response_limit) if rating is not None else ()))


def return_(
    case: Case,
    leg_id: str,
    actor: str,
    at: datetime,
    reason: str,
    response_limit: int | None = None,
    misdirected: bool | None = None,
) -> Moves:
    """Any live leg → returned (退單), with a reason; the street's desk gets the case as a leg of its own.

    The desk's leg keeps the finish limit of the returned one. A desk that holds the case already gets no second.
    `misdirected`: it had been sent to the wrong place, which is a mark on the rule that fired.
    """
    leg = owned(case, leg_id, "return")
    if leg.state == "returned":
        return ()
    require("return", case, leg)
    when = iso(at)
    returned = replace(leg, state="returned", ended_at=when, reason=reason, misdirected=misdirected)
    if is_offer(case, leg) and any(o.id != leg.id for o in open_offers(case)):
        change = Change("case.returned", "return", actor, when, leg.id, reason)
        return (next_step(case, change, with_leg(case, replace(returned, state="refused"))),)
    added = () if desk_handles(case) else (for_desk(case, when, response_limit, leg.finish_limit, reason),)
    change = Change("case.returned", "return", actor, when, leg.id, reason)
    return (next_step(case, change, with_leg(case, returned, *added)),)
