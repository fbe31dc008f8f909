"""When a limit is used up, and how much of it is: natural or working time, with pauses and extensions.

Pure functions, importable without a server; docs/sla/calculator.md has examples.

    due(start, limit, calendar=None, pauses=()) -> datetime | None
    elapsed(start, end, calendar=None, pauses=()) -> timedelta
    timeline(start, end, calendar=None, pauses=()) -> [Span]

Times are aware datetimes (ValueError for a naive one); limits are seconds or a timedelta; `calendar` is a
`jiayuan.sla.calendar.Calendar`, None for natural time. A pause is `(start, end)` where end None means that it
still lasts. Pauses may overlap and come in any order; they count once, only from `start` on, and only inside
working time. An extension is `(granted_at, seconds)`.

The moment at which a limit is used up is the last that is in time. In working time it is the first such
moment: fifteen minutes from 17:45 end at 18:00, not with the next morning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .calendar import Calendar

Pause = tuple[datetime, datetime | None]
Extension = tuple[datetime, int]

_NOTHING = timedelta(0)
_EVER = datetime.max.replace(tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


# -- what others call --------------------------------------------------------------------------------


def due(
    start: datetime,
    limit: float | timedelta | None,
    calendar: Calendar | None = None,
    pauses: Iterable[Pause] = (),
) -> datetime | None:
    """The last moment that is in time for a limit that runs from `start`, in the zone of `start`.

    None when there is no limit (None), or when a pause that still lasts stands before it: then nobody knows
    yet. A limit of 0 is used up at once. ValueError for a limit below 0, OverflowError for one that reaches
    past the year 9999, or a century ahead in working time.
    """
    if limit is None:
        return None
    run = limit if isinstance(limit, timedelta) else timedelta(seconds=limit)
    if run < _NOTHING:
        raise ValueError(f"a limit of {limit} is none: 0 or more is allowed")
    begun = _plain(start)
    at = advance(begun, run, merged(_plain_pauses(pauses)), calendar)
    return at if at is None or begun is start else at.astimezone(start.tzinfo)


def elapsed(
    start: datetime,
    end: datetime,
    calendar: Calendar | None = None,
    pauses: Iterable[Pause] = (),
) -> timedelta:
    """How much of the time from `start` to `end` counts; nothing when `end` is before `start`."""
    start, end = _plain(start), _plain(end)
    if end <= start:
        return _NOTHING
    spans = merged(_plain_pauses(pauses)) if pauses else ()
    if calendar is None:
        out = end - start
        for begin, until in spans:
            overlap = min(until or end, end) - max(begin, start)
            if overlap > _NOTHING:
                out -= overlap
        return out
    a, b = _micros(start), _micros(end)
    table = calendar.table(a, b)
    worked = table.before(b) - table.before(a)
    for begin, until in spans:
        p, q = max(a, _micros(begin)), b if until is None else min(b, _micros(until))
        if q > p:
            worked -= table.before(q) - table.before(p)
    return timedelta(microseconds=worked)


class Span(NamedTuple):
    """A piece of a clock's time; `why` it doesn't count is "" where it does."""

    start: datetime
    end: datetime
    why: str

    @property
    def counted(self) -> bool:
        """Whether it counts."""
        return not self.why


def timeline(
    start: datetime,
    end: datetime,
    calendar: Calendar | None = None,
    pauses: Iterable[Pause] = (),
    paused: str = "paused",
) -> list[Span]:
    """The time from `start` to `end` in pieces, in order and without a gap.

    What counts adds up to `elapsed`. Where the calendar doesn't work it says so, in a pause or not.
    """
    start, end = _plain(start), _plain(end)
    if end <= start:
        return []
    spans = merged(_plain_pauses(pauses))
    whole: Iterable[tuple[datetime, datetime, str]] = [(start, end, "")]
    if calendar is not None:
        whole = ((_moment(a), _moment(b), why) for a, b, why in calendar.spans(_micros(start), _micros(end)))
    out: list[Span] = []
    for a, b, why in whole:
        if why:
            out.append(Span(a, b, why))
            continue
        for begin, until in spans:
            p, q = max(begin, a), b if until is None else min(until, b)
            if q <= p:
                continue
            if p > a:
                out.append(Span(a, p, ""))
            out.append(Span(p, q, paused))
            a = q
        if b > a:
            out.append(Span(a, b, ""))
    return out


def _plain(at: datetime) -> datetime:
    """The same moment in a zone in which differences of times are differences of moments."""
    kind = type(at.tzinfo)
    if kind is timezone:
        return at
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no zone: a time with an offset is allowed")
    return at.astimezone(UTC)


def _plain_pauses(pauses: Iterable[Pause]) -> list[Pause]:
    return [(_plain(a), None if b is None else _plain(b)) for a, b in pauses]


def _micros(at: datetime) -> int:
    """Whole microseconds since 1970."""
    d = at - _EPOCH
    return (d.days * 86400 + d.seconds) * 1_000_000 + d.microseconds


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


# -- the parts that the clocks are made of: offsets fixed, pauses merged ------------------------------


def merged(pauses: Iterable[Pause]) -> list[Pause]:
    """The same pauses, sorted and without overlap; a pause that ends before it starts is none."""
    out: list[Pause] = []
    for start, end in sorted(pauses, key=lambda p: (p[0], p[1] or _EVER)):
        if end is not None and end <= start:
            continue
        if not out:
            out.append((start, end))
            continue
        before, until = out[-1]
        if until is None:
            break
        if start > until:
            out.append((start, end))
        elif end is None or end > until:
            out[-1] = (before, end)
    return out


def advance(
    start: datetime, run: timedelta, pauses: Sequence[Pause] = (), calendar: Calendar | None = None
) -> datetime | None:
    """The moment at which `run` is used up since `start`.

    None when a pause that still lasts stands before it: then nobody knows yet. A pause that starts exactly
    when `run` is used up still moves it, since inside a pause no time passes. `pauses` as `merged` gives them.
    """
    if calendar is not None:
        return _advance_working(start, run, pauses, calendar)
    at = start + run
    for begin, end in pauses:
        if end is not None and end <= start:
            continue
        begin = max(begin, start)
        if begin > at:
            break
        if end is None:
            return None
        at += end - begin
    return at


def _advance_working(
    start: datetime, run: timedelta, pauses: Sequence[Pause], calendar: Calendar
) -> datetime | None:
    a = _micros(start)
    table = calendar.table(a, a)
    begun = table.before(a)
    target = begun + (run.days * 86400 + run.seconds) * 1_000_000 + run.microseconds
    for begin, end in pauses:
        if end is not None and end <= start:
            continue
        p = max(_micros(begin), a)
        table = calendar.reaching(table, p, target)
        if p > table.high:
            break
        before = table.before(p)
        if before > target:
            break
        if before == target and p > (a if target == begun else calendar.moment(table, target)):
            break  # it starts after the limit was used up, in time that doesn't count anyway
        if end is None:
            return None
        q = _micros(end)
        if q > table.high:
            table = calendar.reaching(table, q, 1 << 62)
        target += table.before(q) - before
    moment = a if target == begun else calendar.moment(table, target)
    at = _moment(moment)
    return at if start.tzinfo is UTC else at.astimezone(start.tzinfo)


def extended(
    start: datetime,
    limit_s: int,
    pauses: Sequence[Pause] = (),
    extensions: Iterable[Extension] = (),
    calendar: Calendar | None = None,
) -> int:
    """The limit in seconds with every extension that was granted in time.

    One that was granted when the limit was already past comes too late: what is breached stays breached.
    `pauses` as `merged` gives them.
    """
    for granted_at, seconds in sorted(extensions):
        at = advance(start, timedelta(seconds=limit_s), pauses, calendar)
        if at is None or granted_at <= at:
            limit_s += seconds
    return limit_s


def deadline(
    start: datetime,
    limit_s: int,
    pauses: Iterable[Pause] = (),
    extensions: Iterable[Extension] = (),
    calendar: Calendar | None = None,
) -> datetime | None:
    """The last moment that is in time for a limit of `limit_s` seconds from `start`, with extensions.

    None while the clock stands still, in a pause that has no end yet. OverflowError beyond the year 9999.
    """
    spans = merged(_plain_pauses(pauses))
    begun = _plain(start)
    limit_s = extended(begun, limit_s, spans, [(_plain(at), s) for at, s in extensions], calendar)
    at = advance(begun, timedelta(seconds=limit_s), spans, calendar)
    return at if at is None or begun is start else at.astimezone(start.tzinfo)
