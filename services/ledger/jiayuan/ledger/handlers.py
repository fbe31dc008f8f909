"""Events in, one transaction, events out: every step of a livelihood matter is posted, once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

from jiayuan.chassis.work import Handler, Work, on
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso

from . import store
from .entry import SHANGHAI, Entry, Posted, breach, continued, enter, key_of, open_year, post, year_of

log = logging.getLogger("jiayuan.ledger")

SETTLED_AT_ONCE: Final = 500

Grouped = Mapping[str, list[Event]]  # by case

_by_sequence = attrgetter("sequence")


def record(work: Work, events: Sequence[Event]) -> None:
    """Posts steps of livelihood cases and deadlines that passed.

    The first step seen of a case, whichever it is, opens its entry. A breach of a case without an entry is kept,
    in case the entry still comes.

    Both kinds of events are one handler's, so that a transaction locks entries once: it inserts new entries in
    the order of their ids (which follow from the cases), then what it keeps, then it locks known entries in the
    order of their ids. Two replicas can wait for each other, but never in a circle.
    """
    steps = _by_case(e for e in events if e.name.startswith("case."))
    breaches = _by_case_and_clock(e for e in events if e.name == "clock.breached")
    known = store.cases_entered(work, list({*steps, *breaches}))
    closed = _closed(work, known, steps)
    opened = {
        case: _enter(of_case, breaches.get(case, ()), closed)
        for case, of_case in steps.items()
        if case not in known
    }
    mine = store.insert_entries(work, [new for new, _ in opened.values()]) if opened else set()
    store.keep_breaches(
        work, [e for c, of in breaches.items() if c not in known and c not in steps for e in of]
    )
    posted = [p for case in opened if case in mine for p in opened[case][1]]
    there = (known.keys() | steps.keys()) - mine
    posted += _post_known(work, there, steps, breaches, closed)
    append(work, posted)


def settle(work: Work, days: float) -> bool:
    """Posts kept breaches whose entry has come and drops old ones; True when there may be more."""
    taken = store.take_breaches(work, SETTLED_AT_ONCE)
    breaches = _by_case_and_clock(taken)
    if taken:
        append(work, _post_known(work, breaches.keys(), {}, breaches, store.hold(work)))
    store.drop_breaches(work, days)
    return len(taken) == SETTLED_AT_ONCE


def concerns(event: Event) -> bool:
    """Whether an event may be the ledger's; whose case a breach is of, only the database knows."""
    if event.name.startswith("case."):
        return event.data["case"]["livelihood"] is True
    return event.name == "clock.breached"


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


def _by_case_and_clock(events: Iterable[Event]) -> dict[str, list[Event]]:
    """By case, each breach (clock, its sequence) once."""
    once: dict[tuple[str, int], Event] = {}
    for event in events:
        once.setdefault((event.data["clock"]["id"], event.sequence), event)
    breaches: dict[str, list[Event]] = {}
    for event in once.values():
        breaches.setdefault(event.data["clock"]["case"], []).append(event)
    return breaches


def _closed(work: Work, known: Mapping[str, int], steps: Grouped) -> frozenset[int]:
    """The years that are closed, if anything may be of one: a year is closed an hour after its end at the earliest, so
    that what is of this year, as nearly everything is, needs neither the question nor the lock."""
    this_year = work.now.astimezone(SHANGHAI).year
    if all(year >= this_year for year in known.values()) and all(
        case in known or year_of(of_case[0].data["case"]["opened_at"]) >= this_year
        for case, of_case in steps.items()
    ):
        return frozenset()
    return store.hold(work)


def _enter(
    steps: Sequence[Event], breaches: Iterable[Event], closed: frozenset[int]
) -> tuple[Entry, list[Posted]]:
    entry, posted = enter(steps, closed)
    return entry, posted + [breach(entry, event) for event in breaches]


def _post_known(
    work: Work, cases: Iterable[str], steps: Grouped, breaches: Grouped, closed: frozenset[int]
) -> list[Posted]:
    entries = store.lock_entries(work, list(cases))
    if any(e.year in closed for e in entries.values()):
        # Somebody else may have gone on with it while this one waited for the lock: look again.
        entries = store.lock_entries(work, list(cases))
    # What is newer than everything seen can't have been posted; only for the late must one look.
    late = [
        e.item for case, e in entries.items() if case in steps and steps[case][0].sequence <= e.case_sequence
    ]
    seen = store.steps_posted(work, late) if late else {}
    clocks = [event.data["clock"]["id"] for case in entries for event in breaches.get(case, ())]
    told = store.breaches_posted(work, clocks) if clocks else set()
    posted: list[Posted] = []
    changed: list[Entry] = []
    for case, entry in entries.items():
        current, new = entry, []
        known = seen.get(entry.item, set())
        coming = [e for e in steps.get(case, ()) if key_of(e) not in known]
        untold = [e for e in breaches.get(case, ()) if (e.data["clock"]["id"], e.sequence) not in told]
        if entry.year in closed and (coming or untold):
            current, opening = continued(entry, open_year(entry.year, closed), (coming or untold)[0])
            store.insert_whole(work, [current])
            new.append(opening)
        new += post(current, coming, known)
        new += [breach(current, event) for event in untold]
        if new:
            posted += new
            changed.append(current)
    store.update_entries(work, changed)
    return posted


def append(work: Work, posted: Sequence[Posted], *, traceparent: str = "") -> None:
    """Appends postings and tells of them."""
    store.insert_postings(work, [p.row for p in posted])
    for p in posted:
        work.emit(
            p.name,
            p.data(),
            subject=p.row["entry_id"],
            sequence=p.row["number"],
            street=p.entry["street"],
            cause=p.cause,
            traceparent=traceparent,
        )


def people_erased(work: Work, events: Sequence[Event]) -> None:
    """Deletes the free texts that may name reporters who had themselves erased; the proof holds without them."""
    gone = store.erasing.erase(work, [e.data["reporter"] for e in events], iso(work.now))
    if gone:
        log.info("texts erased", extra={"texts": gone})


def decision_answered(work: Work, events: Sequence[Event]) -> None:
    """Keeps what became of the whistles that meetings decided; told again it changes nothing."""
    answers = {e.data["decision"]: e.data for e in events}
    store.meetings.answer(
        work, [(d, data["outcome"], data.get("reason"), data["at"]) for d, data in sorted(answers.items())]
    )


# A posting is known by its entry, step and kind, or by its clock: what comes again finds it.
HANDLERS: Final[list[Handler]] = [
    on("person.erased", people_erased),
    on("decision.answered", decision_answered),
    on("*.*", record, wants=concerns, repeatable=True),
]
