"""Looks for what `gaming` judges: asks the store, makes findings, and keeps who has looked at one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from jiayuan.chassis.work import Work

from . import gaming, store
from . import policy as policies
from .book import Book
from .gaming import Closing, Evidence, Finding, Habit, Record, Thresholds, Use
from .store.gaming import Span

# A photo's look-back and a habit's are the policy's; how much one question may span is this.
MOST_DAYS: Final = 92
AGAIN: Final = ("reopen", "rework")
_SAMPLE: Final = 100


def thresholds(book: Book, at: datetime) -> Thresholds:
    """The policy's; those that come with the service where an older policy names none."""
    found = book.policy(at).gaming or policies.bundled().gaming
    assert found is not None
    return found


def find(
    work: Work, of: Thresholds, span: Span, kinds: Sequence[str] = gaming.KINDS, patience: int | None = None
) -> list[Finding]:
    """What there is in a span, what is to be looked at first, the newest first within each."""
    store.gaming.be_patient(work, *([] if patience is None else [patience]))
    out: list[Finding] = []
    for kind in kinds:
        out += _FINDERS[kind](work, of, span)
    return sorted(out, key=lambda f: (not f.look, -f.until.timestamp(), f.id))


def _evidence(row: Any, **more: Any) -> Evidence:
    return Evidence(str(row.case_id), row.number, row.sequence, row.action, row.actor, row.at, more)


# -- mass closing ------------------------------------------------------------------------------------


def _mass_closing(work: Work, of: Thresholds, span: Span) -> list[Finding]:
    counted: dict[tuple[str, str], list[tuple[datetime, int]]] = defaultdict(list)
    for type_, id_, at, n in store.gaming.windows(work, span, of.window, of.least):
        counted[type_, id_].append((at, n))
    if not counted:
        return []
    known = store.gaming.habits(work, span, of.base, of.window, [id_ for _, id_ in counted])
    out: list[Finding] = []
    for (type_, id_), starts in counted.items():
        windows, mean, most = known.get((type_, id_), (0, 0.0, 0))
        habit = Habit(windows, mean, most, None)
        densest = max(n for _, n in starts)
        found = []
        for start, end in gaming.bursts(starts, of.window):
            count = max(n for at, n in starts if start <= at <= end)
            # What is usual for them is told once, by the densest window; their every day isn't news.
            if mean and count < of.ratio * mean and count < densest:
                continue
            finding = _burst(work, of, span, type_, id_, start, end, habit)
            if finding is not None:
                found.append(finding)
        usual = [f for f in found if not f.look]
        out += [f for f in found if f.look] + usual[:1]
    return _one_a_burst(out)


def _burst(
    work: Work,
    of: Thresholds,
    span: Span,
    type_: str,
    id_: str,
    start: datetime,
    end: datetime,
    habit: Habit,
) -> Finding | None:
    rows = store.gaming.resolutions(
        work, Span(start, end + timedelta(microseconds=1), span.street), type_, id_
    )
    closings = [_closing(row) for row in rows]
    who = {"type": type_, "id": id_}
    found = gaming.mass_closing(who, closings, habit, of)
    if found is None:
        return None
    before = store.gaming.resolutions(
        work, Span(max(span.since - of.base, start - of.base), start, span.street), type_, id_, _SAMPLE
    )
    used = [c.used for c in map(_closing, before) if c.used is not None]
    share = sum(of.near <= u <= 1 for u in used) / len(used) if used else None
    return gaming.mass_closing(who, closings, Habit(habit.windows, habit.mean, habit.most, share), of)


def _closing(row: Any) -> Closing:
    doc = row.state_doc
    leg = next((leg for leg in doc["legs"] if leg["id"] == str(row.leg)), None)
    used = gaming.share_used(doc, leg, row.at) if leg is not None else None
    more: dict[str, Any] = {} if used is None else {"used": round(used, 3)}
    matter = f"{row.community} {row.category}" if row.community else ""
    return Closing(_evidence(row, **more), used, matter)


def _one_a_burst(found: list[Finding]) -> list[Finding]:
    """A burst of one person is that of the unit too: it is told once, of the person."""
    out: dict[tuple[Any, ...], Finding] = {}
    for finding in sorted(found, key=lambda f: f.subject["type"]):
        out.setdefault(tuple((e.case, e.sequence) for e in finding.evidence), finding)
    return list(out.values())


