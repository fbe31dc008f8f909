"""Clocks by HTTP, for staff: those of a case, and those of a street that go red next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from jiayuan.chassis.errors import Problem
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso, parse

from . import policy, store
from .clock import Clock
from .light import Light, light_at, percent
from .time import Pause, elapsed

STAFF = ("grid_worker", "grid_leader", "grid_chief", "desk", "unit_clerk", "county", "operator", "service")
# They look at every street; everybody else at their own.
_WIDE = frozenset(("county", "operator", "service"))
MOST = 200


def of_case(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /clocks?case=ID`: all clocks of a case; Problem 404 when there is none that the caller may see."""
    case = _given(call, "case", "the id of a case")
    with delivery.work() as work:
        rows = store.of_case(work, case, _own_street(call))
        now = work.now
    if not rows:
        raise Problem(404, "No clocks", f"no clock is known of case {case}")
    return {"case": case, "at": iso(now), "clocks": [shown(row, now) for row in rows]}


def due(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /clocks/due?street=CODE&limit=50`: the clocks that go red next, the first one first."""
    own = _own_street(call)
    street = _given(call, "street", "the code of a street", own)
    if own and street != own:
        raise Problem(403, "Not allowed", "a street's staff see the clocks of their own street")
    with delivery.work() as work:
        rows = store.next_due(work, street, work.now, _most(call))
        now = work.now
    return {"street": street, "at": iso(now), "clocks": [shown(row, now) for row in rows]}


def _given(call: Any, name: str, what: str, otherwise: str | None = None) -> str:
    value = call.args.get(name, "").strip() or otherwise or ""
    if not 0 < len(value) <= 128 or "\x00" in value:
        problem = FieldProblem(name, "is missing or too long", f"{what}, 1 to 128 characters")
        raise Problem(422, "The query is not usable", problems=[problem])
    return str(value)


def _most(call: Any) -> int:
    value = call.args.get("limit", "50")
    if not (value.isascii() and value.isdigit() and len(value) < 6 and 1 <= int(value) <= MOST):
        problem = FieldProblem("limit", f"is {value!r:.40}", f"whole number, 1 to {MOST}")
        raise Problem(422, "The query is not usable", problems=[problem])
    return int(value)


def _own_street(call: Any) -> str | None:
    """The street that the caller is held to, None when to none (a unit may serve several streets)."""
    if _WIDE & set(call.who.roles):
        return None
    return call.who.street or None


def shown(read: store.Read, now: datetime) -> dict[str, Any]:
    """A clock as people and machines read it, with its light as of now, or of when it was stopped."""
    clock = read.clock
    pauses = _pauses(read.pauses) if clock.kind in policy.current().pausing else []
    used = elapsed(clock.started_at, clock.stopped_at or now, pauses=pauses)
    return {
        "id": clock.id,
        "kind": clock.kind,
        "state": clock.state,
        "light": _light(clock, now, pauses),
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


def _light(clock: Clock, now: datetime, pauses: Iterable[Pause]) -> Light | None:
    """None for a clock that was called off: it says nothing about timeliness."""
    if clock.state == "cancelled":
        return None
    return light_at(clock.started_at, clock.limit_seconds, clock.stopped_at or now, pauses)


def _pauses(stored: Iterable[dict[str, Any]]) -> list[Pause]:
    return [(parse(p["start"]), parse(p["end"]) if p.get("end") else None) for p in stored]


def _text(at: datetime | None) -> str | None:
    return iso(at) if at is not None else None
