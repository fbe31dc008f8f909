"""Emergencies as routing declares them: while one is on for a place, reports about one matter are joined harder.

A process keeps those that are on or to come in memory, so that a report costs nothing more for it; a timer takes up
what other replicas heard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis import work as units
from jiayuan.chassis.work import Work
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import parse

from . import matters, store

_ALWAYS: Final = (matters.JOINED, matters.ASKED)
_COUNTY: Final = 6


@dataclass(frozen=True, slots=True)
class Emergency:
    """What intake knows of an emergency. `ends_at` None: until it is lifted."""

    area: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime | None
    rank: int
    joined: float
    asked: float

    def covers(self, street: str, community: str, grid: str) -> bool:
        """Whether a place is in its area: a county, streets, communities, grids with what is under them."""
        for code in self.area:
            if code in (street, community, grid) or grid.startswith(f"{code}-"):
                return True
            if len(code) == _COUNTY and street.startswith(code):
                return True
        return False


_known: tuple[Emergency, ...] = ()


def holding(street: str, community: str, grid: str, at: datetime) -> Emergency | None:
    """The emergency that holds at a place and a time.

    Of several the highest rank, of equals the one that began first: as in routing.
    """
    if not _known:
        return None
    here = [
        e
        for e in _known
        if e.starts_at <= at and (e.ends_at is None or at < e.ends_at) and e.covers(street, community, grid)
    ]
    return min(here, key=lambda e: (-e.rank, e.starts_at), default=None)


def on(street: str, community: str, grid: str, at: datetime) -> bool:
    """Whether reports of a place and a time are joined harder than in peace."""
    found = holding(street, community, grid, at)
    return found is not None and found.joined < matters.JOINED


def thresholds(street: str, community: str, grid: str, at: datetime) -> tuple[float, float]:
    """From which likeness on a report of that place and time is joined, and from which the desk is asked."""
    found = holding(street, community, grid, at)
    return (found.joined, found.asked) if found is not None else _ALWAYS


def refresh(work: Work) -> None:
    """Takes up the emergencies that are on or to come. One statement on a table of a few rows."""
    global _known
    _known = tuple(
        Emergency(tuple(r.area), r.starts_at, r.ends_at, r.rank, r.joined, r.asked)
        for r in store.emergencies(work)
    )


def forget() -> None:
    """Knows of none; for tests, whose databases come and go within one process."""
    global _known
    _known = ()


def heard(work: Work, events: Sequence[Event]) -> None:
    """emergency.declared, emergency.lifted: of each the newest sequence holds, whatever their order on the wire."""
    newest: dict[str, Event] = {}
    for event in events:
        known = newest.get(event.data["id"])
        if known is None or event.sequence > known.sequence:
            newest[event.data["id"]] = event
    store.keep_emergencies(work, [_row(newest[id_]) for id_ in sorted(newest)])
    refresh(work)


def _row(event: Event) -> dict[str, Any]:
    data = event.data
    row: dict[str, Any] = {"id": data["id"], "sequence": event.sequence, "lifted": False}
    if event.name == "emergency.lifted":
        # Heard before its declaration, it must be known all the same: its sequence is higher.
        at = parse(data["at"])
        return row | {
            "lifted": True,
            "area": [],
            "starts_at": at,
            "ends_at": at,
            "rank": 1,
            "joined": matters.JOINED,
            "asked": matters.ASKED,
        }
    joins = data.get("joins") or {}
    joined = joins.get("joined", matters.JOINED)
    return row | {
        "area": list(data["area"]),
        "starts_at": parse(data["starts_at"]),
        "ends_at": parse(data["ends_at"]) if data.get("ends_at") else None,
        "rank": data.get("rank") or 1,
        "joined": joined,
        "asked": min(joins.get("asked") or matters.ASKED, joined),
    }


HANDLERS: Final = [units.on("emergency.declared", heard), units.on("emergency.lifted", heard)]
