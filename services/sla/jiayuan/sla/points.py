"""The moments at which a clock speaks that warns more than once, or rises by a ladder. Pure.

A clock that warns once and has no ladder does without: its `warn_at` says all. Others keep what was said and
what is still to say, in the order of their times:

    {"said": ["50%"], "todo": [["2026-03-02T09:12:00.000000Z", "80%"], …]}

A point is named by its text in the policy (`80%`, `-2h`, `+30m`); a step of the ladder by its number (`#2`), told
again as `#2.1`, `#2.2`. Times are in the clock's own time: half an hour after the limit of a working-time clock is
half a working hour. The limit itself is no point; the ladder's step at 100 % goes with the breach.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from jiayuan.contracts.times import iso, parse

from .light import MOST_PERCENT
from .policy import Point, Step, Terms
from .time import advance

if TYPE_CHECKING:
    from .clock import Clock, Wanted

_LATE = timedelta(microseconds=1)
_RUNNING = ("armed", "warned")


class Said(TypedDict):
    """What a clock has said, and what it has still to say."""

    said: list[str]
    todo: list[list[str]]


class Named(NamedTuple):
    """A point by name: where it is, its step of the ladder if it is one, and how often that was told before."""

    name: str
    point: Point
    step: Step | None = None
    again: int = 0

    def amount(self, run: timedelta) -> timedelta:
        """How much of the clock's own time has passed then."""
        return self.point.amount(run) + timedelta(seconds=self.again * (self.step.every if self.step else 0))


def named(terms: Terms | None) -> Iterator[Named]:
    """Every point of the terms, without the limit itself."""
    if terms is None:
        return
    for point in terms.warn:
        yield Named(point.text, point)
    for step in terms.steps:
        for n in range(step.times + 1):
            found = Named(f"#{step.number}.{n}" if n else f"#{step.number}", step.at, step, n)
            if not (_at_limit(step) and not n):
                yield found


def _at_limit(step: Step) -> bool:
    return step.at.percent == 100 or (not step.at.percent and not step.at.seconds)


def _before(found: Named, run: timedelta) -> bool:
    return found.amount(run) <= run


def planned(old: Clock, wanted: Wanted, state: str, now: datetime) -> Said:
    """What is said and still to say of a clock that runs as `wanted`.

    What was said and has moved ahead again will be said again; of a clock that is breached, what was to come before
    its limit is not said any more.
    """
    run = timedelta(seconds=wanted.limit_seconds)
    was = set(old.points["said"]) if old.points else set()
    unmoved = (old.due_at, old.limit_seconds) == (wanted.due_at, wanted.limit_seconds)
    out: Said = {"said": [], "todo": []}
    todo: list[tuple[datetime, int, str]] = []
    for order, found in enumerate(named(wanted.terms)):
        amount = found.amount(run)
        if amount <= timedelta(0):
            continue  # longer before the limit than the limit is long
        at = advance(wanted.started_at, amount, wanted.pauses, wanted.terms.calendar)
        if at is not None and found.step is not None:
            at = _loud(at, found.step, wanted.terms)
        if found.name in was and at is not None and (unmoved or at <= now):
            out["said"].append(found.name)
        elif at is not None and not (state == "breached" and at <= wanted.due_at):
            todo.append((at, order, found.name))
    out["todo"] = [[iso(at), name] for at, _, name in sorted(todo)]
    return out


def _loud(at: datetime, step: Step, terms: Terms) -> datetime:
    """The moment itself, or the end of the quiet hours that it falls into."""
    if step.quiet is None:
        return at
    local = at.astimezone(terms.zone)
    minute = local.hour * 60 + local.minute
    first, last = step.quiet
    inside = first <= minute < last if first < last else minute >= first or minute < last
    if not inside:
        return at
    day = local.date() + timedelta(days=1 if first > last and minute >= first else 0)
    loud = datetime(day.year, day.month, day.day, last // 60, last % 60, tzinfo=terms.zone)
    return loud.astimezone(at.tzinfo)


def warned(old: Clock, wanted: Wanted, now: datetime) -> bool:
    """Whether a warning that was said is one of the past still."""
    if old.warned_at is None:
        return False
    if old.points is None:
        run = timedelta(seconds=wanted.limit_seconds)
        times = (
            advance(wanted.started_at, found.amount(run), wanted.pauses, wanted.terms.calendar)
            for found in named(wanted.terms)
            if _before(found, run)
        )
        return any(at is not None and at <= now for at in times)
    return bool(planned(old, wanted, "armed", now)["said"])


def next_at(clock: Clock) -> datetime | None:
    """When the clock has something to say next."""
    todo = clock.points["todo"] if clock.points else []
    first = parse(todo[0][0]) if todo else None
    if clock.state not in _RUNNING or clock.paused:
        return first if clock.state in (*_RUNNING, "breached") else None
    late = clock.due_at + _LATE
    return min(first, late) if first is not None else late


def next_warning(clock: Clock) -> datetime | None:
    """The first thing to say that comes before the limit."""
    for at, _ in clock.points["todo"] if clock.points else []:
        moment = parse(at)
        return moment if moment <= clock.due_at else None
    return None


def take(points: Said, now: datetime, terms: Terms | None) -> tuple[Named | None, Said]:
    """The point to tell now, and what is left then.

    Of several warnings whose time has come only the last is told; each step of a ladder is.
    """
    known = {found.name: found for found in named(terms)}
    said, todo = list(points["said"]), list(points["todo"])
    found: Named | None = None
    while todo and parse(todo[0][0]) <= now:
        _, name = todo.pop(0)
        said.append(name)
        found = known.get(name, found)
        later = todo and parse(todo[0][0]) <= now
        if found is not None and (found.step is not None or not later):
            break
    return found, {"said": said, "todo": todo}


def past_limit(points: Said, due_at: datetime) -> Said:
    """What is left to say when the limit has passed: what comes after it."""
    todo = [[at, name] for at, name in points["todo"] if parse(at) > due_at]
    ahead = {name for _, name in todo}
    return {"said": points["said"] + [n for _, n in points["todo"] if n not in ahead], "todo": todo}


def percent_of(found: Named, limit_s: int) -> int:
    """The share of the limit at which a point lies, in whole per cent."""
    run = timedelta(seconds=limit_s)
    return min(found.amount(run) * 100 // run, MOST_PERCENT) if run else 0


def told(found: Named, terms: Terms | None) -> dict[str, Any]:
    """What the event says of a point."""
    out: dict[str, Any] = {"point": found.point.text}
    if found.step is not None and terms is not None:
        out["ladder"] = _step(terms, found.step, found.again)
    return out


def at_limit(terms: Terms | None) -> dict[str, Any] | None:
    """What a breach says of the ladder: its step at 100 %, if there is one."""
    for step in terms.steps if terms is not None else ():
        if _at_limit(step) and terms is not None:
            return {"ladder": _step(terms, step, 0)}
    return None


def told_whom(clock: Clock, terms: Terms) -> list[str]:
    """Whom the ladder has told of a clock that is breached, each role once, in the order of the steps."""
    said = set(clock.points["said"]) if clock.points else set()
    done = [s for s in terms.steps if s.do == "notify" and (_at_limit(s) or f"#{s.number}" in said)]
    return list(dict.fromkeys(s.whom for s in done))


def _step(terms: Terms, step: Step, again: int) -> dict[str, Any]:
    out: dict[str, Any] = {"name": terms.ladder, "step": step.number, "whom": step.whom, "do": step.do}
    if again:
        out["again"] = again
    return out
