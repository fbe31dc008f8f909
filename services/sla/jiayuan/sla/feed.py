"""The feed of a wallboard: what is about to go red in a street, whenever that is something else than before."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from weakref import WeakKeyDictionary

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.streams import Listeners, State
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso

from . import api, books, store
from .clock import Clock

LISTENERS: Final = Listeners("feed", 200)
"""In one process: a wallboard a street and more, and each costs a few kilobytes."""
SHOWN: Final = 50
MINUTES: Final = 60
MOST_MINUTES: Final = 7 * 24 * 60

# What several wallboards of a street see is looked up once: (street, minutes) → when, and the board.
_boards: WeakKeyDictionary[Any, dict[tuple[str, int], tuple[float, State]]] = WeakKeyDictionary()


def feed(delivery: Any, call: Any) -> Any:
    """`GET /feed?street=CODE&minutes=60`: events `board`, each the whole board; see docs/sla/feed.md."""
    street = api.street_of(call)
    text = call.args.get("minutes", str(MINUTES))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_MINUTES):
        problem = FieldProblem("minutes", f"is {text!r:.40}", f"whole number, 1 to {MOST_MINUTES}")
        raise Problem(422, "The query is not usable", problems=[problem])
    return LISTENERS.stream(call, looking(delivery, street, int(text)))


def looking(delivery: Any, street: str, minutes: int) -> Callable[[], State]:
    """What looks at the board; listeners of one board share a look of the last second."""
    known = _boards.setdefault(delivery.engine, {})

    def look() -> State:
        found = known.get((street, minutes))
        if found is None or time.monotonic() - found[0] >= LISTENERS.every * 0.9:
            found = time.monotonic(), board(delivery, street, minutes)
            if len(known) > 1000:
                known.clear()
            known[street, minutes] = found
        return found[1]

    return look


def board(delivery: Any, street: str, minutes: int) -> State:
    """The running clocks that go red within `minutes`, the first ones first, at most SHOWN.

    Its id tells boards apart by what is on them, not by when that was looked up: every replica gives the same.
    """
    with delivery.work() as work:
        until = work.now + timedelta(minutes=minutes)
        rows = store.next_due(work, street, work.now, SHOWN + 1)
        now, zone = work.now, books.newest(books.of(work), work.now).zone
    found = [row.clock for row in rows if row.clock.due_at <= until]
    clocks = [_shown(clock) for clock in found[:SHOWN]]
    # The version says all that can change of a clock.
    mark = "|".join(f"{c.id}:{c.sequence}" for c in found)
    digest = hashlib.sha256(f"{street}|{minutes}|{mark}".encode()).hexdigest()[:24]
    data = {
        "street": street,
        "minutes": minutes,
        "at": iso(now),
        "zone": str(zone),
        "clocks": clocks,
        "more": len(found) > SHOWN,
    }
    return State(digest, "board", data)


def _shown(clock: Clock) -> dict[str, Any]:
    """What hangs on a wall: units and desks by their ids, of people nothing."""
    held = clock.assignee_id if clock.assignee_type in ("unit", "desk") else None
    return {
        "id": clock.id,
        "case": clock.case_id,
        "leg": clock.leg_id or None,
        "kind": clock.kind,
        "unit": held,
        "started_at": iso(clock.started_at),
        "due_at": iso(clock.due_at),
        "limit": clock.limit_seconds,
        "light": "yellow" if clock.state == "warned" else "green",
    }
