"""Events in, one transaction, events out: every step of a livelihood matter is posted, once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Final

from jiayuan.chassis.work import Handler, Work, on
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.times import iso, parse

from . import store
from .entry import (
    SHANGHAI,
    Breached,
    Entry,
    Posted,
    breach,
    continued,
    enter,
    is_withdrawn_by,
    key_of,
    open_year,
    post,
    withdraw,
    year_of,
)

log = logging.getLogger("jiayuan.ledger")

SETTLED_AT_ONCE: Final = 500
_CLOCKS: Final = frozenset(("clock.breached", "clock.corrected"))

Grouped = Mapping[str, list[Event]]  # by case

_by_sequence = attrgetter("sequence")


def record(work: Work, events: Sequence[Event]) -> None:
    """Posts steps of livelihood cases, deadlines that passed, and that one never did.

    The first step seen of a case, whichever it is, opens its entry. A breach of a case without an entry is kept,
    in case the entry still comes, and a correction until its breach is posted.

    All these events are one handler's, so that a transaction locks entries once: it inserts new entries in
    the order of their ids (which follow from the cases), then what it keeps, then it locks known entries in the
    order of their matters and years. Two replicas can wait for each other, but never in a circle.
    """
    steps = _by_case(e for e in events if e.name.startswith("case."))
    clocks = _by_case_and_clock(e for e in events if e.name in _CLOCKS)
    known = store.cases_entered(work, list({*steps, *clocks}))
    early = [e for c, of in clocks.items() if c not in known and c not in steps for e in of]
    clocks = {c: of for c, of in clocks.items() if c in known or c in steps}
    early += _before_their_breach(work, known, clocks)
    closed = _closed(work, known, steps)
    opened = {
        case: _enter(of_case, clocks.get(case, ()), closed)
        for case, of_case in steps.items()
        if case not in known
    }
    mine = store.insert_entries(work, [new for new, _ in opened.values()]) if opened else set()
    store.keep_waiting(work, early)
    posted = [p for case in opened if case in mine for p in opened[case][1]]
    there = (known.keys() | steps.keys()) - mine
    posted += _post_known(work, there, steps, clocks, closed)
    append(work, posted)


def settle(work: Work, days: float) -> bool:
    """Posts kept breaches whose entry has come, then kept corrections whose breach has, and drops old ones; True when
    there may be more."""
    more = False
    for take in (store.take_breaches, store.take_corrections):
        taken = take(work, SETTLED_AT_ONCE)
        if taken:
            clocks = _by_case_and_clock(taken)
            append(work, _post_known(work, clocks.keys(), {}, clocks, store.hold(work)))
        more = more or len(taken) == SETTLED_AT_ONCE
    store.drop_waiting(work, days)
    return more


def concerns(event: Event) -> bool:
    """Whether an event may be the ledger's; whose case a clock is of, only the database knows."""
    if event.name.startswith("case."):
        return event.data["case"]["livelihood"] is True
    return event.name in _CLOCKS


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
    """By case, each word of a clock (clock, its sequence) once, in the clock's order."""
    once: dict[tuple[str, int], Event] = {}
    for event in events:
        once.setdefault((event.data["clock"]["id"], event.sequence), event)
    clocks: dict[str, list[Event]] = {}
    for event in sorted(once.values(), key=_by_sequence):
        clocks.setdefault(event.data["clock"]["case"], []).append(event)
    return clocks


def _before_their_breach(work: Work, known: Mapping[str, int], clocks: dict[str, list[Event]]) -> list[Event]:
    """Takes out of `clocks` the corrections whose breach is neither posted nor among them.

    Before entries are locked: what is kept must not wait for somebody who waits for an entry. A breach that is being
    posted meanwhile is found by the timer.
    """
    corrections = [e for of in clocks.values() for e in of if e.name == "clock.corrected"]
    if not corrections:
        return []
    there = [
        (e.data["clock"]["id"], e.sequence, parse(e.data["clock"]["at"]))
        for of in clocks.values()
        for e in of
        if e.name == "clock.breached"
    ]
    entered = [e.data["clock"]["id"] for e in corrections if e.data["clock"]["case"] in known]
    there += [(b.clock, b.sequence, b.at) for b in store.breaches_of(work, entered)]
    early = [e for e in corrections if not any(is_withdrawn_by(e, *breach) for breach in there)]
    for case, of in clocks.items():
        clocks[case] = [e for e in of if e not in early]
    return early


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
    steps: Sequence[Event], clocks: Iterable[Event], closed: frozenset[int]
) -> tuple[Entry, list[Posted]]:
    entry, posted = enter(steps, closed)
    return entry, posted + _tell(entry, clocks, [])


def _tell(entry: Entry, clocks: Iterable[Event], breaches: Iterable[Breached]) -> list[Posted]:
    """Posts what clocks said, in their order. `breaches`: what is posted of them, the newest first."""
    known, out = list(breaches), []
    for event in clocks:
        if event.name == "clock.breached":
            out.append(breach(entry, event))
            at = parse(event.data["clock"]["at"])
            known.insert(
                0,
                Breached(
                    event.data["clock"]["id"],
                    event.sequence,
                    entry.id,
                    entry.year,
                    entry.postings,
                    at,
                    taken_back=False,
                ),
            )
            continue
        found = next(i for i, b in enumerate(known) if is_withdrawn_by(event, b.clock, b.sequence, b.at))
        out.append(withdraw(entry, event, known[found]))
        known[found] = known[found]._replace(taken_back=True)
    return out


def _post_known(
    work: Work, cases: Iterable[str], steps: Grouped, clocks: Grouped, closed: frozenset[int]
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
    spoke = [event for case in entries for event in clocks.get(case, ())]
    told = store.clocks_posted(work, [e.data["clock"]["id"] for e in spoke]) if spoke else set()
    corrected = [e.data["clock"]["id"] for e in spoke if e.name == "clock.corrected"]
    breaches = store.breaches_of(work, corrected) if corrected else []
    posted: list[Posted] = []
    changed: list[Entry] = []
    for case, entry in entries.items():
        current, new = entry, []
        known = seen.get(entry.item, set())
        coming = [e for e in steps.get(case, ()) if key_of(e) not in known]
        untold = [e for e in clocks.get(case, ()) if (e.data["clock"]["id"], e.sequence) not in told]
        if entry.year in closed and (coming or untold):
            current, opening = continued(entry, open_year(entry.year, closed), (coming or untold)[0])
            store.insert_whole(work, [current])
            new.append(opening)
        new += post(current, coming, known)
        new += _tell(current, untold, breaches)
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
