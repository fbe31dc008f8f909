"""When a service point can be booked: from its hours to slots. Pure.

A point's hours are local time by weekday, {"mon": ["08:00-12:00", "14:30-17:30"], …, "sun": []}, as its table has
them. A slot is `minutes` long and begins as often after the opening; what doesn't fit in before closing is no slot.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final

from jiayuan.chassis.hours import DAYS

ZONE: Final = timezone(timedelta(hours=8))  # China has one, without summer time
_SPAN: Final = re.compile(r"([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])")
_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Point:
    """A service point, as far as bookings need it. `lat` and `long` are WGS-84."""

    code: str
    name: str
    kind: str
    lat: float
    long: float
    services: tuple[str, ...]
    hours: Mapping[str, Sequence[str]]
    capacity: int
    address: str = ""
    street: str = ""
    community: str = ""
    open_from: date | None = None
    open_until: date | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """A time to come to a point, UTC; `free`: how many people can still book it."""

    starts_at: datetime
    ends_at: datetime
    free: int


def starts(point: Point, day: date, minutes: int) -> Iterator[tuple[datetime, datetime]]:
    """The slots of a local day, (start, end) in UTC, in order."""
    if (point.open_from and day < point.open_from) or (point.open_until and day > point.open_until):
        return
    midnight = datetime.combine(day, time(), ZONE)
    until = 0
    for opens, closes in sorted(filter(None, map(_span, point.hours.get(DAYS[day.weekday()], ())))):
        # Hours that overlap are an oversight of whoever wrote them; slots never do.
        for at in range(max(opens, until), closes - minutes + 1, minutes):
            start = (midnight + timedelta(minutes=at)).astimezone(UTC)
            until = at + minutes
            yield start, start + timedelta(minutes=minutes)


def _span(text: str) -> tuple[int, int] | None:
    """Minutes of the day from and to; None for what is no span, which then is not open."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    opens, closes = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    return (opens, closes) if opens < closes <= _DAY else None


def slots(
    point: Point,
    taken: Mapping[datetime, int],
    now: datetime,
    first: date,
    days: int,
    ahead: int,
    minutes: int,
) -> list[Slot]:
    """The slots of `days` local days from `first` on that are to come and not more than `ahead` days away."""
    today = now.astimezone(ZONE).date()
    out = []
    for offset in range(days):
        day = first + timedelta(days=offset)
        if not today <= day <= today + timedelta(days=ahead):
            continue
        for start, end in starts(point, day, minutes):
            if start > now:
                out.append(Slot(start, end, max(0, point.capacity - taken.get(start, 0))))
    return out


def end_of(point: Point, start: datetime, now: datetime, ahead: int, minutes: int) -> datetime | None:
    """The end of the slot that begins at `start`; None when none does that can be booked."""
    day = start.astimezone(ZONE).date()
    found = slots(point, {}, now, day, 1, ahead, minutes)
    return next((s.ends_at for s in found if s.starts_at == start), None)


def nearest(points: Sequence[Point], lat: float, long: float) -> list[tuple[Point, int]]:
    """The points with how far they are, in metres, the nearest first."""
    far = [(p, round(metres(lat, long, p.lat, p.long))) for p in points]
    return sorted(far, key=lambda f: (f[1], f[0].code))


def metres(lat1: float, long1: float, lat2: float, long2: float) -> float:
    """How far two points of a county are from each other; the earth's curve doesn't count there."""
    east = math.radians(long2 - long1) * math.cos(math.radians((lat1 + lat2) / 2))
    return 6_371_000.0 * math.hypot(east, math.radians(lat2 - lat1))


def said(at: datetime) -> str:
    """A time as people say it: 3月2日（周一）9:30."""
    local = at.astimezone(ZONE)
    return (
        f"{local.month}月{local.day}日（周{'一二三四五六日'[local.weekday()]}）{local.hour}:{local.minute:02}"
    )


def text_of(point: Point, service: str, at: datetime, words: str) -> tuple[str, str]:
    """Title and text of the report that a booking is."""
    title = f"预约{service}：{point.name}"
    text = f"预约{said(at)}到{point.name}办理{service}。"
    return title, f"{text}\n{words}" if words else text


def document(point: Point, **more: Any) -> dict[str, Any]:
    """What is told of a point."""
    return {
        "code": point.code,
        "name": point.name,
        "kind": point.kind,
        "address": point.address,
        "services": list(point.services),
        "hours": {day: list(point.hours.get(day, ())) for day in DAYS},
        **more,
    }
