"""Emergencies and which of them holds where and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jiayuan.contracts.times import iso

from .terms import Terms

_COUNTY: Final = 6


@dataclass(frozen=True, slots=True)
class Emergency:
    """A mode that is on for an area and a time. `ends_at`: when it ends by itself, or ended. `by`: who declared it."""

    id: str
    terms: Terms
    area: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    by: str
    reason: str = ""

    def on(self, at: datetime) -> bool:
        """Whether it is on at a time."""
        return self.starts_at <= at < self.ends_at

    def covers(self, street: str, community: str | None, grid: str | None) -> bool:
        """Whether a place is in its area: a county, streets, communities, grids with all that is under them."""
        for code in self.area:
            if code in (street, community, grid) or (grid is not None and grid.startswith(f"{code}-")):
                return True
            if len(code) == _COUNTY and street.startswith(code):
                return True
        return False


class Emergencies:
    """All that are on or to come, as a process keeps them."""

    def __init__(self, known: Iterable[Emergency] = ()) -> None:
        # The highest rank first, of equals the one that began first; the id, so that all processes agree.
        self._known = sorted(known, key=lambda e: (-e.terms.rank, e.starts_at, e.id))

    def __bool__(self) -> bool:
        return bool(self._known)

    def __iter__(self) -> Iterator[Emergency]:
        return iter(self._known)

    def at(self, street: str, community: str | None, grid: str | None, at: datetime) -> Emergency | None:
        """The one that holds at a place and a time, wholly: terms of several are never mixed."""
        for emergency in self._known:
            if emergency.on(at) and emergency.covers(street, community, grid):
                return emergency
        return None

    def roster(self, street: str, community: str | None, grid: str | None, at: datetime) -> str:
        """The roster that holds at a place: `normal` or `emergency`."""
        holding = self.at(street, community, grid, at)
        return holding.terms.roster if holding is not None else "normal"


NONE: Final = Emergencies()


def joins_of(terms: Terms) -> dict[str, Any] | None:
    """How reports are joined meanwhile, as in emergency.declared."""
    if terms.joined is None:
        return None
    return {"joined": terms.joined, "asked": terms.asked}


def declared(emergency: Emergency, policy: str) -> dict[str, Any]:
    """The data of emergency.declared."""
    out: dict[str, Any] = {
        "id": emergency.id,
        "area": list(emergency.area),
        "starts_at": iso(emergency.starts_at),
        "ends_at": iso(emergency.ends_at),
        "declared_by": emergency.by,
        "reason": emergency.reason,
        "mode": emergency.terms.code,
        "rank": emergency.terms.rank,
        "policy": policy,
    }
    if (joins := joins_of(emergency.terms)) is not None:
        out["joins"] = joins
    return out
