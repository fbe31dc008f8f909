"""Who is on duty: rosters of several segments a day, also over midnight, leave and stand-ins. Pure.

What covers a moment, the nearest first: shifts of the person; shifts of the grid, compound, community, street or county
for the person's role; the person's own weekly hours. Somebody whom nothing covers is on duty always. A shift covers the
days from its first to its last: on a weekday between them that it doesn't name, one is off. In an emergency its own
shifts go first.

Leave beats everything. Who stands in for somebody takes over their shifts while the leave lasts, and that from whom
those who are on leave themselves stand in for.

Answers are kept with the time at which the first of them may change, so that asking again costs a dictionary look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .model import Person

ZONE: Final = timezone(timedelta(hours=8))  # China has one, without summer time
_OFFSET: Final = 8 * 3600
_DAY: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()
_NEVER: Final = float("inf")
# Nobody stands in for the stand-in of a stand-in of … further than this.
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Shift:
    """A line of a roster: on which days between two, at what times, who is there.

    `who`: a person, or a place, which means everybody of `role` in and under it. `days`: weekdays, 0 is Monday.
    `spans`: minutes from midnight; what ends past 1,440 goes on into the next day.
    """

    who: str
    first: date
    last: date
    days: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    role: str = ""
    name: str = ""
    mode: str = "normal"


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody is away from `start` to before `end`; `stand_in` has their cases meanwhile, "" for nobody."""

    person: str
    start: datetime
    end: datetime
    stand_in: str = ""
    kind: str = "leave"


@dataclass(slots=True)
class _Line:
    """A shift to count with: days since 1970, seconds of the day."""

    first: int
    last: int
    days: int
    spans: tuple[tuple[int, int], ...]

    def at(self, day: int, second: int) -> tuple[bool, bool, float]:
        """(does it cover the day, is one there, seconds of this day until that may change)."""
        covered, there, until = self.first <= day <= self.last, False, float(_DAY)
        if covered and self._on(day):
            for begin, end in self.spans:
                if begin <= second < end:
                    there = True
                if second < begin:
                    until = min(until, begin)
                elif second < end:
                    until = min(until, end)
        if self.first <= day - 1 <= self.last and self._on(day - 1):
            for _begin, end in self.spans:
                if second < end - _DAY:
                    there = True
                    until = min(until, end - _DAY)
        return covered, there, until

    def _on(self, day: int) -> bool:
        return bool(self.days >> (day + 3) % 7 & 1)  # 1970 began on a Thursday


@dataclass(slots=True)
class _Away:
    start: float
    end: float
    person: str
    stand_in: str


