"""Clocks by HTTP, for staff: those of a case, and those of a street that go red next."""

from __future__ import annotations

from typing import Any

from jiayuan.chassis.errors import Problem
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import books, store
from .explain import explained, shown

STAFF = ("grid_worker", "grid_leader", "grid_chief", "desk", "unit_clerk", "county", "operator", "service")
# They look at every street; everybody else at their own.
_WIDE = frozenset(("county", "operator", "service"))
MOST = 200


def of_case(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /clocks?case=ID`: all clocks of a case; Problem 404 when there is none that the caller may see."""
    case = _given(call, "case", "the id of a case")
    with delivery.work() as work:
        rows = store.of_case(work, case, _own_street(call))
        now, rules = work.now, books.of(work)
    if not rows:
        raise Problem(404, "No clocks", f"no clock is known of case {case}")
    return {"case": case, "at": iso(now), "clocks": [shown(r.clock, r.pauses, now, rules) for r in rows]}


def explanation(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /clocks/explained?case=ID`: the same, with why each is due when it is."""
    case = _given(call, "case", "the id of a case")
    with delivery.work() as work:
        rows = store.of_case(work, case, _own_street(call))
        now, rules = work.now, books.of(work)
    if not rows:
        raise Problem(404, "No clocks", f"no clock is known of case {case}")
    clocks = [explained(r.clock, r.pauses, r.extensions, now, rules) for r in rows]
    return {"case": case, "at": iso(now), "clocks": clocks}


def due(delivery: Any, call: Any) -> dict[str, Any]:
    """`GET /clocks/due?street=CODE&limit=50`: the clocks that go red next, the first one first."""
    street = street_of(call)
    with delivery.work() as work:
        rows = store.next_due(work, street, work.now, _most(call))
        now, rules = work.now, books.of(work)
    clocks = [shown(r.clock, r.pauses, now, rules) for r in rows]
    return {"street": street, "at": iso(now), "clocks": clocks}


def street_of(call: Any) -> str:
    """The street that is asked for, by default the caller's own; Problem 403 when it isn't for the caller to see."""
    own = _own_street(call)
    street = _given(call, "street", "the code of a street", own)
    if own and street != own:
        raise Problem(403, "Not allowed", "a street's staff see the clocks of their own street")
    return street


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
