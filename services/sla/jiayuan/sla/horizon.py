"""How far the holidays of calendars are known, and which clocks reach beyond. Pure.

The State Council announces a year in the November before it. Until then a deadline in it is counted by the weekly
pattern, and may become later once the year is there; so it is said months ahead, of each calendar that is in use.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from .calendar import DAY, EPOCH, Calendar
from .policy import Policy

AHEAD: Final = timedelta(days=90)
"""So long before the first clock would reach beyond, it is said."""
_US: Final = timedelta(microseconds=1)


class Reach(NamedTuple):
    """Of a calendar in use: the longest limit by which kind and rule, and from when on that reaches beyond."""

    calendar: Calendar
    seconds: int
    kind: str
    rule: str
    since: datetime

    def short(self, now: datetime, ahead: timedelta = AHEAD) -> bool:
        """Whether it is time to say so."""
        return now >= self.since - ahead

    def sentence(self, now: datetime) -> str:
        """What is to be said, for operators."""
        c = self.calendar
        by = f"rule {self.rule}" if self.rule else "the policy's defaults"
        day = self.since.astimezone(c.zone).date()
        when = f"from {day} on a new" if self.since > now else f"since {day} a new"
        return (
            f"calendar {c.mark}: holidays are known until {c.known_until}; {when} {self.kind} clock of "
            f"{self.seconds} s ({by}) reaches beyond. Import the next year: jiayuan sla calendar import"
        )


def reaches(policies: Iterable[Policy], longest: dict[str, int]) -> list[Reach]:
    """One line a calendar that policies use and whose holidays end.

    `longest`: of each calendar by its name the longest limit among its open clocks, for terms whose limit comes with
    the case.
    """
    found: dict[str, Reach] = {}
    for policy in policies:
        for kind, terms in policy.every_terms():
            c = terms.calendar
            if c is None or c.known_until is None:
                continue
            seconds = terms.given(longest.get(c.name, c.day_seconds))
            before = found.get(c.name)
            if seconds and (before is None or before.seconds < seconds):
                found[c.name] = Reach(c, seconds, kind, terms.rule, _since(c, seconds))
    return sorted(found.values(), key=lambda r: r.since)


def ends(calendar: Calendar) -> datetime:
    """The end of the last day that is known."""
    assert calendar.known_until is not None
    day = calendar.known_until + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=calendar.zone)


def _since(calendar: Calendar, seconds: int) -> datetime:
    """The first moment from which a clock of so many working seconds ends after the last known day."""
    end = (ends(calendar) - EPOCH) // _US
    # Far enough back: three working hours a day are few, and a century is the calculator's own bound.
    days = min(seconds // 10_800 + 60, 36_000)
    start = end - days * DAY * 60_000_000
    total = calendar.working(start, end)
    at = calendar.after(start, max(0, total - seconds * 1_000_000))
    return (EPOCH + at * _US).astimezone(calendar.zone)