class Duty:
    """The rosters of one directory, asked by person or by pool. Its answers are for one process: no locks."""

    def __init__(
        self,
        people: Mapping[str, Person],
        above: Callable[[Person], Iterable[str]],
        shifts: Sequence[Shift] = (),
        leaves: Sequence[Leave] = (),
    ) -> None:
        self._people, self._above = people, above
        # (mode, person) or (mode, place, role) → lines.
        self._lines: dict[tuple[str, ...], tuple[_Line, ...]] = {}
        for shift in shifts:
            key = (shift.mode, shift.who) if shift.who in people else (shift.mode, shift.who, shift.role)
            self._lines[key] = (*self._lines.get(key, ()), _line(shift))
        self._away: dict[str, list[_Away]] = {}
        self._covers: dict[str, list[_Away]] = {}
        for leave in leaves:
            away = _Away(leave.start.timestamp(), leave.end.timestamp(), leave.person, leave.stand_in)
            self._away.setdefault(leave.person, []).append(away)
            if leave.stand_in:
                self._covers.setdefault(leave.stand_in, []).append(away)
        self._levels: dict[tuple[str, str], tuple[tuple[_Line, ...], ...]] = {}
        self._states: dict[tuple[str, str], tuple[float, float, bool]] = {}
        self._pools: dict[tuple[str, str, str], tuple[float, float, tuple[str, ...]]] = {}

    # -- one person --------------------------------------------------------------------------------

    def on(self, person: str, at: datetime, mode: str = "normal") -> bool:
        """Whether somebody is on duty."""
        return self._state(person, at.timestamp(), mode)[1]

    def on_leave(self, person: str, at: datetime) -> bool:
        """Whether somebody is on leave."""
        return self._leave(person, at.timestamp())[0] is not None

    def stand_in(self, person: str, at: datetime) -> str | None:
        """Who stands in for somebody on leave, at the end of the chain."""
        return self._standing(person, at.timestamp())[0]

    def _state(self, person: str, now: float, mode: str) -> tuple[float, bool]:
        """(until when, on duty)."""
        known = self._states.get((person, mode))
        if known is not None and known[0] <= now < known[1]:
            return known[1], known[2]
        away, until = self._leave(person, now)
        on = False
        if away is None:
            on, more = self._works(person, now, mode, 0)
            until = min(until, more)
        self._states[person, mode] = (now, until, on)
        return until, on

    def _leave(self, person: str, now: float) -> tuple[_Away | None, float]:
        """(the leave that somebody is on, until when that holds)."""
        until = _NEVER
        for away in self._away.get(person, ()):
            if away.start <= now < away.end:
                return away, away.end
            if now < away.start:
                until = min(until, away.start)
        return None, until

    def _standing(self, person: str, now: float) -> tuple[str | None, float]:
        until = _NEVER
        for _ in range(_DEEPEST):
            away, more = self._leave(person, now)
            until = min(until, more)
            if away is None:
                return None, until
            person = away.stand_in
            known = self._people.get(person)
            if known is None or not known.active:
                return None, until
            other, more = self._leave(person, now)
            until = min(until, more)
            if other is None:
                return person, until
        return None, until

    def _works(self, person: str, now: float, mode: str, depth: int) -> tuple[bool, float]:
        """(has somebody a shift, their own or one they have taken over, until when that holds), whatever leave says."""
        on, until = self._rostered(person, now, mode)
        for away in self._covers.get(person, ()) if depth < _DEEPEST else ():
            if away.start <= now < away.end:
                until = min(until, away.end)
                if not on:
                    on, more = self._works(away.person, now, mode, depth + 1)
                    until = min(until, more)
            elif now < away.start:
                until = min(until, away.start)
        return on, until

    def _rostered(self, person: str, now: float, mode: str) -> tuple[bool, float]:
        levels = self._levels.get((person, mode))
        if levels is None:
            levels = self._levels[person, mode] = self._levels_of(person, mode)
        if not levels:
            return True, _NEVER
        day, second = divmod(int(now) + _OFFSET, _DAY)
        until = float(_DAY)
        on = True
        for lines in levels:
            covered = there = False
            for line in lines:
                some, yes, more = line.at(day, second)
                covered, there, until = covered or some, there or yes, min(until, more)
            if there or covered:
                on = there
                break
        return on, day * _DAY + until - _OFFSET

    def _levels_of(self, person: str, mode: str) -> tuple[tuple[_Line, ...], ...]:
        known = self._people.get(person)
        if known is None:
            return ()
        out = []
        for which in (mode,) if mode == "normal" else (mode, "normal"):
            keys = ((which, person), *((which, place, known.role) for place in self._above(known)))
            out += [lines for key in keys if (lines := self._lines.get(key))]
        if known.week is not None:
            out.append(_lines_of_week(known.week))
        return tuple(out)

    # -- pools -------------------------------------------------------------------------------------

    def pool(
        self, key: tuple[str, str], members: Sequence[str], at: datetime, mode: str = "normal"
    ) -> tuple[str, ...]:
        """Those of `members` who are on duty, and who stands in for those on leave; kept under `key`."""
        return self._pool(key, members, at.timestamp(), mode)[2]

    def pool_until(
        self, key: tuple[str, str], members: Sequence[str], at: datetime, mode: str = "normal"
    ) -> datetime | None:
        """Until when `pool` holds; None: for ever."""
        until = self._pool(key, members, at.timestamp(), mode)[1]
        return None if until == _NEVER else datetime.fromtimestamp(until, at.tzinfo)

    def _pool(
        self, key: tuple[str, str], members: Sequence[str], now: float, mode: str
    ) -> tuple[float, float, tuple[str, ...]]:
        full = (*key, mode)
        known = self._pools.get(full)
        if known is not None and known[0] <= now < known[1]:
            return known
        found: dict[str, None] = {}
        until = _NEVER
        for person in members:
            more, on = self._state(person, now, mode)
            until = min(until, more)
            if on:
                found[person] = None
            elif person in self._away:
                other, more = self._standing(person, now)
                until = min(until, more)
                if other is not None:
                    works, more = self._works(person, now, mode, 0)
                    until = min(until, more)
                    if works:
                        found[other] = None
        there = tuple(found)
        if known is not None and known[2] == there:
            there = known[2]
        made = self._pools[full] = (now, until, there)
        return made


def _line(shift: Shift) -> _Line:
    return _made(shift.first, shift.last, shift.days, shift.spans)


@lru_cache(maxsize=4096)  # thousands of people share a few shifts
def _made(first: date, last: date, days: tuple[int, ...], spans: tuple[tuple[int, int], ...]) -> _Line:
    mask = sum(1 << day for day in days)
    seconds = tuple((begin * 60, end * 60) for begin, end in spans)
    return _Line(first.toordinal() - _EPOCH, last.toordinal() - _EPOCH, mask, seconds)


@lru_cache(maxsize=4096)
def _lines_of_week(week: tuple[tuple[tuple[int, int], ...], ...]) -> tuple[_Line, ...]:
    """Weekly hours as lines that cover every day."""
    far = 4_000_000  # days: thousands of years
    return tuple(
        _Line(-far, far, 1 << day, tuple((begin * 60, end * 60) for begin, end in spans))
        for day, spans in enumerate(week)
    )
