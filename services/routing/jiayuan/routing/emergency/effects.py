"""What an emergency does to a case, and what its end does.

`follow` says what a case must be like under the emergency that holds at its place now (or under none), and returns the
step that leads there: none when it is so already. It looks at nothing but the case, what was kept of it, and the time,
so it may be asked again and again, in any order, by anybody.

A change holds from the moment it is made. A shorter limit counts from then on, a longer one from the leg's offer; what
is breached by then stays breached, a pause neither begins nor ends in hindsight, and a leg to which a person granted
more time is not shortened. The citizen's clock is reset by nothing: only pauses stop it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

from jiayuan.contracts.times import iso, parse

from ..case import OVER, Case, Change, Leg, Moved, Moves
from ..case.machine import MOST_SPANS
from .model import Emergency

DONE: Final = (*OVER, "resolved")
# Who acts where nobody does.
ACTOR: Final = "routing"

Kept = dict[str, list[int | None]]
"""The limits in peace, response and finish, of the legs of a case whose limits an emergency changed."""

_LIFTED: Final = "应急解除，恢复办理"


def follow(case: Case, holding: Emergency | None, kept: Kept, now: datetime) -> tuple[Case, Moves, Kept]:
    """The case under the emergency that holds at its place, the step that leads there, and what is to be kept.

    One step at most: case.paused, case.resumed, or case.changed (`limits`). A case that is resolved or over stays as it
    is, and so does what is kept of it, should it be opened again. One that a person resumed is not paused again by the
    same emergency.
    """
    if case.state in DONE or (holding is None and case.emergency is None):
        return case, (), kept
    at = iso(now)
    wanted = holding if holding is not None and holding.terms.pauses(*_matter(case)) else None
    pauses, event = _pauses(case, wanted, at)
    stands = any(_lasts(p, now) for p in pauses if p.get("emergency"))
    legs, kept = _limits(replace(case, pauses=pauses), None if stands else holding, kept, now)
    under = holding.id if holding is not None else None
    if event == "" and legs == case.legs and case.emergency == under:
        return case, (), kept
    new = replace(case, sequence=case.sequence + 1, pauses=pauses, legs=legs, emergency=under)
    reason = _LIFTED if holding is None or event == "case.resumed" else holding.terms.word
    action = {"": "limits", "case.paused": "pause", "case.resumed": "resume"}[event]
    return new, (Moved(new, Change(event or "case.changed", action, ACTOR, at, None, reason)),), kept


def _matter(case: Case) -> tuple[str, str, str]:
    return case.colour, case.kind, case.category["code"]


def _lasts(span: Mapping[str, Any], at: datetime) -> bool:
    return not span.get("end") or parse(span["end"]) > at


def _pauses(case: Case, wanted: Emergency | None, at: str) -> tuple[tuple[Mapping[str, Any], ...], str]:
    """The pauses of the case with the one that an emergency wants, and the event that tells of the change.

    A pause that another emergency began goes on when this one wants one too: nothing is resumed for a moment.
    """
    mine = [p for p in case.pauses if p.get("emergency") and not p.get("end")]
    if wanted is None and mine:
        return tuple({**p, "end": at} if p in mine else p for p in case.pauses), "case.resumed"
    if wanted is None or mine or len(case.pauses) >= MOST_SPANS:
        return case.pauses, ""
    if case.emergency == wanted.id and any(p.get("emergency") == wanted.id for p in case.pauses):
        return case.pauses, ""  # somebody resumed it
    span = {"start": at, "reason": wanted.terms.word, "approver": wanted.by, "emergency": wanted.id}
    return (*case.pauses, span), "case.paused"


def _limits(case: Case, holding: Emergency | None, kept: Kept, now: datetime) -> tuple[tuple[Leg, ...], Kept]:
    """The legs with the limits that hold now, and the limits in peace of those that are changed."""
    legs, after = [], {}
    for leg in case.legs:
        if not leg.live:
            if holding is not None and leg.id in kept:
                after[leg.id] = kept[leg.id]  # a leg that is made of it asks for it, see `_peace`
            legs.append(leg)
            continue
        peace = kept.get(leg.id) or _peace(case, leg, kept)
        spent = _elapsed(case, parse(leg.offered_at), now).total_seconds()
        response, finish = leg.response_limit, leg.finish_limit
        if leg.answered_at is None:
            response = _limit("response", case.colour, holding, response, peace[0], spent)
        granted = any(e["leg"] == leg.id for e in case.extensions)
        finish = _limit("finish", case.colour, holding, finish, peace[1], spent, granted)
        if holding is not None and peace != [response, finish]:
            after[leg.id] = peace
        if (response, finish) != (leg.response_limit, leg.finish_limit):
            leg = replace(leg, response_limit=response, finish_limit=finish)
        legs.append(leg)
    return tuple(legs), after


def _peace(case: Case, leg: Leg, kept: Kept) -> list[int | None]:
    """The limits in peace of a leg that has come since: its own. A finish limit that it took over from another leg is
    that one's."""
    for other in case.legs:
        if other.id in kept and other.id != leg.id and other.finish_limit == leg.finish_limit:
            return [leg.response_limit, kept[other.id][1]]
    return [leg.response_limit, leg.finish_limit]


def _limit(
    which: str,
    colour: str,
    holding: Emergency | None,
    now: int | None,
    peace: int | None,
    spent: float,
    granted: bool = False,
) -> int | None:
    """What a limit is to be; one that is breached stays."""
    if now is None or peace is None or spent > now:
        return now
    wanted = holding.terms.limit(which, colour, peace) if holding is not None else peace
    if wanted >= now:
        return wanted
    return now if granted else min(now, ceil(spent) + wanted)


def _elapsed(case: Case, since: datetime, until: datetime) -> timedelta:
    """How much of the time counts: pauses don't. They may overlap."""
    spans = sorted(
        (max(parse(p["start"]), since), min(parse(p["end"]) if p.get("end") else until, until))
        for p in case.pauses
    )
    out, seen = until - since, since
    for start, end in spans:
        start = max(start, seen)
        if end > start:
            out -= end - start
            seen = end
    return max(out, timedelta(0))
