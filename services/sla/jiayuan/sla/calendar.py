"""Working calendars: which moments of a zone's days count as working time, and why others don't.

A calendar is versioned data (see docs/sla/calendars.md): hours of each weekday, seasons with other hours, and
single days that differ: holidays, make-up workdays 調休, or hours of their own. Pure, importable
without a server.

    read(document) -> Calendar          checked; CalendarError says everything that is wrong with it
    bundled(name) -> Calendar           one that comes with this release
    calendar.working(a, b) -> int       working microseconds from one moment to another
    calendar.after(a, us) -> int        the first moment at which so many have passed

Moments inside are whole microseconds since 1970 (UTC). What is asked is answered from tables of segments with
running sums, a few bisections whatever the distance; a year's table is made when it is first needed (~1 ms).

Local hours become moments by the wall clock: an hour that is skipped in spring does not count, one that comes
twice in autumn counts twice, and a time that exists twice means the first (RFC 5545). A night belongs to the
day on which it begins.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jiayuan.contracts.check import FieldProblem

Hours = tuple[tuple[int, int], ...]
"""Segments of a day in minutes from its midnight; an end past 1440 lies on the next day."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY: Final = 1440
# Farther than that nobody promises anything; a limit that reaches beyond is a mistake, and tables have an end.
MOST_YEARS: Final = 100

_MINUTE: Final = 60_000_000
_US: Final = timedelta(microseconds=1)
_ONE_DAY: Final = timedelta(days=1)
_SEGMENT: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:(24):(00)|([01]\d|2[0-3]):([0-5]\d))")
_NAME: Final = re.compile(r"[0-9a-z][0-9a-z_.\-]{0,39}")
_MONTH_DAY: Final = re.compile(r"(\d\d)-(\d\d)")


