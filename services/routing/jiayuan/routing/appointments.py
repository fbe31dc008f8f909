"""Which service point an appointment goes to: the nearest that offers what is asked, is open, and has room. Pure.

Of a report's place only codes are known, so near is first the same community, then the same street, then how far it
is from where the points of the reporter's community (or street) are on average. A point has room on a day while fewer
people come than its seats in all slots that are still ahead on that day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from .directory import ServicePoint
from .directory.duty import ZONE
from .directory.points import metres, opening, runs

Where = tuple[str, str | None, str | None]
_NEAR: Final = ("同一社区", "同一街道", "本县")


@dataclass(frozen=True, slots=True)
class Visit:
    """A day at a point: `room` people can still come; why it was chosen, in words for people."""

    point: ServicePoint
    day: date
    room: int
    reasons: tuple[str, ...]


def seats(point: ServicePoint, day: date, at: datetime, slot: int) -> int:
    """How many people can come to a point on a day, from `at` on. `slot`: seconds."""
    if not runs(point, day):
        return 0
    local = at.astimezone(ZONE)
    passed = local.hour * 60 + local.minute if local.date() == day else 0
    minutes = slot // 60
    slots = sum(
        len(range(begin, end - minutes + 1, minutes))
        if begin >= passed
        else len([s for s in range(begin, end - minutes + 1, minutes) if s >= passed])
        for begin, end in point.week[day.weekday()]
    )
    return slots * point.capacity


def ranked(points: Iterable[ServicePoint], service: str, where: Where) -> list[tuple[int, ServicePoint]]:
    """The points that offer a service, the nearest first, each with how near: 0 community, 1 street, 2 county."""
    every = list(points)
    offering = [p for p in every if not service or any(service in s or s in service for s in p.services)]
    home = _middle(every, where)

    def far(point: ServicePoint) -> tuple[int, float, str]:
        away = metres(*home, point.lat, point.long) if home is not None else 0.0
        return _level(point, where), away, point.code

    return [(_level(p, where), p) for p in sorted(offering, key=far)]


def _level(point: ServicePoint, where: Where) -> int:
    street, community, _ = where
    if community and point.community == community:
        return 0
    return 1 if point.street == street else 2


def _middle(points: list[ServicePoint], where: Where) -> tuple[float, float] | None:
    for level in (0, 1):
        near = [p for p in points if _level(p, where) == level]
        if near:
            return sum(p.lat for p in near) / len(near), sum(p.long for p in near) / len(near)
    return None


def choose(
    points: Iterable[ServicePoint],
    service: str,
    where: Where,
    at: datetime,
    taken: Callable[[str, date], int],
    *,
    days: int,
    slot: int,
    without: Mapping[str, object] | frozenset[str] = frozenset(),
) -> Visit | None:
    """The nearest point that is open now and has room; else the nearest on the first day on which one has. None when
    nothing offers it within `days`. `taken`: how many come to a point (code) on a day already."""
    near = [(level, p) for level, p in ranked(points, service, where) if p.code not in without]
    today = at.astimezone(ZONE).date()
    for ahead in range(-1, days):
        # -1: today, and open at this moment.
        day = today + timedelta(days=max(ahead, 0))
        for level, point in near:
            if ahead < 0 and not (runs(point, today) and opening(point.week, at)[0]):
                continue
            room = seats(point, day, at, slot) - taken(point.code, day)
            if room > 0:
                offers = f"提供{service}" if service else "便民服务"
                when = (
                    "现在开放"
                    if ahead < 0
                    else "今天还开放"
                    if day == today
                    else f"{day.month}月{day.day}日开放"
                )
                return Visit(point, day, room, (offers, _NEAR[level], when))
    return None
