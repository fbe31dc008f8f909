"""Who may be handed a case: nobody who is off duty, and nobody who has turned it down before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from .case import DESK_STEP, Assignee, Case, Rung
from .directory import Directory
from .rotation import Staff

# What an assignee did with a leg that says: not me. Whoever only let the time run out may be asked again.
_TURNED_DOWN: Final = ("returned", "refused")


def chain(directory: Directory, where: tuple[str, str | None, str | None]) -> Sequence[str]:
    """The places whose workers are asked, the nearest first: building, compound, community; then comes the desk.

    `where`: street, community, grid as `Directory.where` gives them. A street's workers are asked only where
    nothing more is known of the place: somebody of another community doesn't know the house.
    """
    street, community, grid = where
    if community is None:
        return () if street == directory.county_street else (street,)
    known = directory.grids.get(grid or "")
    if known is None:
        return (community,)
    if known.parent == community:
        return (known.code, community)
    return (known.code, known.parent, community)


def turned_down(case: Case) -> frozenset[str]:
    """Who has returned or refused the case: it isn't offered to them again."""
    return frozenset(leg.assignee.id for leg in case.legs if leg.state in _TURNED_DOWN)


def somebody(staff: Staff, person: str, at: datetime, without: frozenset[str] = frozenset()) -> str | None:
    """The person, or who stands in; None when neither is on duty or both have turned the case down."""
    if staff.on_duty(person, at):
        return person if person not in without else None
    other = staff.stand_in(person, at)
    if other and other not in without and staff.on_duty(other, at):
        return other
    return None


def ladder(directory: Directory, case: Case, person: str) -> Sequence[Rung]:
    """The rungs above whoever holds a leg: those of the place of the case where they only stand in there."""
    known = directory.people.get(person)
    if known is None or case.community is None or known.community == case.community:
        return directory.ladder(person)
    local = next(iter(directory.workers(case.grid or case.community)), None)
    if local is not None:
        return directory.ladder(local)
    return (Rung(DESK_STEP, "street", directory.desk(case.street)),)


_STEPS: Final = {"grid_leader": 1, "grid_chief": 2, "desk": DESK_STEP, "county": DESK_STEP}


def from_step(ladder: Sequence[Rung], whom: str | None, directory: Directory) -> Sequence[Rung]:
    """The ladder from the rung on that sla's policy names; all of it when it names none, or one that has no case to
    take over (the assignee, a unit's clerk, the convener)."""
    if whom == "county":
        return (Rung(DESK_STEP, "street", directory.desk(directory.county_street)),)
    least = _STEPS.get(whom or "", 0)
    return tuple(r for r in ladder if r.step >= least)


def rungs(ladder: Sequence[Rung], staff: Staff, at: datetime, without: frozenset[str]) -> tuple[Rung, ...]:
    """The ladder without those who can't be handed the case; a stand-in has the step of whom they stand in for."""
    out = []
    for rung in ladder:
        if rung.assignee.type != "person":
            out.append(rung)
            continue
        person = somebody(staff, rung.assignee.id, at, without)
        if person == rung.assignee.id:
            out.append(rung)
        elif person is not None:
            out.append(replace(rung, assignee=Assignee("person", person)))
    return tuple(out)
