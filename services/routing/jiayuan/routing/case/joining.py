"""Several reports, one matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from .machine import require
from .model import (
    MOST_REPORTS,
    OVER,
    Case,
    Change,
    Leg,
    Moves,
)
from .steps import (
    next_step,
    release_all,
)

_URGENT_FIRST: Final = ("red", "orange", "yellow", "blue", "green")


def takes_more(case: Case, count: int = 1) -> bool:
    """Whether reports can still come into a case: it is being handled, and not full."""
    return case.state not in (*OVER, "resolved") and len(case.reports) + count <= MOST_REPORTS


def merge(case: Case, reports: Sequence[Mapping[str, Any]], actor: str, at: str, reason: str) -> Moves:
    """Reports come into a case (並案); those that are in it already are left out. Clocks and legs stay as they are."""
    known = {r["id"] for r in case.reports}
    new = tuple(r for r in reports if r["id"] not in known)
    if not new:
        return ()
    change = Change("case.merged", "merge", actor, at, None, reason, reports=tuple(r["id"] for r in new))
    return (next_step(case, change, reports=(*case.reports, *new)),)


def merge_away(case: Case, into: Case, actor: str, at: str) -> Moves:
    """The case goes up in another one: nobody owes anything on it any more."""
    legs = release_all(case.legs, at, "the case is merged into another")
    change = Change("case.merged", "merge", actor, at, None, f"并入{into.number}")
    return (next_step(case, change, legs, state="merged", closed_at=at, merged_into=into.id),)


def keeps(case: Case, other: Case) -> bool:
    """Whether of two cases of one matter `case` goes on: the more urgent one does, so that danger stays danger."""
    return _URGENT_FIRST.index(case.colour) <= _URGENT_FIRST.index(other.colour)


def separate(case: Case, report: str, actor: str, at: str, reason: str) -> Moves:
    """A report goes out of a case of several; a case that is over keeps what it was."""
    rest = tuple(r for r in case.reports if r["id"] != report)
    if case.state in OVER or not rest or len(rest) == len(case.reports):
        return ()
    change = Change("case.separated", "separate", actor, at, None, reason, reports=(report,))
    return (next_step(case, change, reports=rest),)


def unmerge(
    case: Case,
    legs: tuple[Leg, ...],
    actor: str,
    at: str,
    reason: str,
    whistle: Mapping[str, Any] | None = None,
) -> Moves:
    """A case that went up in another one goes on by itself again, offered anew (`legs`); its clocks, which ran from
    its own reports, run on."""
    require("unmerge", case)
    change = Change("case.reopened", "unmerge", actor, at, legs[0].id, reason)
    fields: dict[str, Any] = {
        "state": "assigned",
        "level": legs[0].level,
        "closed_at": None,
        "merged_into": None,
    }
    return (next_step(case, change, (*case.legs, *legs), whistle=whistle or case.whistle, **fields),)
