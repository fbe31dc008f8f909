"""Events in, one transaction, events out: every step of a livelihood matter is posted, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

from jiayuan.chassis.work import Work, on
from jiayuan.contracts.envelope import Event

from . import store
from .entry import Entry, Posted, breach, enter, post

SETTLED_AT_ONCE: Final = 500

_by_sequence = attrgetter("sequence")


def case_changed(work: Work, events: Sequence[Event]) -> None:
    """Posts steps of livelihood cases; the first one seen of a case, whichever it is, opens its entry.

    New entries are inserted first, in the order of their ids (which follow from the cases), then known ones are
    locked, in the same order: two replicas can wait for each other, but not in a circle.
    """
    steps = _by_case(events)
    posted: list[Posted] = []
    known = store.cases_entered(work, list(steps))
    opened = {case: enter(of_case) for case, of_case in steps.items() if case not in known}
    if opened:
        mine = store.insert_entries(work, [new for new, _ in opened.values()])
        for case in mine:
            posted += opened[case][1]
        known = steps.keys() - mine
    if known:
        posted += _post_known(work, {case: steps[case] for case in known})
    _append(work, posted)


def clock_breached(work: Work, events: Sequence[Event]) -> None:
    """Posts deadlines that passed; those of cases without an entry are kept, in case the entry still comes."""
    breaches: dict[tuple[str, int], Event] = {}
    for event in events:
        breaches.setdefault((event.data["clock"]["id"], event.sequence), event)
    known = store.cases_entered(work, list({e.data["clock"]["case"] for e in breaches.values()}))
    # What is kept is written before any entry is locked, so that `settle` and this can't wait in a circle.
    store.keep_breaches(work, [e for e in breaches.values() if e.data["clock"]["case"] not in known])
    _post_breaches(work, [e for e in breaches.values() if e.data["clock"]["case"] in known])


def settle(work: Work, days: float) -> bool:
    """Posts kept breaches whose entry has come and drops old ones; True when there may be more."""
    taken = store.take_breaches(work, SETTLED_AT_ONCE)
    _post_breaches(work, taken)
    store.drop_breaches(work, days)
    return len(taken) == SETTLED_AT_ONCE


def is_livelihood(event: Event) -> bool:
    """Whether a case belongs in the account."""
    return event.data["case"]["livelihood"] is True


def _by_case(events: Iterable[Event]) -> dict[str, list[Event]]:
    steps: dict[str, list[Event]] = {}
    for event in events:
        if event.sequence < 1:
            raise ValueError(f"{event.name} {event.id} of case {event.subject} has no sequence")
        steps.setdefault(event.data["case"]["id"], []).append(event)
    for of_case in steps.values():
        if len(of_case) > 1:
            of_case.sort(key=_by_sequence)
    return steps


def _post_known(work: Work, steps: dict[str, list[Event]]) -> list[Posted]:
    entries = store.lock_entries(work, list(steps))
    # What is newer than everything seen can't have been posted; only for the late must one look.
    late = [e.id for case, e in entries.items() if steps[case][0].sequence <= e.case_sequence]
    seen = store.steps_posted(work, late) if late else {}
    posted: list[Posted] = []
    changed: list[Entry] = []
    for case, entry in entries.items():
        new = post(entry, steps[case], seen.get(entry.id, set()))
        if new:
            posted += new
            changed.append(entry)
    store.update_entries(work, changed)
    return posted


def _post_breaches(work: Work, events: Sequence[Event]) -> None:
    if not events:
        return
    entries = store.lock_entries(work, list({e.data["clock"]["case"] for e in events}))
    done = store.breaches_posted(work, [e.data["clock"]["id"] for e in events])
    posted = [
        breach(entries[e.data["clock"]["case"]], e)
        for e in events
        if (e.data["clock"]["id"], e.sequence) not in done
    ]
    changed = {p.row["entry_id"] for p in posted}
    store.update_entries(work, [e for e in entries.values() if e.id in changed])
    _append(work, posted)


def _append(work: Work, posted: Sequence[Posted]) -> None:
    store.insert_postings(work, [p.row for p in posted])
    for p in posted:
        work.emit(
            p.name,
            p.data(),
            subject=p.row["entry_id"],
            sequence=p.row["number"],
            street=p.entry["street"],
            cause=p.cause,
        )


HANDLERS: Final[list[Any]] = [
    on("case.*", case_changed, wants=is_livelihood),
    on("clock.breached", clock_breached),
]
