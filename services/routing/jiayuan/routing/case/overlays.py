"""What lies over the handling and hands no leg on: urging, supervision, colour."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from jiayuan.contracts.times import iso

from .machine import require
from .model import Case, Change, Moves
from .steps import next_step

# Every event holds them all; older ones stay in the steps.
MOST: Final = 20


def changed(case: Case, action: str, actor: str, at: datetime, reason: str | None, **fields: Any) -> Moves:
    """One step that `case.changed` tells of: `fields` of the case become these."""
    change = Change("case.changed", action, actor, iso(at), None, reason)
    return (next_step(case, change, **fields),)


def urge(case: Case, actor: str, at: datetime, reason: str | None) -> Moves:
    """催办: whoever holds it is asked to get on with it; each urging is kept."""
    require("urge", case)
    entry = {"at": iso(at), "by": actor, "reason": reason}
    return changed(case, "urge", actor, at, reason, urged=(*case.urged, entry)[-MOST:])


def put_under_supervision(case: Case, actor: str, at: datetime, reason: str) -> Moves:
    """督办: a person above looks over it until he ends that, or the case is over. Again by the same: nothing."""
    require("supervise", case)
    if any(o["by"] == actor and not o.get("ended_at") for o in case.supervised):
        return ()
    over = [o for o in case.supervised if o.get("ended_at")]
    last = [o for o in case.supervised if not o.get("ended_at")]
    kept = (*over, *last, {"at": iso(at), "by": actor, "reason": reason})[-MOST:]
    return changed(case, "supervise", actor, at, reason, supervised=kept)


def end_supervision(case: Case, actor: str, at: datetime, reason: str | None, everybodys: bool) -> Moves:
    """解除督办: one's own, or (`everybodys`) all."""
    require("unsupervise", case)
    when = iso(at)
    ended = tuple(
        {**o, "ended_at": when} if not o.get("ended_at") and (everybodys or o["by"] == actor) else o
        for o in case.supervised
    )
    if ended == case.supervised:
        return ()
    return changed(case, "unsupervise", actor, at, reason, supervised=ended)


def recolour(
    case: Case, colour: str, actor: str, at: datetime, reason: str, finish_limit: int | None = None
) -> Moves:
    """A person gives the case another colour, with a reason; `finish_limit` (seconds): what the policy then gives to
    whoever handles it, from the start of their own leg on. None: limits stay."""
    require("recolour", case)
    if colour == case.colour:
        return ()
    legs = tuple(
        replace(leg, finish_limit=finish_limit)
        if finish_limit is not None and leg.live and leg.finish_limit is not None and leg.kind != "supervise"
        else leg
        for leg in case.legs
    )
    return changed(case, "recolour", actor, at, reason, colour=colour, legs=legs)