class CalendarError(ValueError):
    """The calendar can't be followed; `problems` says where, what is wrong and what is allowed."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.field} {p.problem}: {p.allowed} is allowed" for p in problems))


class Day(NamedTuple):
    """A single day that differs. `kind` is holiday, workday (a make-up workday's hours) or hours (its own)."""

    kind: str
    name: str
    hours: Hours = ()


class Season(NamedTuple):
    """Other hours of the week in a part of each year, from one (month, day) to another, both included."""

    first: tuple[int, int]
    last: tuple[int, int]
    week: tuple[Hours, ...]

    def has(self, day: date) -> bool:
        """Whether a day lies in it; a season may reach over the turn of the year."""
        at = (day.month, day.day)
        if self.first <= self.last:
            return self.first <= at <= self.last
        return at >= self.first or at <= self.last


class Table(NamedTuple):
    """Segments of the years `first` to `last`: starts and ends in order, `sums` of what came before each."""

    first: int
    last: int
    low: int
    high: int
    starts: list[int]
    ends: list[int]
    sums: list[int]
    """One longer than `starts`; the last one is the whole."""

    def before(self, at: int) -> int:
        """Working time from the table's start to a moment inside it."""
        i = bisect_right(self.starts, at) - 1
        return 0 if i < 0 else self.sums[i] + min(at, self.ends[i]) - self.starts[i]

    def moment(self, worked: int) -> int:
        """The first moment at which so much has been worked; 0 < worked ≤ the whole."""
        i = bisect_left(self.sums, worked) - 1
        return self.starts[i] + worked - self.sums[i]


@dataclass(slots=True, eq=False)
class Calendar:
    """One version of a calendar. `version` 0 is one that comes with the release or was never stored.

    `known_until` is the last day for which the holidays are known; None when it has no holidays to know.
    """

    name: str
    version: int
    zone: ZoneInfo
    week: tuple[Hours, ...]
    makeup: Hours
    seasons: tuple[Season, ...]
    days: Mapping[date, Day]
    known_until: date | None
    since: datetime | None = None
    """When this version came; what was late before that was late by the one before it."""
    _table: Table | None = field(default=None, repr=False)

    @property
    def mark(self) -> str:
        """What a clock stores of the calendar that it ran on: `county@3`."""
        return f"{self.name}@{self.version}"

    def hours(self, day: date) -> Hours:
        """The working hours that begin on a day."""
        special = self.days.get(day)
        if special is not None:
            if special.kind == "holiday":
                return ()
            if special.kind == "hours":
                return special.hours
            return self._pattern(day)[day.weekday()] or self.makeup
        return self._pattern(day)[day.weekday()]

    def _pattern(self, day: date) -> tuple[Hours, ...]:
        for season in self.seasons:
            if season.has(day):
                return season.week
        return self.week

    @property
    def day_seconds(self) -> int:
        """How long a working day is: the longest of the week outside of seasons."""
        return max(sum(b - a for a, b in hours) for hours in self.week) * 60

    # -- asked for by the calculator -----------------------------------------------------------------

    def table(self, low: int, high: int) -> Table:
        """A table that covers both moments. OverflowError when they are centuries apart."""
        table = self._table
        if table is None or low < table.low or high > table.high:
            first, last = self._year(low), self._year(high)
            if table is not None and max(last, table.last) - min(first, table.first) <= MOST_YEARS:
                # One strange date must not cost the others their table.
                first, last = min(first, table.first), max(last, table.last)
            self._table = table = self._made(first, last)
        return table

    def further(self, table: Table, years: int = 1) -> Table:
        """The same table with more years after it; sums that were read from it stay right."""
        wider = self._table
        if wider is None or wider.first != table.first or wider.last < table.last + years:
            wider = self._made(table.first, table.last + years)
            self._table = wider
        return wider

    def reaching(self, table: Table, at: int, worked: int) -> Table:
        """The same table so far that it covers a moment, or at least more work than `worked`."""
        while at > table.high and table.before(table.high) <= worked:
            missing = (at - table.high) // (365 * DAY * _MINUTE)
            table = self.further(table, 1 + min(missing, MOST_YEARS))
        return table

    def working(self, a: int, b: int) -> int:
        """Working microseconds from moment a to moment b, 0 when b is not after a."""
        if b <= a:
            return 0
        table = self.table(a, b)
        return table.before(b) - table.before(a)

    def after(self, a: int, worked: int) -> int:
        """The first moment at or after a at which so many working microseconds have passed."""
        if worked <= 0:
            return a
        table = self.table(a, a)
        return self.moment(table, table.before(a) + worked)

    def moment(self, table: Table, worked: int) -> int:
        """`Table.moment`, with as many more years as it takes."""
        while worked > table.sums[-1]:
            missing = worked - table.sums[-1]
            if missing > MOST_YEARS * 366 * DAY * _MINUTE:
                raise OverflowError("the limit reaches too far into the future")
            table = self.further(table, 1 + min(30, missing // (366 * DAY * _MINUTE)))
        return table.moment(worked)

    # -- the table -----------------------------------------------------------------------------------

    def _year(self, at: int) -> int:
        return (EPOCH + at * _US).astimezone(self.zone).year

    def _made(self, first: int, last: int) -> Table:
        if not (1 < first <= last < 9998):
            raise OverflowError("the calendar knows the years 2 to 9997")
        if last - first > 2 * MOST_YEARS:
            raise OverflowError("the limit reaches too far into the future")
        starts: list[int] = []
        ends: list[int] = []
        day = date(first, 1, 1) - _ONE_DAY
        for _ in range((date(last + 1, 1, 1) - day).days):
            hours = self.hours(day)
            if hours:
                self._add(day, hours, starts, ends)
            day += _ONE_DAY
        sums = [0]
        for a, b in zip(starts, ends, strict=True):
            sums.append(sums[-1] + b - a)
        # A day inside of what was made, since a night may reach over midnight.
        low = _moment(datetime(first, 1, 1), self.zone)
        high = _moment(datetime(last + 1, 1, 1), self.zone)
        return Table(first, last, low, high, starts, ends, sums)

    def _add(self, day: date, hours: Hours, starts: list[int], ends: list[int]) -> None:
        midnight = datetime(day.year, day.month, day.day)
        offset = midnight.replace(tzinfo=self.zone).utcoffset()
        same = offset == (midnight + 2 * _ONE_DAY).replace(tzinfo=self.zone).utcoffset()
        base = (midnight.replace(tzinfo=UTC) - EPOCH - (offset or timedelta())) // _US
        for a, b in hours:
            if same:
                start, end = base + a * _MINUTE, base + b * _MINUTE
            else:
                start = _moment(midnight + timedelta(minutes=a), self.zone)
                end = _moment(midnight + timedelta(minutes=b), self.zone)
            if ends and start <= ends[-1]:
                ends[-1] = max(ends[-1], end)  # what overlaps or touches is one, and counts once
            elif end > start:
                starts.append(start)
                ends.append(end)

    # -- for people ----------------------------------------------------------------------------------

    def spans(self, a: int, b: int) -> Iterator[tuple[int, int, str]]:
        """The time from a to b in pieces, each with why it doesn't count, "" where it does; in order."""
        if b <= a:
            return
        table = self.table(a, b)
        at, i = a, max(0, bisect_right(table.starts, a) - 1)
        while at < b:
            while i < len(table.ends) and table.ends[i] <= at:
                i += 1
            start = table.starts[i] if i < len(table.starts) else b
            if start > at:
                yield from self._idle(at, min(start, b))
            if start >= b:
                return
            end = min(table.ends[i], b)
            yield max(start, at), end, ""
            at = end

    def _idle(self, a: int, b: int) -> Iterator[tuple[int, int, str]]:
        begun, why = a, ""
        while a < b:
            day = (EPOCH + a * _US).astimezone(self.zone).date()
            reason = self.why(day)
            if reason != why:
                if why:
                    yield begun, a, why
                begun, why = a, reason
            a = min(b, max(a + 1, _moment(datetime(day.year, day.month, day.day) + _ONE_DAY, self.zone)))
        yield begun, b, why

    def why(self, day: date) -> str:
        """Why a moment of a day that isn't working time isn't."""
        special = self.days.get(day)
        if special is not None and special.kind == "holiday":
            return f"holiday {special.name}".strip()
        return "outside hours" if self.hours(day) else "rest day"


def _moment(local: datetime, zone: ZoneInfo) -> int:
    """The moment of a wall-clock time: the first when there are two, the leap when there is none."""
    early = local.replace(tzinfo=zone).utcoffset() or timedelta()
    late = local.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    utc = local.replace(tzinfo=UTC)
    at = (utc - early - EPOCH) // _US
    if late <= early:
        return at
    # The clock leapt over it: look for the leap.
    low, high = (utc - late - EPOCH) // _US // 1_000_000, at // 1_000_000
    while high - low > 1:
        middle = (low + high) // 2
        if (EPOCH + timedelta(seconds=middle)).astimezone(zone).utcoffset() == early:
            low = middle
        else:
            high = middle
    return high * 1_000_000


# -- reading -----------------------------------------------------------------------------------------


class _Reader:
    """Collects what is wrong, so that everything is said at once."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def wrong(self, where: str, problem: str, allowed: str) -> None:
        self.problems.append(FieldProblem(where, problem, allowed))

    def hours(self, where: str, value: Any) -> Hours:
        allowed = "a list of segments such as 09:00-12:00, 22:00-06:00 or 00:00-24:00, in order and apart"
        if value in (None, []):
            return ()
        if not isinstance(value, list):
            self.wrong(where, f"is {value!r:.60}", allowed)
            return ()
        out: list[tuple[int, int]] = []
        for text in value:
            found = _SEGMENT.fullmatch(text) if isinstance(text, str) else None
            if found is None:
                self.wrong(where, f"has {text!r:.40}", allowed)
                return ()
            a = int(found[1]) * 60 + int(found[2])
            b = DAY if found[3] else int(found[5]) * 60 + int(found[6])
            b += DAY if b <= a else 0
            if out and a < out[-1][1]:
                self.wrong(where, f"has {text!r}, which overlaps the one before or is not in order", allowed)
                return ()
            out.append((a, b))
        if out and out[-1][1] - DAY > out[0][0]:
            self.wrong(where, "has a night that reaches into the same day's first segment", allowed)
        return tuple(out)

    def week(self, where: str, value: Any) -> tuple[Hours, ...]:
        allowed = f"days ({', '.join(WEEKDAYS)}, or a range such as mon-fri), each with a list of segments"
        week: list[Hours] = [()] * 7
        if not isinstance(value, Mapping) or not value:
            self.wrong(where, f"is {value!r:.60}", allowed)
            return tuple(week)
        said: set[int] = set()
        for key, segments in value.items():
            days = _weekdays(key)
            if days is None or said & set(days):
                self.wrong(f"{where}.{key}", "is no weekday or is named twice", allowed)
                continue
            said |= set(days)
            hours = self.hours(f"{where}.{key}", segments)
            for d in days:
                week[d] = hours
        for d in range(7):
            following = week[(d + 1) % 7]
            if week[d] and following and week[d][-1][1] - DAY > following[0][0]:
                self.wrong(
                    f"{where}.{WEEKDAYS[d]}", f"has a night that overlaps {WEEKDAYS[(d + 1) % 7]}", allowed
                )
        return tuple(week)

    def day(self, where: str, value: Any) -> Day | None:
        allowed = "holiday: NAME, workday: NAME, or hours: a list of segments with an optional name"
        if not isinstance(value, Mapping) or len({"holiday", "workday", "hours"} & set(value)) != 1:
            self.wrong(where, f"is {value!r:.60}", allowed)
            return None
        for kind in ("holiday", "workday"):
            if kind in value:
                if set(value) != {kind} or not isinstance(value[kind], str) or len(value[kind]) > 60:
                    self.wrong(where, f"is {value!r:.60}", allowed)
                return Day(kind, str(value[kind]))
        name = value.get("name", "")
        if set(value) - {"hours", "name"} or not isinstance(name, str) or len(name) > 60:
            self.wrong(where, f"is {value!r:.60}", allowed)
        hours = self.hours(f"{where}.hours", value["hours"])
        return Day("hours", str(name), hours) if hours else Day("holiday", str(name))


def _weekdays(key: Any) -> list[int] | None:
    first, dash, last = str(key).partition("-")
    if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
        return None
    a, b = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
    return [d % 7 for d in range(a, (b if b >= a else b + 7) + 1)]


def day_of(value: Any) -> date | None:
    """A date from what YAML, JSON or a sheet makes of it; None when it is none."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


_FIELDS: Final = (
    "calendar",
    "zone",
    "week",
    "makeup",
    "seasons",
    "days",
    "known_until",
    "holidays",
    "sources",
)


def read(document: Mapping[str, Any], version: int = 0, since: datetime | None = None) -> Calendar:
    """A calendar from its document. CalendarError with everything that is wrong."""
    r = _Reader()
    if not isinstance(document, Mapping):
        raise CalendarError([FieldProblem("calendar", "is no mapping", ", ".join(_FIELDS))])
    for key in document:
        if key not in _FIELDS:
            r.wrong(str(key), "is not known", ", ".join(_FIELDS))
    name = document.get("calendar")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        r.wrong("calendar", f"is {name!r:.60}", "a name of small letters, digits, _ . and -, at most 40")
    zone = _zone(r, document.get("zone"))
    week = r.week("week", document.get("week"))
    if not any(week) and not r.problems:
        r.wrong("week", "has no working time", "hours on one day at least")
    seasons = _seasons(r, document.get("seasons") or [])
    days: dict[date, Day] = {}
    known: date | None = None
    if document.get("holidays") is not None:
        known = _take_holidays(r, document["holidays"], days)
    _take_days(r, document.get("days") or {}, days)
    if document.get("known_until") is not None:
        until = day_of(document["known_until"])
        if until is None:
            r.wrong("known_until", f"is {document['known_until']!r:.40}", "a date such as 2026-12-31")
        else:
            known = until
    makeup = (
        r.hours("makeup", document["makeup"])
        if document.get("makeup") is not None
        else next((hours for hours in week if hours), ())
    )
    if r.problems:
        raise CalendarError(r.problems)
    return Calendar(str(name), version, zone, week, makeup, seasons, days, known, since)


def _zone(r: _Reader, value: Any) -> ZoneInfo:
    try:
        return ZoneInfo(value or "")
    except (ValueError, TypeError, OSError, ZoneInfoNotFoundError):
        r.wrong("zone", f"is {value!r:.60}", "a name like Asia/Shanghai")
        return ZoneInfo("UTC")


def _seasons(r: _Reader, value: Any) -> tuple[Season, ...]:
    out: list[Season] = []
    allowed = "a list of {from: MM-DD, until: MM-DD, week: …}"
    if not isinstance(value, list):
        r.wrong("seasons", f"is {value!r:.60}", allowed)
        return ()
    for i, season in enumerate(value):
        where = f"seasons[{i}]"
        if not isinstance(season, Mapping) or set(season) != {"from", "until", "week"}:
            r.wrong(where, f"is {season!r:.60}", allowed)
            continue
        ends: list[tuple[int, int]] = []
        for key in ("from", "until"):
            found = _MONTH_DAY.fullmatch(str(season[key]))
            try:
                ends.append(_month_day(int(found[1]), int(found[2])) if found else (0, 0))
            except ValueError:
                ends.append((0, 0))
            if ends[-1] == (0, 0):
                r.wrong(f"{where}.{key}", f"is {season[key]!r:.20}", "a month and day such as 06-01")
        out.append(Season(ends[0], ends[1], r.week(f"{where}.week", season["week"])))
    return tuple(out)


def _month_day(month: int, day: int) -> tuple[int, int]:
    date(2024, month, day)
    return month, day


def _take_days(r: _Reader, value: Any, days: dict[date, Day]) -> None:
    if not isinstance(value, Mapping):
        r.wrong("days", f"is {value!r:.60}", "dates, each with holiday, workday or hours")
        return
    for key, said in value.items():
        day = day_of(key)
        if day is None:
            r.wrong(f"days.{key}", "is no date", "a date such as 2026-10-01")
            continue
        found = r.day(f"days.{day}", said)
        if found is not None:
            days[day] = found


def _take_holidays(r: _Reader, region: Any, days: dict[date, Day]) -> date | None:
    known = holidays().get(region) if isinstance(region, str) else None
    if known is None:
        r.wrong("holidays", f"is {region!r:.40}", f"one of {', '.join(sorted(holidays()))}")
        return None
    for year in known.values():
        days.update(year)
    return date(max(known), 12, 31)


# -- what comes with the release ---------------------------------------------------------------------


def spread(text: str) -> Iterable[date]:
    """The days of `2026-10-01/2026-10-07` or `2026-10-01`."""
    first, _, last = str(text).partition("/")
    a, b = date.fromisoformat(first), date.fromisoformat(last or first)
    return (a + timedelta(days=n) for n in range((b - a).days + 1))


@cache
def holidays() -> dict[str, dict[int, dict[date, Day]]]:
    """The holidays and make-up workdays that come with the release: of a region, of a year."""
    import yaml

    text = resources.files("jiayuan.sla").joinpath("data/holidays.yaml").read_text(encoding="utf-8")
    out: dict[str, dict[int, dict[date, Day]]] = {}
    for region, years in yaml.safe_load(text).items():
        for year, said in years.items():
            days = {d: Day("holiday", name) for name, dates in said["holiday"].items() for d in spread(dates)}
            for name, dates in said["workday"].items():
                days |= {d: Day("workday", f"{name}调休") for when in dates for d in spread(str(when))}
            out.setdefault(region, {})[int(year)] = days
    return out


@cache
def bundled(name: str = "county") -> Calendar:
    """A calendar that comes with the release; KeyError when there is none of that name."""
    return read(bundled_documents()[name])


@cache
def bundled_documents() -> dict[str, dict[str, Any]]:
    """The documents of the calendars that come with the release, by name."""
    import yaml

    text = resources.files("jiayuan.sla").joinpath("data/calendars.yaml").read_text(encoding="utf-8")
    return {document["calendar"]: document for document in yaml.safe_load_all(text)}
