"""Coordinates that a system gives when it knows none: found by what their reports say.

A real point has one address, however many reports it has (Boston's city hall: 38 reports, one address). A fallback has
one point for many addresses (Boston: 1,089 of 5,042 cases, with 209 addresses all over the city). So what counts is
not how often a point comes, but how many different places its reports name.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

FALLBACK: Final = "fallback"
POSSIBLE: Final = "possible"
# A compound's point stands for its dozen buildings and a corner for its four streets; nothing real has eight names.
_PLACES: Final = 8
_REPORTS: Final = 20
_PEOPLE: Final = 10
_TIMES_USUAL: Final = 10
_DOOR: Final = re.compile(
    r"(?:第?[\dA-Za-z一二三四五六七八九十]+(?:号楼|号|栋|幢|座|单元|室|层|楼|#|期))+.*$|[\s,，.。、]+"
)


class Row(NamedTuple):
    """A report's point in degrees, what it says of its place, and who sent it ("" where that isn't known)."""

    lat: float
    long: float
    said: str
    who: str = ""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A point that is no place, or perhaps none: its reports, how many different places and people those name."""

    lat: float
    long: float
    reports: int
    share: float
    places: int
    people: int
    verdict: str
    why: str
    examples: tuple[str, ...]


def learn(rows: Iterable[Row]) -> list[Suspect]:
    """The fallback points of many reports, the commonest first."""
    points: dict[tuple[float, float], list[Row]] = defaultdict(list)
    for row in rows:
        points[round(row.lat, 6), round(row.long, 6)].append(row)
    total = sum(map(len, points.values()))
    counts = sorted(map(len, points.values()))
    usual = counts[int(len(counts) * 0.99)] if counts else 0
    fine = sum(len(found) for point, found in points.items() if not coarse(*point))
    out = []
    for (lat, long), found in points.items():
        places = Counter(place for row in found if (place := place_of(row.said)))
        people = len({row.who for row in found if row.who})
        verdict, why = _verdict(lat, long, len(found), len(places), people, usual, fine > total / 2)
        if verdict:
            # By spelling, not by number: those that differ most show best that they have nothing in common.
            examples = tuple(
                sorted({row.said.strip() for row in found if row.said.strip()})[:: max(1, len(places) // 3)][
                    :3
                ]
            )
            out.append(
                Suspect(
                    lat, long, len(found), len(found) / total, len(places), people, verdict, why, examples
                )
            )
    return sorted(out, key=lambda s: (-s.reports, s.lat, s.long))


def _verdict(
    lat: float, long: float, reports: int, places: int, people: int, usual: int, fine: bool
) -> tuple[str, str]:
    if abs(lat) < 0.01 and abs(long) < 0.01:
        return FALLBACK, "zero"
    if places >= _PLACES:
        return FALLBACK, f"one point for {places} different places"
    if coarse(lat, long) and fine:
        return FALLBACK, "whole or tenth degrees among exact points"
    if not places and reports >= max(_REPORTS, _TIMES_USUAL * usual) and people >= _PEOPLE:
        return POSSIBLE, f"{people} people, no place named; the usual point has {usual} or fewer"
    return "", ""


def coarse(lat: float, long: float) -> bool:
    """Whether a point has one decimal or none: 11 km is no place."""
    return round(lat, 1) == lat and round(long, 1) == long


def place_of(said: str) -> str:
    """What an address says without buildings and rooms: those of one compound are one place."""
    plain = _DOOR.sub(" ", said.lower()).strip()
    return plain or said.strip().lower()
