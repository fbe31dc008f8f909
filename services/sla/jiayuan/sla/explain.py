"""Why a clock is due when it is: what counted, what didn't, by which policy and calendar. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jiayuan.contracts.times import iso, parse

from .clock import Clock, spans
from .light import Light, light, percent
from .points import Said, named
from .policy import NONE_OF_THEM, Rules, Terms
from .time import Pause, advance, elapsed, extended, merged, timeline

_RUNNING: Final = ("armed", "warned")


def counted(
    clock: Clock, paused: Iterable[Mapping[str, Any]], rules: Rules
) -> tuple[Terms | None, list[Pause]]:
    """The terms that a clock runs on (None: not known any more), and the pauses that hold for it."""
    terms = rules.stored(*clock.stored)
    holds = terms.pauses if terms is not None else True
    pauses = spans(paused) if holds else []
    if clock.closed:
        pauses = merged([*pauses, *((parse(a), parse(b)) for a, b in clock.closed)])
    return terms, pauses


def shown(clock: Clock, paused: Iterable[Mapping[str, Any]], now: datetime, rules: Rules) -> dict[str, Any]:
    """A clock as people and machines read it, with its light as of now, or of when it was stopped."""
    terms, pauses = counted(clock, paused, rules)
    until = clock.stopped_at or now
    used = elapsed(clock.started_at, until, terms.calendar if terms else None, pauses)
    out: dict[str, Any] = {
        "id": clock.id,
        "kind": clock.kind,
        "state": clock.state,
        "light": _light(clock, used, until),
        "percent": percent(used, clock.limit_seconds),
        "case": clock.case_id,
        "case_sequence": clock.case_sequence,
        "leg": clock.leg_id or None,
        "assignee": (
            {"type": clock.assignee_type, "id": clock.assignee_id} if clock.assignee_id is not None else None
        ),
        "street": clock.street,
        "limit": clock.limit_seconds,
        "started_at": iso(clock.started_at),
        "due_at": iso(clock.due_at),
        "paused": clock.paused,
        "warned_at": _text(clock.warned_at),
        "breached_at": _text(clock.breached_at),
        "met_at": _text(clock.met_at),
        "stopped_at": _text(clock.stopped_at),
        "policy": clock.policy,
        "sequence": clock.sequence,
    }
    if clock.calendar:
        out["calendar"] = clock.calendar
    if clock.fixed:
        out["fixed"] = True
    if clock.rule and clock.rule != NONE_OF_THEM:
        out["rule"] = clock.rule
    return out


def _light(clock: Clock, used: timedelta, at: datetime) -> Light | None:
    """None for a clock that was called off: it says nothing about timeliness."""
    if clock.state == "cancelled":
        return None
    if clock.state == "breached" or (not clock.paused and at > clock.due_at):
        # In working time the limit is used up with the day, and no more of it in the evening.
        return "red"
    return light(used, clock.limit_seconds)


def explained(
    clock: Clock,
    paused: Sequence[Mapping[str, Any]],
    extensions: Sequence[Mapping[str, Any]],
    now: datetime,
    rules: Rules,
) -> dict[str, Any]:
    """`shown`, and why: the limit's parts, the time up to now (or the stop) and from now to the deadline, in pieces."""
    terms, pauses = counted(clock, paused, rules)
    calendar = terms.calendar if terms else None
    until = clock.stopped_at or now
    used = elapsed(clock.started_at, until, calendar, pauses)
    limit = timedelta(seconds=clock.limit_seconds)
    out = shown(clock, paused, now, rules)
    out["given"] = clock.given
    out["extensions"] = _extensions(clock, extensions, pauses, terms)
    out["elapsed"] = _seconds(used)
    out["remaining"] = _seconds(limit - used) if clock.state in _RUNNING else None
    out["timeline"] = _pieces(timeline(clock.started_at, until, calendar, pauses))
    ahead = clock.state in _RUNNING and not clock.paused and clock.due_at > now
    out["ahead"] = _pieces(timeline(now, clock.due_at, calendar, pauses)) if ahead else []
    out["warns"] = _warns(clock, terms, pauses)
    out["time"] = "working" if clock.calendar else "natural"
    if terms is None:
        out["unknown"] = f"version {clock.policy} of the policy is not known here any more"
    elif calendar is not None and calendar.known_until is not None:
        known = calendar.known_until
        out["known_until"] = known.isoformat()
        if clock.due_at.astimezone(calendar.zone).date() > known:
            out["beyond"] = f"the holidays after {known} are not known yet: it may become later"
    if clock.closed:
        out["closed"] = [{"start": a, "end": b} for a, b in clock.closed]
    return out


def _extensions(
    clock: Clock, extensions: Sequence[Mapping[str, Any]], pauses: Sequence[Pause], terms: Terms | None
) -> list[dict[str, Any]]:
    if terms is None or not terms.extensions:
        return []
    out: list[dict[str, Any]] = []
    limit = terms.given(clock.given) if terms.rule else clock.given
    mine = [e for e in extensions if e["leg"] == clock.leg_id]
    for e in sorted(mine, key=lambda e: (parse(e["at"]), e["seconds"])):
        more = extended(clock.started_at, limit, pauses, [(parse(e["at"]), e["seconds"])], terms.calendar)
        out.append({"at": e["at"], "seconds": e["seconds"], "in_time": more > limit})
        limit = more
    return out


def _warns(clock: Clock, terms: Terms | None, pauses: Sequence[Pause]) -> list[dict[str, Any]]:
    if terms is None or clock.state == "cancelled":
        return []
    run = timedelta(seconds=clock.limit_seconds)
    planned: Said = clock.points or {"said": [], "todo": []}
    to_come = {name: at for at, name in planned["todo"]}
    out: list[dict[str, Any]] = []
    for found in named(terms):
        amount = found.amount(run)
        at = advance(clock.started_at, amount, pauses, terms.calendar) if amount > timedelta(0) else None
        line: dict[str, Any] = {"point": found.point.text, "at": to_come.get(found.name) or _text(at)}
        line["said"] = clock.warned_at is not None if clock.points is None else found.name in planned["said"]
        if found.step is not None:
            line |= {"step": found.step.number, "whom": found.step.whom, "do": found.step.do}
        out.append(line)
    return out


def _pieces(found: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        {
            "start": iso(s.start),
            "end": iso(s.end),
            "counted": s.counted,
            "why": s.why,
            "seconds": _seconds(s.end - s.start),
        }
        for s in found
    ]


def _seconds(span: timedelta) -> float | int:
    seconds = span.total_seconds()
    return int(seconds) if seconds == int(seconds) else round(seconds, 6)


def _text(at: datetime | None) -> str | None:
    return iso(at.astimezone(UTC)) if at is not None else None
