"""A case is decided about anew: what it is about, where it is, its colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from jiayuan.contracts.times import iso

from .model import Case, Change, Leg, Moved, Moves
from .steps import next_step


def is_taken(case: Case) -> bool:
    """Whether somebody has begun: accepted it, or more. A desk that looks who is to have it has not."""
    return any(
        leg.kind != "supervise"
        and (leg.state in ("answered", "done") or (leg.state == "accepted" and leg.assignee.type != "desk"))
        for leg in case.legs
    )


def put_right(case: Case, action: str, actor: str, at: datetime, reason: str, **fields: Any) -> Moved:
    """What the case is about (`recategorise`) or where it is (`relocate`) is put right. Who holds it doesn't change."""
    return next_step(case, Change("case.changed", action, actor, iso(at), None, reason), **fields)


def hand_over(
    case: Case,
    legs: tuple[Leg, ...],
    actor: str,
    at: datetime,
    reason: str,
    whistle: Mapping[str, Any] | None,
) -> Moves:
    """The case goes to those whom a new decision names; whoever held it owes nothing any more. Nothing happens where
    they hold it already."""
    held = [(leg.kind, leg.assignee) for leg in case.legs if leg.live and leg.kind != "supervise"]
    if held == [(leg.kind, leg.assignee) for leg in legs]:
        return ()
    when = iso(at)
    ended = tuple(
        replace(leg, state="reassigned", ended_at=when, reason=reason) if leg.live else leg
        for leg in case.legs
    )
    event, action = ("case.whistled", "whistle") if whistle is not None else ("case.assigned", "assign")
    change = Change(event, action, actor, when, legs[0].id, reason)
    return (next_step(case, change, (*ended, *legs), whistle=whistle),)
