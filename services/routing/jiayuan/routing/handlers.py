"""Events in, one transaction, events out. Every handler takes a whole batch in a handful of statements."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from jiayuan.chassis import dead_letters
from jiayuan.chassis.redact import mask
from jiayuan.chassis.work import Work, on, together
from jiayuan.contracts.envelope import Event
from jiayuan.contracts.ids import new_id
from jiayuan.contracts.times import iso, parse

from . import book as books
from . import case as cases
from . import convening, correcting, deciding, emergencies, handing, helping, modes, opening, rising, store
from .book import Book
from .case import Case, Moves, Rung, offering
from .case import whistle as whistles
from .emergency import Kept
from .moving import Moving, tell
from .policy import Policy
from .reported import handling_reported

log = logging.getLogger("jiayuan.routing")

ACTOR: Final = "routing"
_OUTSIDE: Final = frozenset(("claim", "notice"))
"""Kinds of clocks whose matter is no case."""


# -- report.received ---------------------------------------------------------------------------------


def report_received(work: Work, events: Sequence[Event]) -> None:
    """Opens exactly one case a report and hands it out, by the policy; a report that intake has joined to an earlier
    one goes into that one's case, while it is being handled."""
    by_report = {e.data["report"]["id"]: e for e in events}
    ids = {report: new_id() for report in by_report}
    claimed = store.claim_reports(work, [{"report_id": r, "case_id": c} for r, c in ids.items()])
    if not claimed:
        return
    book = books.of(work, next(iter(claimed.values())).directory)
    waiting = {report: c.waiting for report, c in claimed.items()}
    fresh = [r for r in by_report if r in waiting]
    homes = _homes(work, by_report, fresh, waiting)
    moving = Moving(work, sorted({h.case for h in homes.values() if h.case} - {ids[r] for r in fresh}))
    joined = _attachable(homes, moving, {ids[r]: r for r in fresh})
    own = [r for r in fresh if r not in joined]
    given: Counter[str] = Counter()
    opened: dict[str, _Opened] = {}
    decided: list[dict[str, Any]] = []
    limits: dict[str, Kept] = {}
    for report in own:
        number = claimed[report].number
        said = correcting.applied(by_report[report].data["report"], waiting[report])
        moves = opening.open_case(work, book, given, decided, said, ids[report], number)
        if book.emergencies:
            moves = modes.opened(work, book, moves, limits)
        opened[ids[report]] = _Opened(moves[-1].case)
        opened[ids[report]].go(work, moves, by_report[report])
    for report in fresh:
        event, case_id = by_report[report], joined.get(report) or ids[report]
        case = opened[case_id].case if case_id in opened else moving.cases[case_id]
        if report in joined:
            reason = event.data["joined"]["reason"]
            moves = cases.merge(
                case, [opening.reference(event.data["report"])], "intake", iso(work.now), reason
            )
        else:
            moves = ()
        case = moves[-1].case if moves else case
        for words in waiting[report]:
            case, more = _said(case, words, book)
            moves += more
        if case_id in opened:
            opened[case_id].case = case
            opened[case_id].go(work, moves, event)
        else:
            moving.take(case, moves, event)
    store.insert_cases(work, [(o.case, o.moves, o.document) for o in opened.values()])
    store.insert_decisions(work, decided)
    modes.keep(work, limits)
    moving.save()
    store.move_reports(work, joined)
    for aspect, newest in correcting.sequences(waiting).items():
        store.newer_corrections(work, aspect, newest)
    book.store_turns(work, given)
    _join_later(work, by_report, fresh, waiting, {r: h.report for r, h in homes.items() if not h.case})


@dataclass(slots=True)
class _Opened:
    """A case that this batch opens, its steps and its document so far."""

    case: Case
    moves: Moves = ()
    document: dict[str, Any] = field(default_factory=dict)

    def go(self, work: Work, moves: Moves, cause: Event) -> None:
        """Takes steps and tells of them."""
        if moves:
            self.moves += moves
            self.document = tell(work, moves, cause)


@dataclass(frozen=True, slots=True)
class _Home:
    """The earlier report that a new one is joined to, and its case, "" while that isn't known."""

    report: str
    case: str


def _homes(
    work: Work, by_report: dict[str, Event], fresh: list[str], waiting: dict[str, list[dict[str, Any]]]
) -> dict[str, _Home]:
    """Where the joined reports of a batch belong; those that were separated before they came belong nowhere."""
    wanted = {
        r: joined["report"]
        for r in fresh
        if (joined := by_report[r].data.get("joined")) and not _about(waiting[r], "report.separated")
    }
    if not wanted:
        return {}
    found = store.cases_of_reports(work, sorted(set(wanted.values())))
    return {r: _Home(target, found.get(target, "")) for r, target in wanted.items()}


