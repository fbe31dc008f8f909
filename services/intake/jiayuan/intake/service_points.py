"""Service points 黨群服務中心, 近鄰中心, 驛站: when they are open, what they offer, how far it is to walk.

The 15-minute circle: a point is in it when it takes a quarter of an hour or less on foot.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from .booking import WEEKDAYS as DAYS
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

Hours = Mapping[str, Sequence[str]]
_DAY_WORDS: Final = {c: i for i, c in enumerate("一二三四五六日")} | {"天": 6, "七": 6}
_DAY: Final = r"(?:周|星期|礼拜)([一二三四五六日天])"
_DAYS: Final = re.compile(
    rf"{_DAY}(?:\s*(?:至|到|-|~|—)+\s*{_DAY})?|(每天|每日|全年|天天)|(工作日)|(周末|双休日)"
)
_SPAN: Final = re.compile(r"(\d{1,2})[:：](\d{2})\s*(?:-|~|—|–|至|到)+\s*(\d{1,2})[:：](\d{2})")


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
    """Opening hours in their form {"mon": ["08:00-12:00", …], …}, from it or from what people write:
    周一至周五 08:00-12:00、14:30-17:30；周六 9:00-12:00. ValueError says what can't be read."""
    if isinstance(written, Mapping):
        unknown = set(written) - set(DAYS)
        if unknown:
            raise ValueError(f"{sorted(unknown)} are no days; allowed: {', '.join(DAYS)}")
        return {day: [_span(item) for item in written.get(day) or ()] for day in DAYS}
    out: dict[str, list[str]] = {day: [] for day in DAYS}
    for part in re.split(r"[；;\n]", written):
        if not part.strip():
            continue
        days = _days(part)
        spans = [_span(m[0]) for m in _SPAN.finditer(part)]
        if "24小时" in part or "全天" in part:
            spans = ["00:00-24:00"]
        closed = any(word in part for word in ("休息", "不开放", "闭馆"))
        if not spans and not closed:
            raise ValueError(f"{part.strip()!r} names no time; allowed: 周一至周五 08:00-12:00、14:30-17:30")
        for day in days:
            out[DAYS[day]] = [] if closed else sorted({*out[DAYS[day]], *spans})
    if not any(out.values()):
        raise ValueError("is never open")
    return out


def _days(part: str) -> list[int]:
    out: list[int] = []
    for first, last, every, work, weekend in _DAYS.findall(part):
        if every:
            out += range(7)
        elif work:
            out += range(5)
        elif weekend:
            out += (5, 6)
        else:
            begin, end = _DAY_WORDS[first], _DAY_WORDS[last or first]
            out += range(begin, end + 1) if begin <= end else (*range(begin, 7), *range(end + 1))
    return sorted(set(out)) or list(range(7))


def _span(written: str) -> str:
    found = _SPAN.fullmatch(str(written).strip())
    if found is None:
        raise ValueError(f"{written!r} is no span of time; allowed: 08:00-12:00")
    h1, m1, h2, m2 = map(int, found.groups())
    if h1 * 60 + m1 >= h2 * 60 + m2 or h2 * 60 + m2 > 24 * 60 or m1 > 59 or m2 > 59:
        raise ValueError(f"{written!r} ends before it begins or after midnight; allowed: 08:00-12:00")
    return f"{h1:02}:{m1:02}-{h2:02}:{m2:02}"


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