# -- the same photo ----------------------------------------------------------------------------------


def _same_photo(work: Work, of: Thresholds, span: Span) -> list[Finding]:
    uses: dict[str, list[Use]] = defaultdict(list)
    streets: dict[str, set[str]] = defaultdict(set)
    for row in store.gaming.photos(work, span, of.photo_back):
        streets[row.photo].add(row.street)
        merged, emergency = row[-2], row[-1]
        more = {"street": row.street, "community": row.community, "category": row.category}
        evidence = _evidence(row, **more)
        uses[row.photo].append(
            Use(evidence, merged or str(row.case_id), row.community or "", row.category, emergency or "")
        )
    out = []
    for photo, mine in uses.items():
        if span.street is not None and span.street not in streets[photo]:
            continue
        found = gaming.same_photo(photo, mine, of)
        if found is not None:
            out.append(found if span.street is None else _own_street(found, span.street))
    return out


def _own_street(found: Finding, street: str) -> Finding:
    """What a street sees: its own cases; of others that there are some, and how many."""
    from dataclasses import replace

    own = tuple(e for e in found.evidence if e.more["street"] == street)
    elsewhere = len({e.case for e in found.evidence} - {e.case for e in own})
    actors = sorted({e.actor for e in own})
    numbers = {**found.numbers, "actors": actors, "cases_elsewhere": elsewhere}
    return replace(found, evidence=own, numbers=numbers)


# -- ping-pong ---------------------------------------------------------------------------------------


def _ping_pong(work: Work, of: Thresholds, span: Span) -> list[Finding]:
    docs = {str(r.id): r.state_doc for r in store.gaming.thrown(work, span, gaming.TRANSFERS, of.transfers)}
    found = {id_: gaming.ping_pong(doc, (), of) for id_, doc in docs.items()}
    there = [id_ for id_, finding in found.items() if finding is not None]
    if not there:
        return []
    steps: dict[str, list[Evidence]] = defaultdict(list)
    for row in store.gaming.steps_of(work, there, gaming.TRANSFERS):
        steps[str(row.case_id)].append(_evidence(row))
    made = (gaming.ping_pong(docs[id_], steps[id_], of) for id_ in there)
    return [finding for finding in made if finding is not None]


# -- closed and reopened -----------------------------------------------------------------------------


def _reopened(work: Work, of: Thresholds, span: Span) -> list[Finding]:
    again: dict[tuple[str, str], list[Evidence]] = defaultdict(list)
    cases: set[str] = set()
    for row in store.gaming.opened_again(work, span, AGAIN):
        again[row[-2], row[-1]].append(_evidence(row, community=row.community, category=row.category))
        cases.add(str(row.case_id))
    if not again:
        return []
    records = [
        Record({"type": type_, "id": id_}, n, tuple(again.get((type_, id_), ())))
        for (type_, id_), n in store.gaming.resolved(work, span).items()
    ]
    out = gaming.reopened(records, span.since, span.until, of)
    times: dict[str, list[Evidence]] = defaultdict(list)
    for row in store.gaming.steps_of(work, cases, AGAIN):
        times[str(row.case_id)].append(_evidence(row))
    for id_, steps in times.items():
        finding = gaming.repeated(id_, steps[0].number, steps, of)
        if finding is not None:
            out.append(finding)
    return out


_FINDERS: Final = {
    "mass_closing": _mass_closing,
    "same_photo": _same_photo,
    "ping_pong": _ping_pong,
    "reopened": _reopened,
}


# -- what people say of it ---------------------------------------------------------------------------


def listing(work: Work, found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as they are answered, each with who has looked at it."""
    looked = store.gaming.looks(work, [f.id for f in found])
    return [f.document() | {"looked": looked.get(f.id, [])} for f in found]


def look(work: Work, found: Sequence[Finding], finding: str, street: str | None, by: str, note: str) -> bool:
    """Notes that somebody looked at a finding; False when there is none of that name."""
    it = next((f for f in found if f.id == finding), None)
    if it is None:
        return False
    store.gaming.add_look(work, it.document(), street, by, note)
    return True


__all__ = ["MOST_DAYS", "Span", "find", "listing", "look", "thresholds"]
