"""Service points 黨群服務中心, 近鄰中心, 驛站: when they are open, what they offer, how far it is to walk.

The 15-minute circle: a point is in it when it takes a quarter of an hour or less on foot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from jiayuan.chassis import hours
from jiayuan.chassis.hours import DAYS, Hours

from .booking import ZONE, Point, metres

KINDS: Final = {
    "party_centre": ("party_centre", "党群服务中心", "黨群服務中心", "党群中心"),
    "neighbour_centre": ("neighbour_centre", "近邻中心", "近鄰中心", "邻里中心"),
    "station": ("station", "驿站", "驛站", "骑手驿站", "党群驿站"),
}
KIND_NAMES: Final = {"party_centre": "党群服务中心", "neighbour_centre": "近邻中心", "station": "驿站"}
CIRCLE_MINUTES: Final = 15
# 80 m a minute, and streets are a third longer than the line: a rule of thumb of planners (1,000 m walked in 15
# minutes is their "15-minute life circle" too, counting crossings).
_METRES_A_MINUTE: Final = 80.0
_DETOUR: Final = 1.3


@dataclass(frozen=True, slots=True)
class Near:
    """A point and what it takes to get there: metres as the crow flies, minutes on foot."""

    point: Point
    metres: int
    minutes: int
    open: bool
    opens_at: datetime | None
    closes_at: datetime | None


def kind_of(word: str) -> str:
    """The kind that a word names. ValueError."""
    plain = word.strip()
    for kind, words in KINDS.items():
        if plain in words:
            return kind
    raise ValueError(f"{word!r} is no kind of service point; allowed: {'、'.join(KIND_NAMES.values())}")


def hours_of(written: str | Mapping[str, Any]) -> dict[str, list[str]]:
    """Opening hours in their kept form, see `chassis.hours`. ValueError says what can't be read."""
    try:
        return hours.hours_of(written)
    except ValueError as error:
        raise ValueError(f"{error}; allowed: 周一至周五 08:00-12:00、14:30-17:30") from None


def spans(hours: Hours, day: date) -> list[tuple[datetime, datetime]]:
    """When it is open on a day, in local time, earliest first."""
    out = []
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZONE)
    for span in hours.get(DAYS[day.weekday()]) or ():
        first, last = (int(t[:2]) * 60 + int(t[3:]) for t in span.split("-"))
        out.append((midnight + timedelta(minutes=first), midnight + timedelta(minutes=last)))
    return sorted(out)


def opening(hours: Hours, at: datetime) -> tuple[bool, datetime | None, datetime | None]:
    """(is it open, when it opens next if not, when it closes if it is), looking a week ahead."""
    local = at.astimezone(ZONE)
    for ahead in range(8):
        for first, last in spans(hours, local.date() + timedelta(days=ahead)):
            if first <= local < last:
                return True, None, last
            if first > local:
                return False, first, None
    return False, None, None


def near(
    points: Iterable[Point],
    lat: float,
    long: float,
    at: datetime,
    *,
    service: str = "",
    closed_too: bool = False,
    most: int = 10,
) -> list[Near]:
    """Points that offer what is asked, nearest first: those that are open at `at`, or all, the open ones first."""
    out = []
    today = at.astimezone(ZONE).date()
    for point in points:
        if (point.open_from and today < point.open_from) or (point.open_until and today > point.open_until):
            continue
        if service and not any(service in offered for offered in point.services):
            continue
        is_open, opens, closes = opening(point.hours, at)
        if not (is_open or closed_too):
            continue
        far = metres(lat, long, point.lat, point.long)
        minutes = math.ceil(far * _DETOUR / _METRES_A_MINUTE)
        out.append(Near(point, round(far), minutes, is_open, opens, closes))
    return sorted(out, key=lambda n: (not n.open, n.metres, n.point.code))[:most]
