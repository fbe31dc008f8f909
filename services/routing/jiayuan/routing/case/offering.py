"""A wish that is offered to several whose means match: the first to take it has it.

Each of those asked has a leg of their own, offered with the limit of the round; whoever accepts first keeps theirs
and the others' are released in the same step. A leg whose limit passes lapses, one that is returned is refused; with
the last of a round the next are asked, and when nobody is left the grid's party group gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from jiayuan.contracts.times import iso

from .machine import require
from .model import Assignee, Case, Change, Leg, Moves, NotAllowed, Rung
from .steps import new_leg, next_step, owned, release_all, with_leg

TAKEN: Final = "已由他人认领"
LAPSED: Final = "到时未认领"
# What `offered_to` of a case can hold, in the contract.
MOST_OFFERED: Final = 50


def offer_legs(
    to: Sequence[Assignee], when: str, lapses: int, finish: int | None, reason: str
) -> tuple[Leg, ...]:
    """The legs of a round; `lapses`: seconds."""
    return tuple(new_leg("handle", "grid", 0, who, when, lapses, finish, reason) for who in to)


def entries(to: Sequence[Assignee], when: str) -> tuple[dict[str, Any], ...]:
    """What `offered_to` says of a round."""
    return tuple({"id": who.id, "type": who.type, "at": when} for who in to)


def is_offer(case: Case, leg: Leg) -> bool:
    """Whether a leg is one of those that a wish was offered by."""
    return (
        bool(case.offered_to)
        and leg.kind == "handle"
        and leg.step == 0
        and any(o["id"] == leg.assignee.id for o in case.offered_to)
    )


def open_offers(case: Case) -> tuple[Leg, ...]:
    """The offers that can still be taken."""
    return tuple(leg for leg in case.legs if leg.state == "offered" and is_offer(case, leg))


def taken(case: Case, mine: Leg, legs: tuple[Leg, ...], when: str) -> tuple[tuple[Leg, ...], dict[str, Any]]:
    """Somebody has accepted: the legs without the others' offers, and what else the case tells. Of a case that is
    offered to nobody, nothing changes."""
    if not is_offer(case, mine):
        return legs, {}
    others = {leg.id for leg in open_offers(case)} - {mine.id}
    legs = tuple(
        replace(leg, state="released", ended_at=when, reason=TAKEN) if leg.id in others else leg
        for leg in legs
    )
    who = mine.assignee.id
    return legs, {
        "offered_to": tuple({**o, "took_at": when} if o["id"] == who else o for o in case.offered_to)
    }


def give_up(
    case: Case,
    leg_id: str,
    actor: str,
    at: datetime,
    reason: str,
    then: Sequence[Leg],
    *,
    lapsed: bool = False,
    event: str = "case.returned",
) -> Moves:
    """Somebody asked declines, or lets the limit pass. `then`: the legs that follow when nobody else is asked still
    (the next round's or the party group's, made by whoever calls); they are ignored while somebody is."""
    leg = owned(case, leg_id, "return")
    if leg.state in ("refused", "returned", "reassigned", "released"):
        return ()
    require("return", case, leg)
    when = iso(at)
    ended = replace(leg, state="reassigned" if lapsed else "refused", ended_at=when, reason=reason)
    others = [other for other in open_offers(case) if other.id != leg.id]
    more = () if others else tuple(then)
    asked = tuple(o for new in more if new.step == 0 for o in entries((new.assignee,), when))
    offered = (*case.offered_to, *asked)[:MOST_OFFERED]
    action = "lapse" if lapsed else "decline"
    change = Change(
        "case.assigned" if more else event, action, actor, when, more[0].id if more else leg.id, reason
    )
    return (next_step(case, change, with_leg(case, ended, *more), offered_to=offered),)


def offer(
    case: Case,
    legs: Sequence[Leg],
    actor: str,
    at: datetime,
    reason: str,
) -> Moves:
    """The desk has a case offered to some: whoever handles it without having accepted is let off."""
    require("assign", case)
    holder = next(
        (leg for leg in case.live_legs if leg.state != "offered" and leg.assignee.type != "desk"), None
    )
    if holder is not None:
        raise NotAllowed("offer", f"{holder.assignee.id} has accepted it", ("assign",))
    when = iso(at)
    ended = release_all(case.legs, when, reason)
    asked = entries([leg.assignee for leg in legs], when)
    change = Change("case.assigned", "offer", actor, when, legs[0].id, reason)
    return (next_step(case, change, (*ended, *legs), offered_to=(*case.offered_to, *asked)[:MOST_OFFERED]),)


def party_group(
    rungs: Sequence[Rung], when: str, response_limit: int | None, finish: int | None, reason: str
) -> Leg:
    """The leg of the grid's party group: its leader, else whoever is next on the ladder; the desk is always last."""
    rung = rungs[0]
    return new_leg(
        "handle", rung.level, max(rung.step, 1), rung.assignee, when, response_limit, finish, reason
    )