def _about(words: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [w for w in words if w["about"] == name]


def _attachable(homes: dict[str, _Home], moving: Moving, batch: dict[str, str]) -> dict[str, str]:
    """By report the case that it goes into: one that takes more, or one that this very batch opens.

    `batch`: the cases that the batch would open, and for which report.
    """
    out: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for report, home in homes.items():
        counts[home.case] += 1
        if home.case in moving.cases:
            fits = cases.takes_more(moving.cases[home.case], counts[home.case])
        else:
            fits = batch.get(home.case, report) != report and counts[home.case] < cases.MOST_REPORTS
        if fits:
            out[report] = home.case
    # Whose own case isn't opened can't be anybody's home.
    return {r: case for r, case in out.items() if batch.get(case) not in out}


def _join_later(
    work: Work,
    by_report: dict[str, Event],
    fresh: list[str],
    waiting: dict[str, list[dict[str, Any]]],
    unknown: dict[str, str],
) -> None:
    """What couldn't be joined on receipt, since one of the two hadn't come: now, or when the other comes."""
    joins = [
        Joining(words["report"], words["into"], words["by"], words["at"], words["reason"], by_report[report])
        for report in fresh
        for words in _about(waiting[report], "report.joined")
    ]
    for report, into in unknown.items():
        event = by_report[report]
        joins.append(Joining(report, into, "intake", iso(work.now), event.data["joined"]["reason"], event))
    if joins:
        join_cases(work, joins)


# -- what reporters say ------------------------------------------------------------------------------


def _said(case: Case, words: dict[str, Any], book: Book) -> tuple[Case, Moves]:
    """Applies what was said about a report to its case."""
    at = parse(words["at"])
    if words["about"] == "report.withdrawn":
        # A case of several reports goes on for the others.
        moves = cases.withdraw(case, words["by"], at, words.get("reason")) if len(case.reports) == 1 else ()
        return (moves[-1].case if moves else case), moves
    if words["about"] == "report.rated":
        policy = book.policy(at)
        response = policy.response("street")
        return cases.rate(
            case,
            words["solved"],
            words.get("satisfaction"),
            words["by"],
            at,
            response,
            policy.terms.reopen_days,
        )
    return case, ()


def _words(event: Event) -> dict[str, Any]:
    """What an event says about a report, without its texts."""
    data = event.data
    words = {"about": event.name, "at": data["at"], "by": f"report:{data['report']}"[:128]}
    if event.name == "report.rated":
        solved = None if data.get("unsure") else data["solved"]
        words |= {"solved": solved, "satisfaction": data.get("satisfaction")}
    if event.name == "report.withdrawn" and data.get("reason"):
        words["reason"] = mask(data["reason"])
    if event.name == "report.supplemented":
        words |= correcting.words_of(event)
    return words


def about_reports(work: Work, events: Sequence[Event]) -> None:
    """report.withdrawn, report.rated, report.supplemented; what comes before its report waits for it."""
    found = store.cases_of_reports(work, sorted({e.data["report"] for e in events}))
    # In the order of the reports, so that two replicas don't wait for each other.
    missing = sorted((e for e in events if e.data["report"] not in found), key=lambda e: e.data["report"])
    late = [e.data["report"] for e in missing if not store.wait_for_report(work, e.data["report"], _words(e))]
    if late:  # opened by another replica in the meantime
        found |= store.cases_of_reports(work, late)
    corrections = [e for e in events if e.name == "report.supplemented" and correcting.words_of(e)]
    if corrections:
        correcting.from_intake(work, corrections, found)
        events = [e for e in events if e not in corrections]
    book = books.of(work)
    moving = Moving(work, sorted({found[e.data["report"]] for e in events if e.data["report"] in found}))
    noted = []
    for event in events:
        case_id = found.get(event.data["report"])
        if case_id is None:
            continue
        case, words = moving.cases[case_id], _words(event)
        after, moves = _said(case, words, book)
        moving.take(after, moves, event)
        if not moves:
            noted.append(_note(case, event.name.removeprefix("report."), words))
    moving.save()
    store.note_steps(work, noted)


def _note(case: Case, action: str, words: dict[str, Any]) -> dict[str, Any]:
    return {
        "case_id": case.id,
        "sequence": case.sequence,
        "action": action,
        "actor": words["by"],
        "at": words["at"],
        "leg": None,
        "reason": words.get("reason"),
    }


# -- one matter, several reports ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Joining:
    """A report and all that is in one case with it go into the case of another report."""

    report: str
    into: str
    by: str
    at: str
    reason: str
    cause: Event

    def words(self) -> dict[str, Any]:
        """What is kept while one of the two hasn't come."""
        said = {"report": self.report, "into": self.into, "by": self.by, "at": self.at, "reason": self.reason}
        return {"about": "report.joined", **said}


def report_joined(work: Work, events: Sequence[Event]) -> None:
    """The desk, or a later look, found that two reports are about one matter: their cases become one."""
    events = _newest(work, events)
    join_cases(
        work,
        [
            Joining(
                e.data["report"],
                e.data["joined"]["report"],
                e.data["by"],
                e.data["at"],
                e.data["joined"]["reason"],
                e,
            )
            for e in events
        ],
    )


def _newest(work: Work, events: Sequence[Event]) -> list[Event]:
    """The events that say what still holds of their report: an undone join that comes late is no join."""
    last: dict[str, Event] = {}
    for event in sorted(events, key=lambda e: e.sequence):
        last[event.subject] = event
    known = store.cases_of_reports(work, sorted(last))
    newer = store.newer_joins(work, {r: e.sequence for r, e in last.items() if r in known})
    return [e for r, e in sorted(last.items()) if r in newer or r not in known]


def join_cases(work: Work, joins: Sequence[Joining]) -> None:
    """Makes one case of two, the more urgent one; cases that are over or too full stay as they are."""
    found = store.cases_of_reports(work, sorted({r for j in joins for r in (j.report, j.into)}))
    both = []
    for join in joins:
        missing = next((r for r in (join.report, join.into) if r not in found), None)
        if missing is None:
            both.append(join)
        elif not store.wait_for_report(work, missing, join.words()):
            found |= store.cases_of_reports(work, [missing])  # opened by another replica in the meantime
            both.append(join)
    moving = Moving(work, sorted({found[r] for j in both for r in (j.report, j.into)}))
    moved: dict[str, str] = {}
    for join in both:
        case, into = (moving.cases[_now(found[r], moved)] for r in (join.report, join.into))
        if case.id == into.id or not into_one(case, into):
            continue
        keep, gone = (into, case) if cases.keeps(into, case) else (case, into)
        merged = cases.merge(keep, gone.reports, join.by, join.at, join.reason)
        away = cases.merge_away(gone, keep, join.by, join.at)
        moving.take(merged[-1].case if merged else keep, merged, join.cause)
        moving.take(away[-1].case, away, join.cause)
        moved[gone.id] = keep.id
    moving.save()
    gone_from = {r["id"]: gone for gone in moved for r in moving.cases[gone].reports}
    store.note_own_cases(work, gone_from)
    store.move_reports(work, {report: _now(gone, moved) for report, gone in gone_from.items()})


def into_one(case: Case, other: Case) -> bool:
    """Whether two cases can become one: both are being handled, and together they aren't too many reports."""
    return cases.takes_more(case, len(other.reports)) and cases.takes_more(other, len(case.reports))


def _now(case_id: str, moved: dict[str, str]) -> str:
    while case_id in moved:
        case_id = moved[case_id]
    return case_id


def report_separated(work: Work, events: Sequence[Event]) -> None:
    """A join is undone: the report gets a case of its own, by the policy as if it had just come."""
    events = _newest(work, events)
    found = store.cases_of_reports(work, [e.subject for e in events])
    for event in events:
        if event.subject not in found:
            words = {"about": "report.separated", "at": event.data["at"], "by": event.data["by"]}
            if not store.wait_for_report(work, event.subject, words):
                found |= store.cases_of_reports(work, [event.subject])
    here = [e for e in events if e.subject in found]
    if not here:
        return
    book = books.of(work)
    own = store.own_cases(work, [e.subject for e in here])
    moving = Moving(work, sorted({found[e.subject] for e in here} | set(own.values())))
    # Alone in its case it has one of its own already.
    here = [e for e in here if len(moving.cases[found[e.subject]].reports) > 1]
    given: Counter[str] = Counter()
    decided: list[dict[str, Any]] = []
    limits: dict[str, Kept] = {}
    opened, moved = [], {}
    for event, number in zip(here, store.numbers(work, len(here)), strict=True):
        case, data, id_ = moving.cases[found[event.subject]], event.data, new_id()
        out = cases.separate(case, event.subject, data["by"], data["at"], data["reason"])
        if out:
            moving.take(out[-1].case, out, event)
        before = _revivable(moving, own.get(event.subject), case, event.subject)
        id_ = before.id if before is not None else id_
        moves = opening.open_case(work, book, given, decided, data["report"], id_, number, deciding.SEPARATED)
        moved[event.subject] = id_
        if before is not None:  # what it was before it was merged goes on, with its number and its clocks
            anew = moves[-1].case
            before = replace(before, decision=anew.decision)
            back = cases.unmerge(before, anew.legs, data["by"], data["at"], data["reason"], anew.whistle)
            moving.take(back[-1].case, back, event)
            decided[-1]["sequence"] = back[-1].case.sequence
            continue
        if book.emergencies:
            moves = modes.opened(work, book, moves, limits)
        opened.append((moves[-1].case, moves, tell(work, moves, event)))
    moving.save()
    store.insert_cases(work, opened)
    store.insert_decisions(work, decided)
    modes.keep(work, limits)
    store.move_reports(work, moved)
    book.store_turns(work, given)


def _revivable(moving: Moving, own: str | None, home: Case, report: str) -> Case | None:
    """The case that a report had of its own, while it is merged into the one that the report leaves, and was about that
    report alone."""
    before = moving.cases.get(own or "")
    if before is None or before.state != "merged" or before.merged_into != home.id:
        return None
    return before if [r["id"] for r in before.reports] == [report] else None


# -- clocks ------------------------------------------------------------------------------------------


def clock_breached(work: Work, events: Sequence[Event]) -> None:
    """A limit has passed: one step up the tree, to the desk, or closed without an answer of the reporter."""
    book = books.of(work)
    moving = Moving(work, sorted({e.data["clock"]["case"] for e in events}))
    policy = book.policy(work.now)
    for event in events:
        clock = event.data["clock"]
        case = moving.cases.get(clock["case"])
        if case is None:
            if clock["kind"] in _OUTSIDE:
                continue  # a promise that is in no case
            log.warning("a clock of an unknown case", extra={"case": clock["case"], "clock": clock["id"]})
            continue
        moves = _by_clock(work, book, policy, case, clock)
        if moves:
            moving.take(moves[-1].case, moves, event)
    moving.save()


def reassigns(event: Event) -> bool:
    """Whether a step of the ladder hands the case to somebody else; to tell somebody is notify's business."""
    return (event.data["clock"].get("ladder") or {}).get("do") == "reassign"


def _by_clock(work: Work, book: Book, policy: Policy, case: Case, clock: dict[str, Any]) -> Moves:
    kind, leg, now = clock["kind"], clock.get("leg"), work.now
    if kind in ("approval", "callback", "claim", "notice"):
        return ()  # a promise of somebody who doesn't hold the case: nothing of its handling is late
    if kind == "confirmation":
        return cases.lapse(case, clock["started_at"], ACTOR, now)
    rises = (clock.get("ladder") or {}).get("do") == "reassign"
    if (kind == "response" or rises) and leg:
        held = case.leg(leg)
        if held is not None and held.kind == whistles.CONVENE:
            return whistles.undecided(case, leg, ACTOR, now)
        if held is not None and held.state == "offered" and offering.is_offer(case, held):
            return helping.given_up(work, book, case, leg, ACTOR, offering.LAPSED, lapsed=True)
        step = clock.get("ladder") or {}
        if step and not rises:
            return ()  # the policy of clocks says that somebody is told, and notify tells them
        ladder: Sequence[Rung] = ()
        if held is not None and held.assignee.type == "person":
            above = handing.ladder(book.directory, case, held.assignee.id)
            above = handing.from_step(above, step.get("whom"), book.directory)
            ladder = handing.rungs(above, book.staff, now, handing.turned_down(case))
        return cases.raise_step(case, leg, ladder, ACTOR, now, policy.responses, take_over=rises)
    return cases.supervise(case, leg, ACTOR, now, policy.response("street"))


_HANDLERS = [
    on("report.received", report_received, repeatable=True),
    on("report.withdrawn", about_reports),
    on("report.rated", about_reports),
    on("report.supplemented", about_reports),
    on("person.erased", dead_letters.forget_people),
    on("report.joined", report_joined),
    on("report.separated", report_separated),
    on("clock.breached", clock_breached),
    on("clock.escalated", clock_breached, wants=reassigns),
    on("handling.reported", handling_reported),
    on("meeting.held", convening.meeting_held, wants=convening.concerns),
    *emergencies.HANDLERS,
]
HANDLERS = together(_HANDLERS, rising.HANDLERS)
