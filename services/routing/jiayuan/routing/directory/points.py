"""The nearest open service point that offers what is asked: the 15-minute circle. Pure.

Coordinates are WGS-84 degrees. How far and how long are counted as intake does: 80 m a minute on foot (4.8 km/h, the
pace that Japan's rules for advertising property prescribe), so that 15 minutes are 1,200 m of way, and a way is 1.3
times the straight line. So the circle reaches 920 m; China's standard for planning residential areas, GB 50180-2018,
gives a 15-minute life circle 800 to 1,000 m.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from jiayuan.chassis.hours import Week

from .duty import ZONE
from .model import ServicePoint

CRS: Final = "WGS-84"
CIRCLE_MINUTES: Final = 15
METRES_A_MINUTE: Final = 80.0
DETOUR: Final = 1.3


@dataclass(frozen=True, slots=True)
class Near:
    """A point and what it takes to get there: metres as the crow flies, minutes on foot."""

    point: ServicePoint
    metres: int
    minutes: int
    open: bool
    opens_at: datetime | None
    closes_at: datetime | None

    @property
    def in_circle(self) -> bool:
        """Whether it takes a quarter of an hour or less."""
        return self.minutes <= CIRCLE_MINUTES


def metres(lat1: float, long1: float, lat2: float, long2: float) -> float:
    """How far two points of a county are from each other; the earth's curve doesn't count there."""
    east = math.radians(long2 - long1) * math.cos(math.radians((lat1 + lat2) / 2))
    return 6_371_000.0 * math.hypot(east, math.radians(lat2 - lat1))


def opening(week: Week, at: datetime) -> tuple[bool, datetime | None, datetime | None]:
    """(is it open, when it opens next if not, when it closes if it is), looking a week ahead."""
    local = at.astimezone(ZONE)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    for ahead in range(-1, 8):
        day = midnight + timedelta(days=ahead)
        for begin, end in week[day.weekday()]:
            first, last = day + timedelta(minutes=begin), day + timedelta(minutes=end)
            if first <= local < last:
                return True, None, last
            if first > local:
                return False, first, None
    return False, None, None


def runs(point: ServicePoint, day: date) -> bool:
    """Whether a point exists on a day."""
    return not ((point.open_from and day < point.open_from) or (point.open_until and day > point.open_until))


def nearest(
    points: Iterable[ServicePoint],
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
        if not runs(point, today) or (service and not any(service in s for s in point.services)):
            continue
        is_open, opens, closes = opening(point.week, at)
        if is_open or closed_too:
            far = metres(lat, long, point.lat, point.long)
            minutes = math.ceil(far * DETOUR / METRES_A_MINUTE)
            out.append(Near(point, round(far), minutes, is_open, opens, closes))
    return sorted(out, key=lambda n: (not n.open, n.metres, n.point.code))[:most]
