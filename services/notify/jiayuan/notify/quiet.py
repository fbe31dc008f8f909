"""Hours in which people are left in peace, and when the morning's queue goes out. Pure.

Times of day are the zone's. A span may pass midnight; its beginning is quiet, its end isn't.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Span:
    """Quiet from `start` until `end` every day; the same time twice is never quiet."""

    start: time
    end: time
    spread: int = 0
    """Over how many minutes after its end what was held goes out."""

    def holds(self, at: time) -> bool:
        """Whether a time of day is in it."""
        if self.start <= self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


def until(spans: Iterable[Span], at: datetime, zone: ZoneInfo, key: str) -> datetime | None:
    """When something that would go at `at` may go instead, or None when it may go at once.

    `key` (a person) chooses the minute of the spread, the same one every day. Spans that touch or overlap are passed
    together; spans that leave no time of the day open never hold anything.
    """
    held = list(spans)
    when, passed = at.astimezone(zone), 0
    last: Span | None = None
    while span := next((s for s in held if s.holds(when.time())), None):
        passed += 1
        if passed > len(held) + 1:
            return None
        when, last = _next(when, span.end), span
    if last is None:
        return None
    # Never as late as the next quiet hours, or somebody whose minute that is would be held for ever.
    room = min(_until(when, s.start) for s in held if s.start != s.end)
    return (when + _share(key, min(timedelta(minutes=last.spread), room))).astimezone(at.tzinfo)


def next_morning(at: datetime, zone: ZoneInfo) -> datetime:
    """The first moment of the day after `at`'s, in the zone."""
    return _next(at.astimezone(zone), time(0))


def _next(at: datetime, clock: time) -> datetime:
    day = at.date() if at.time() < clock else at.date() + timedelta(days=1)
    return datetime.combine(day, clock, at.tzinfo)


def _until(at: datetime, clock: time) -> timedelta:
    return _next(at, clock) - at


def _share(key: str, room: timedelta) -> timedelta:
    part = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / 2**32
    return timedelta(seconds=int(part * room.total_seconds()))
