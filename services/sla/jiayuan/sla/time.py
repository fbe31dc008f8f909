"""Natural time with pauses: when a limit is used up, and how much of it is.

Pure functions, importable without a server. Times are aware datetimes; a pause is `(start, end)` where
end None means that it still lasts; an extension is `(granted_at, seconds)`. Pauses may overlap and come in
any order; they count once, and only from `start` on.

    deadline(start, limit_s, pauses=(), extensions=()) -> datetime | None
    elapsed(start, until, pauses=()) -> timedelta
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

Pause = tuple[datetime, datetime | None]
Extension = tuple[datetime, int]

_NOTHING = timedelta(0)
_EVER = datetime.max.replace(tzinfo=UTC)


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


def advance(start: datetime, run: timedelta, pauses: Sequence[Pause] = ()) -> datetime | None:
    """The last moment at which no more than `run` has elapsed since `start`.

    None when a pause that still lasts stands before it: then nobody knows yet. A pause that starts exactly
    when `run` is used up still moves it, since inside a pause no time passes. `pauses` as `merged` gives them.
    """
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


def elapsed(start: datetime, until: datetime, pauses: Iterable[Pause] = ()) -> timedelta:
    """How much of the time from `start` to `until` counts; nothing when `until` is before `start`."""
    if until <= start:
        return _NOTHING
    out = until - start
    for begin, end in merged(pauses):
        overlap = min(end or until, until) - max(begin, start)
        if overlap > _NOTHING:
            out -= overlap
    return out


def extended(
    start: datetime, limit_s: int, pauses: Sequence[Pause] = (), extensions: Iterable[Extension] = ()
) -> int:
    """The limit in seconds with every extension that was granted in time.

    One that was granted when the limit was already past comes too late: what is breached stays breached.
    `pauses` as `merged` gives them.
    """
    for granted_at, seconds in sorted(extensions):
        due = advance(start, timedelta(seconds=limit_s), pauses)
        if due is None or granted_at <= due:
            limit_s += seconds
    return limit_s


def deadline(
    start: datetime, limit_s: int, pauses: Iterable[Pause] = (), extensions: Iterable[Extension] = ()
) -> datetime | None:
    """The last moment that is in time for a limit of `limit_s` seconds from `start`.

    None while the clock stands still, in a pause that has no end yet. OverflowError beyond the year 9999.
    """
    spans = merged(pauses)
    return advance(start, timedelta(seconds=extended(start, limit_s, spans, extensions)), spans)
