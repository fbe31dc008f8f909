"""Case events in, clocks kept, clock events out; and the ticker that lets clocks speak."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from jiayuan.chassis.work import Handler, Work, on
from jiayuan.contracts.envelope import Event

from . import policy, store
from .clock import Clock, Key, Step, case_of, fire, spoken, steps

CLAIM = 500


class Transactions(Protocol):
    """What opens a unit of work."""

    def work(self) -> AbstractContextManager[Work]:
        """A transaction: commits at the end of the block."""
        ...


def case_changed(work: Work, events: Sequence[Event]) -> None:
    """Arms, moves, stops and cancels the clocks of the cases, by the newest version of each."""
    newest: dict[str, Event] = {}
    for event in events:
        if event.sequence < 1:
            raise ValueError(f"{event.name} {event.id} has no sequence")
        known = newest.get(event.data["case"]["id"])
        if known is None or event.sequence > known.sequence:
            newest[event.data["case"]["id"]] = event
    news = store.see(work, [_seen(work, event) for event in newest.values()])
    if not news:
        return
    kept: dict[str, dict[Key, Clock]] = {}
    # A case that is seen the first time has no clocks yet.
    for clock in store.clocks_of_cases(work, [c for c, first in news.items() if not first]):
        kept.setdefault(clock.case_id, {})[clock.key] = clock
    added: list[Clock] = []
    changed: list[Clock] = []
    for case_id in news:
        event = newest[case_id]
        case, clocks = case_of(event.data), kept.get(case_id, {})
        for step in steps(case, event.sequence, clocks, work.now, policy.current()):
            (added if step.clock.sequence == 1 else changed).append(step.clock)
            if step.says:
                _say(work, step, cause=event)
    if added:
        store.add(work, added)
    if changed:
        store.change(work, changed)


def _seen(work: Work, event: Event) -> dict[str, Any]:
    case = event.data["case"]
    return {
        "case_id": case["id"],
        "sequence": event.sequence,
        "state": case["state"],
        "street": case["street"],
        "lane": event.lane,
        "traceparent": event.traceparent,
        "pauses": [{"start": p["start"], "end": p.get("end")} for p in case.get("pauses") or ()],
        "extensions": [
            {"leg": e["leg"], "seconds": e["seconds"], "at": e["at"]} for e in case.get("extensions") or ()
        ],
        "seen_at": work.now,
    }


def _say(work: Work, step: Step, *, cause: Event | None = None, traceparent: str = "") -> None:
    clock = step.clock
    work.emit(
        step.says,
        spoken(step),
        subject=clock.id,
        sequence=clock.sequence,
        street=clock.street,
        cause=cause,
        traceparent=traceparent,
    )


def speak(work: Work, most: int = CLAIM) -> int:
    """Lets the clocks speak that are due now, at most `most`; how many it found.

    Any replica may do it at any time: a clock that another one holds is left out, and is looked at again
    here, under its lock, before it speaks.
    """
    found = store.due(work, most)
    changed: list[Clock] = []
    lane = work.lane
    for due in found:
        step = fire(due.clock, work.now, policy.current().warn_percent)
        if step is None:
            continue
        step.clock.case_sequence = due.case_sequence
        changed.append(step.clock)
        work.lane = due.lane  # an import's deadlines, all long past, must not delay a call for help
        _say(work, step, traceparent=due.traceparent)
    work.lane = lane
    if changed:
        store.change(work, changed)
    return len(found)


def tick(delivery: Transactions) -> bool:
    """One turn of the ticker; True when there may be more to do at once."""
    with delivery.work() as work:
        return speak(work) >= CLAIM


HANDLERS: list[Handler] = [on("case.*", case_changed, newest=True)]
