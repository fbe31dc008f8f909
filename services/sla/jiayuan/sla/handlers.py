"""Case events in, clocks kept, clock events out; the ticker that lets clocks speak; and computing them again."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol

from jiayuan.chassis.work import Handler, Work, on
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import parse

from . import books, promises, promising, rates, store
from .clock import (
    Clock,
    History,
    Key,
    again,
    case_of,
    extensions_of,
    facts_of,
    fire,
    spans,
    steps,
)
from .policy import Book, Policy, Rules
from .saying import say

log = logging.getLogger("jiayuan.sla")

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
    rules = books.of(work)
    added: list[Clock] = []
    moved: list[Clock] = []
    over: list[dict[str, Any]] = []
    for case_id in news:
        event = newest[case_id]
        case, clocks = case_of(event.data), kept.get(case_id, {})
        changed = parse(event.data["change"]["at"])
        for step in steps(case, event.sequence, clocks, work.now, rules, changed):
            (added if step.clock.sequence == 1 else moved).append(step.clock)
            if step.clock.kind == promising.KIND:
                promising.promise(work, clocks.get(step.clock.key), step.clock, rules, event)
            clocks[step.clock.key] = step.clock
            if step.says:
                say(work, step, cause=event)
        due = (clock.due_at for clock in clocks.values())
        if (end := rates.over_at(case, event.data["change"]["at"], due)) is not None:
            over.append({"case_id": case_id, "over_at": end})
    if added:
        store.add(work, added)
    if moved:
        store.change(work, moved)
    if over:
        store.over(work, over)


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
        "facts": facts_of(case),
        "seen_at": work.now,
        "measured": rates.measured(case, event.data["change"]["at"]),
        "begun_at": case["first_received_at"],
    }


def speak(work: Work, most: int = CLAIM) -> int:
    """Lets the clocks speak that are due now, at most `most`; how many it found.

    Any replica may do it at any time: a clock that another one holds is left out, and is looked at again
    here, under its lock, before it speaks.
    """
    found = store.due(work, most)
    changed: list[Clock] = []
    lane, rules = work.lane, books.of(work)
    if any(not _known(rules, due.clock) for due in found) and books.refresh(work):
        rules = books.of(work)  # another replica has taken up a version that this one hasn't yet
    for due in found:
        step = fire(due.clock, work.now, rules)
        if step is None:
            continue
        step.clock.case_sequence = due.case_sequence
        changed.append(step.clock)
        work.lane = due.lane  # an import's deadlines, all long past, must not delay a call for help
        if step.says:
            say(work, step, traceparent=due.traceparent)
    work.lane = lane
    if changed:
        store.spoke(work, changed)
    return len(found)


def tick(delivery: Transactions) -> bool:
    """One turn of the ticker; True when there may be more to do at once."""
    with delivery.work() as work:
        return speak(work) >= CLAIM


def _known(rules: Any, clock: Clock) -> bool:
    if isinstance(rules, Policy):
        return rules.version == clock.policy and not clock.calendar
    return clock.policy in rules.by_version and (not clock.calendar or clock.calendar in rules.marks)


# -- a new policy, a new calendar --------------------------------------------------------------------

RECOMPUTE: Final = 1000
"""Clocks that are computed again in one transaction: they are locked for as long as that takes, a tenth of a second."""
SECOND_TURN: Final = 10.0
"""Wall seconds until the second turn: by then every replica has taken the new version up."""


def recompute(work: Work, most: int = RECOMPUTE) -> bool:
    """Computes the next open clocks again, where a policy or calendar asks for it; True while there are more.

    Any replica may do it; each batch is a transaction of its own, so that what is interrupted goes on where it was.
    It says nothing of deadlines: one that is past by now is told by the ticker. What reporters were promised otherwise
    is put right.
    """
    job = store.next_job(work)
    if job is None:
        return False
    books.refresh(work)
    clocks = store.open_clocks(work, job.cursor, most)
    if clocks:
        looked, moved = _again(work, clocks)
        job = job._replace(cursor=clocks[-1].id, moved=job.moved + moved)
        if job.turn == 1:
            job = job._replace(looked_at=job.looked_at + looked)
    if len(clocks) >= most:
        store.keep_job(work, job)
        return True
    if job.turn == 1:
        store.keep_job(work, job._replace(turn=2, cursor=None), wait=SECOND_TURN)
    else:
        store.keep_job(work, job, done=True)
        log.info("recomputed", extra={"why": job.why, "looked_at": job.looked_at, "moved": job.moved})
    return False


def _again(work: Work, clocks: Sequence[Clock]) -> tuple[int, int]:
    moved, changed = 0, []
    rules = books.of(work)
    for old, new in _steps_again(work, clocks, rules):
        moved += (new.due_at, new.state) != (old.due_at, old.state)
        changed.append(new)
        if new.kind == promising.KIND:
            promising.promise(work, old, new, rules)
    if changed:
        store.move(work, changed)
        # Of a case that is over nothing runs on but that its reporter is to be called back; a promise is in no figure
        # after its last deadline, kept or not.
        store.over_later(work, [c for c in changed if c.kind in ("callback", *promises.KINDS)])
    return len(clocks), moved


def _steps_again(work: Work, clocks: Sequence[Clock], rules: Rules) -> Iterator[tuple[Clock, Clock]]:
    """Clocks that a version changes, each with what it becomes."""
    by_case: dict[str, dict[Key, Clock]] = {}
    for clock in clocks:
        by_case.setdefault(clock.case_id, {})[clock.key] = clock
    for case_id, seen in store.seen(work, list(by_case)).items():
        kept = by_case[case_id]
        extensions = extensions_of(seen.extensions)
        history = History(seen.street, spans(seen.pauses), extensions, rules, seen.facts, kept, work.now)
        for step in again(kept, history, work.now):
            yield kept[step.clock.key], step.clock


class Tried(NamedTuple):
    """What a policy would do to the open clocks."""

    looked_at: int
    later: int
    earlier: int
    dropped: int
    late: int


def tried(work: Work, candidate: Policy) -> Tried:
    """What a policy would do to the open clocks if it held from now on; nothing is stored."""
    rules = books.of(work)
    held = [rules] if isinstance(rules, Policy) else rules.policies
    marks = {} if isinstance(rules, Policy) else rules.marks
    book = Book([*held, dataclasses.replace(candidate, since=work.now)], marks)
    counts = [0, 0, 0, 0, 0]
    cursor: str | None = None
    while clocks := store.open_clocks(work, cursor, RECOMPUTE, lock=False):
        cursor = clocks[-1].id
        counts[0] += len(clocks)
        for old, new in _steps_again(work, clocks, book):
            counts[1] += new.due_at > old.due_at
            counts[2] += new.due_at < old.due_at
            counts[3] += new.state == "cancelled"
            counts[4] += old.due_at >= work.now > new.due_at and not new.paused
    return Tried(*counts)


HANDLERS: list[Handler] = [
    on("case.*", case_changed, repeatable=True),
    on("list.published", promises.claims_said, wants=lambda e: e.data["kind"] == "service"),
    on("service.claimed", promises.claims_said),
    on("notice.asked", promises.notices_said),
    on("notice.read", promises.notices_said),
]
