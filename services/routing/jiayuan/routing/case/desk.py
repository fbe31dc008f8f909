"""What the desk does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from jiayuan.contracts.times import iso

from .machine import leg_why, require
from .model import (
    MAIN,
    Case,
    Change,
    Leg,
    Moves,
    NotAllowed,
    Offer,
)
from .steps import (
    new_leg,
    next_step,
    owned,
)


def assign(
    case: Case,
    to: Offer,
    assistants: Sequence[Offer],
    actor: str,
    at: datetime,
    reason: str,
    *,
    leg_id: str | None = None,
    ground: str | None = None,
    misdirected: bool | None = None,
) -> Moves:
    """The desk gives the case to a person, or whistles a unit and its assistants.

    It takes the place of the leg named, or of the desk's own, or of the only one that handles the case.
    `misdirected`: whether the leg that was returned last had been sent to the wrong place, as the desk sees it.
    """
    require("assign", case)
    old = _replaceable(case, leg_id)
    if old is not None and old.assignee == to.assignee and not assistants:
        return ()
    when = iso(at)
    ended = tuple(
        replace(leg, state="reassigned", ended_at=when, reason=reason) if old and leg.id == old.id else leg
        for leg in case.legs
    )
    if misdirected is not None:
        ended = _marked(ended, misdirected)
    finish = old.finish_limit if old is not None else None
    if to.assignee.type != "unit":
        kind = "handle"
    else:
        kind = "assist" if any(leg.live and leg.kind == "lead" for leg in ended) else "lead"
    if any(leg.live and leg.assignee == to.assignee and leg.kind in ("lead", "assist") for leg in ended):
        raise NotAllowed("assign", f"{to.assignee.id} has a leg of it already", ("hand_over",))
    refused = {a["id"] for a in case.approvals if a["kind"] == "refusal" and not a.get("decided_at")}
    named = {to.assignee, *(o.assignee for o in assistants)}
    if any(leg.id in refused and leg.assignee in named for leg in case.legs):
        raise NotAllowed("assign", "the convener has to decide on a refusal of that unit first", ("convene",))
    main = _offered(kind, to, when, finish, reason)
    called = {leg.assignee.id for leg in ended if leg.live} | {to.assignee.id}
    more = tuple(
        _offered("assist", o, when, finish, reason) for o in assistants if o.assignee.id not in called
    )
    legs = (*ended, main, *more)
    if to.assignee.type != "unit":
        change = Change("case.assigned", "assign", actor, when, main.id, reason)
        return (next_step(case, change, legs),)
    before = {k: v for k, v in (case.whistle or {}).items() if k not in ("unclaimed", "unclaimed_at")}
    whistle = {**before, **whistle_of(legs, ground or before.get("ground") or "public_matter")}
    return (
        next_step(
            case, Change("case.whistled", "whistle", actor, when, main.id, reason), legs, whistle=whistle
        ),
    )


def _offered(kind: str, to: Offer, when: str, finish: int | None, reason: str) -> Leg:
    return new_leg(
        kind, to.level, to.step, to.assignee, when, to.response_limit, finish, reason, to.report_in
    )


def _marked(legs: tuple[Leg, ...], misdirected: bool) -> tuple[Leg, ...]:
    last = next((leg for leg in reversed(legs) if leg.state == "returned"), None)
    if last is None or last.misdirected == misdirected:
        return legs
    return tuple(replace(leg, misdirected=misdirected) if leg is last else leg for leg in legs)


def _replaceable(case: Case, leg_id: str | None) -> Leg | None:
    if leg_id is not None:
        leg = owned(case, leg_id, "assign")
        if not leg.live or leg.kind in ("supervise", "convene"):
            why = (
                leg_why(leg)
                if not leg.live
                else "it is a leg of whoever looks over the case, not of a handler"
            )
            raise NotAllowed("assign", why)
        return leg
    main = [leg for leg in case.legs if leg.live and leg.kind in MAIN]
    desks = [leg for leg in main if leg.assignee.type == "desk"]
    if desks:
        return desks[0]
    if len(main) > 1:
        raise NotAllowed("assign", "several handle the case: name the leg that is to be replaced")
    return main[0] if main else None


def whistle_of(legs: Sequence[Leg], ground: str) -> dict[str, Any]:
    lead = next(leg.assignee.id for leg in reversed(legs) if leg.kind == "lead" and leg.live)
    assistants = [
        leg.assignee.id for leg in legs if leg.kind == "assist" and (leg.live or leg.state == "done")
    ]
    return {"ground": ground, "lead": lead, "assistants": assistants[:20]}
