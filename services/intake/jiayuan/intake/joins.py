"""Joining reports about one matter (並案): on receipt, by the desk, and back again. In the caller's transaction."""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Final

from jiayuan.chassis.errors import Problem
from jiayuan.chassis.work import Work
from jiayuan.contracts.check import FieldProblem
from jiayuan.contracts.times import iso, parse

from . import emergencies, matters, people, progress, report, store, text
from .matters import Likeness, Matter, Print

WEIGHTS: Final = {"band": 3, "name": 2, "reporter": 2, "place": 1}
# routing takes as many into a case (its events hold them all); the next one begins a matter of its own.
MOST_REPORTS: Final = 200
_DECIDED: Final = ("resolved", "closed", "voided")
_BATCH_BUCKET: Final = 8
_HARD_BATCH_BUCKET: Final = 30
_CHINA: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Found:
    """That a report is about the matter of an earlier one: the first report of that matter, how sure, and why."""

    report: str
    score: float
    reason: str

    def document(self) -> dict[str, Any]:
        """As events hold it."""
        return {"report": self.report, "score": self.score, "reason": self.reason}


# -- on receipt ----------------------------------------------------------------------------------------


def on_receipt(work: Work, rows: Sequence[Mapping[str, Any]]) -> dict[str, Found]:
    """Looks for the matters of reports that were just stored, and keeps what was found: a join, or a question to the
    desk. Returns the joins by report id.

    `rows` as they were stored. One statement for the batch; two more where something is likely enough.
    """
    new = [matters.read(_matter(row)) for row in rows if row["kind"] in matters.KINDS]
    hard = any(emergencies.on(p.matter.street, p.matter.community, p.matter.grid, p.matter.at) for p in new)
    pairs = _pairs(work, new, keep=True, hard=hard)
    named = _named()
    decided: list[tuple[Print, Candidate, Likeness]] = []
    firsts: dict[str, str] = {}  # of reports of this batch that were joined: the first of their matter
    for print_ in new:
        found = _likest(print_, pairs.get(print_.matter.id, ()), named)
        if found is not None:
            candidate, likeness = found
            candidate = Candidate(candidate.print, firsts.get(candidate.print.matter.id) or candidate.first)
            decided.append((print_, candidate, likeness))
            if likeness.certain:
                firsts[print_.matter.id] = candidate.first
    if not decided:
        return {}
    closed = _not_open(work, {c.first for _, c, _ in decided})
    out, kept = {}, []
    for print_, candidate, likeness in decided:
        first = candidate.first
        if first in closed:
            continue  # what was settled and is there again is a new matter
        kept.append(_row(work, print_, candidate, likeness))
        if likeness.certain:
            out[print_.matter.id] = Found(first, likeness.score, likeness.reason)
    store.add_joins(work, kept)
    return out


@dataclass(frozen=True, slots=True)
class Candidate:
    """An earlier report, and the id of the first one of its matter."""

    print: Print
    first: str


def _pairs(work: Work, new: Sequence[Print], *, keep: bool, hard: bool = False) -> dict[str, list[Candidate]]:
    """By new report its candidates: earlier ones, and those that stand before it in the batch; `hard`: more of them."""
    bucket = _HARD_BATCH_BUCKET if hard else _BATCH_BUCKET
    since = first_id(matters.WINDOW)
    rows: list[dict[str, Any]] = []
    batch: dict[int, list[Print]] = defaultdict(list)
    out: dict[str, list[Candidate]] = {}
    for print_ in new:
        mine: dict[str, Print] = {}
        keys = matters.keys(print_)
        rows.append(
            {
                "id": print_.matter.id,
                "since": since,
                "keys": [key for _, key in keys],
                "weights": [WEIGHTS[kind] for kind, _ in keys],
            }
        )
        if len(new) > 1:
            for _, key in keys:
                for other in batch[key][-bucket:]:
                    mine[other.matter.id] = other
                batch[key].append(print_)
        out[print_.matter.id] = [Candidate(p, p.matter.id) for p in list(mine.values())[-bucket:]]
        if keep:
            _remember(print_)
    for row in store.candidates(work, rows, keep=keep, hard=hard):
        out[row.new].append(Candidate(_read(row), row.matter or row.id))
    return out


def _likest(
    print_: Print, candidates: Sequence[Candidate], named: Mapping[str, str]
) -> tuple[Candidate, Likeness] | None:
    """The likest candidate that is worth a question; while an emergency is on there, less is enough."""
    m = print_.matter
    joined, asked = emergencies.thresholds(m.street, m.community, m.grid, m.at)
    ranked = _ranked(print_, candidates, named, joined)
    return ranked[0] if ranked and ranked[0][1].score >= asked else None


def _ranked(
    print_: Print,
    candidates: Sequence[Candidate],
    named: Mapping[str, str],
    joined: float = matters.JOINED,
) -> list[tuple[Candidate, Likeness]]:
    at = print_.matter.at
    near = [c for c in candidates if abs(c.print.matter.at - at) <= matters.WINDOW]
    compared = [(c, matters.compare(print_, c.print, named, joined)) for c in near]
    return sorted(
        compared, key=lambda p: (not p[1].certain, -p[1].score, p[0].print.matter.at, p[0].print.matter.id)
    )


def _row(work: Work, print_: Print, candidate: Candidate, likeness: Likeness) -> dict[str, Any]:
    state = store.JOINED if likeness.certain else store.ASKED
    return {
        "report": print_.matter.id,
        "matter": candidate.first,
        "near": candidate.print.matter.id,
        "score": likeness.score,
        "reason": likeness.reason,
        "state": state,
        "at": work.now.isoformat(),
        "history": [{"state": state, "by": "intake", "at": work.now.isoformat(), "note": likeness.reason}],
    }


def _not_open(work: Work, firsts: set[str]) -> set[str]:
    """The matters that nothing can be joined to: settled already, or full."""
    done = {r for r, case in store.progress_of(work, sorted(firsts)).items() if case.state in _DECIDED}
    return done | {r for r, n in store.sizes(work, firsts).items() if n + 1 >= MOST_REPORTS}


# -- reading rows --------------------------------------------------------------------------------------

# Prints of reports that were compared lately: what everybody reports today is a candidate again and again.
_prints: OrderedDict[str, Print] = OrderedDict()
_MOST_PRINTS: Final = 2000


def _read(row: Any) -> Print:
    known = _prints.get(row.id)
    if known is not None:
        _prints.move_to_end(row.id)
        return known
    return _remember(matters.read(_matter({**row._mapping, "signs": row.danger})))


def _remember(print_: Print) -> Print:
    # Without its texts: nobody needs them any more, and what is erased must not stay here.
    print_ = replace(print_, matter=replace(print_.matter, title="", text=""))
    _prints[print_.matter.id] = print_
    if len(_prints) > _MOST_PRINTS:
        _prints.popitem(last=False)
    return print_


def _matter(row: Mapping[str, Any]) -> Matter:
    at = row["received_at"]
    return Matter(
        str(row["id"]),
        row["kind"],
        row["title"],
        row["text"],
        row["category"],
        row["street"] or "",
        row["community"] or "",
        row["grid"] or "",
        row["reporter"] or "",
        at if isinstance(at, datetime) else parse(at),
        bool(row["signs"]),
    )


def _named() -> Mapping[str, str]:
    return _names(report.rules())


@lru_cache(maxsize=2)
def _names(rules: report.Rules) -> Mapping[str, str]:
    nodes = {code: node.name for code, node in rules.gazetteer.nodes.items()}
    return nodes | {code: c.name for code, c in rules.catalogue.categories.items()}


def first_id(span: timedelta) -> str:
    """The least UUIDv7 that could have been given out within the span before now, by the wall clock."""
    millis = max(int((time.time() - span.total_seconds()) * 1000), 0)
    return str(uuid.UUID(int=millis << 80))


# -- before sending ------------------------------------------------------------------------------------

MOST_LIKELY: Final = 5
_DRAFT: Final = str(uuid.UUID(int=0))


def likely(work: Work, clean: report.CleanReport) -> list[dict[str, Any]]:
    """What a draft may be a repetition of, the likest first: nothing of it leads to a person or a text.

    Of each: category, place, day, status, score, and why. Disputes and what is dangerous are nobody's to read; and who
    sees danger must report it, whoever else has.
    """
    if clean.kind not in matters.KINDS:
        return []
    place, category = clean.place, clean.guess.category
    draft = matters.read(
        Matter(
            _DRAFT,
            clean.kind,
            clean.title,
            clean.text,
            category.code,
            place.street or "",
            place.community or "",
            place.grid or "",
            "",  # whose phone a draft names is not proven: what they sent is nobody else's to know
            work.now,
        )
    )
    seen = [
        c
        for c in _pairs(work, [draft], keep=False)[_DRAFT]
        if not c.print.matter.danger and c.print.matter.kind != "dispute"
    ]
    ranked = [p for p in _ranked(draft, seen, _named()) if p[1].score >= matters.LIKELY][:MOST_LIKELY]
    cases = store.progress_of(work, [c.print.matter.id for c, _ in ranked])
    return [_shown(c.print.matter, likeness, cases.get(c.print.matter.id)) for c, likeness in ranked]


def _shown(matter: Matter, likeness: Likeness, case: Any | None) -> dict[str, Any]:
    named = _named()
    where = [named[code] for code in (matter.street, matter.community) if code in named]
    status = progress.public(store.RECEIVED, case)
    return {
        "category": {"code": matter.category, "name": named.get(matter.category, "")},
        "place": {
            "street": matter.street or None,
            "community": matter.community or None,
            "name": "".join(where),
        },
        "day": matter.at.astimezone(_CHINA).date().isoformat(),
        "status": status["status"],
        "words": status["words"],
        "score": likeness.score,
        "reason": likeness.reason,
    }


# -- what the desk decides -----------------------------------------------------------------------------


def decide(work: Work, report_id: str, join: bool, by: str, note: str = "", traceparent: str = "") -> str:
    """The desk's answer to a question: join the report, or leave it alone. The state that it is in now.

    Problem 404 when nothing was asked of that report, 409 when it is answered already or can't be joined any more.
    """
    row = _asked_or_joined(work, report_id)
    wanted = store.JOINED if join else store.DECLINED
    if row.state == wanted:
        return wanted
    if row.state != store.ASKED:
        raise Problem(409, "Decided already", f"the report is {row.state}: {_HOW[row.state]}")
    note = _note(note)
    if join:
        _join(work, report_id, str(row.matter), row.score, row.reason, by, note, traceparent)
    else:
        store.decide_join(work, report_id, store.DECLINED, by, note)
    return wanted


def by_hand(
    work: Work, report_id: str, matter: str, by: str, reason: str, traceparent: str = ""
) -> tuple[str, bool]:
    """Joins a report to another one's matter because a person says so: the first report of the matter, and whether
    anything was changed. Problem 404 for an unknown report, 409 when they can't be joined."""
    for id_ in (report_id, matter):
        _whole(work, id_)
    reason = _note(reason)
    if not reason:
        raise Problem(
            422,
            "The join can't be taken",
            problems=[FieldProblem("reason", "is empty", "1 to 300 characters")],
        )
    row = store.join_of(work, report_id, lock=True)
    if row is None:
        rows = {"report": report_id, "matter": matter, "near": matter, "score": 1.0, "reason": reason}
        store.add_joins(work, [rows | {"state": store.ASKED, "at": work.now.isoformat(), "history": []}])
    elif row.state == store.JOINED:
        if str(row.matter) == _first(work, matter):
            return str(row.matter), False
        raise Problem(409, "Joined already", "the report is joined to another matter: undo that join first")
    return _join(work, report_id, matter, 1.0, reason, by, reason, traceparent), True


def undo(work: Work, report_id: str, by: str, reason: str, traceparent: str = "") -> None:
    """A joined report is a matter of its own again, and gets a case of its own. Undone before, nothing happens.

    Problem 404 when the report was never joined, 409 when it only was asked about.
    """
    row = _asked_or_joined(work, report_id)
    if row.state == store.SEPARATED:
        return
    if row.state != store.JOINED:
        raise Problem(409, "Not joined", f"the report is {row.state}: there is no join to undo")
    reason = _note(reason)
    if not reason:
        raise Problem(
            422,
            "The join can't be undone",
            problems=[FieldProblem("reason", "is empty", "1 to 300 characters")],
        )
    whole = _whole(work, report_id)
    store.decide_join(work, report_id, store.SEPARATED, by, reason)
    _emit(
        work,
        "report.separated",
        whole,
        {
            "report": report.document(whole._mapping),
            "separated": str(row.matter),
            "by": by,
            "at": iso(work.now),
            "reason": reason,
        },
        traceparent,
    )


_HOW: Final = {
    store.JOINED: "undo the join first",
    store.DECLINED: "join it by hand if that was wrong",
    store.SEPARATED: "join it by hand if that was wrong",
}


def _join(
    work: Work, report_id: str, matter: str, score: float, reason: str, by: str, note: str, traceparent: str
) -> str:
    first = _first(work, matter)
    if first == report_id:
        raise Problem(409, "One matter already", "the other report is joined to this one")
    cases = store.progress_of(work, [report_id, first])
    for id_ in (report_id, first):
        case = cases.get(id_)
        if case is not None and case.state in _DECIDED:
            raise Problem(
                409, "Settled already", f"case {case.number} is {case.state}: nothing can be joined to it"
            )
    sizes = store.sizes(work, [report_id, first])
    if sum(sizes.values()) + 2 > MOST_REPORTS:
        raise Problem(409, "Too many reports", f"a matter has at most {MOST_REPORTS} reports")
    whole = _whole(work, report_id)
    store.decide_join(work, report_id, store.JOINED, by, note, matter=first)
    store.follow(work, report_id, first)
    joined = Found(first, score, reason).document()
    data = {"report": report_id, "joined": joined, "by": by, "at": iso(work.now)}
    _emit(work, "report.joined", whole, data, traceparent)
    return first


def _first(work: Work, report_id: str) -> str:
    """The first report of the matter that a report belongs to."""
    row = store.join_of(work, report_id)
    return str(row.matter) if row is not None and row.state == store.JOINED else report_id


def _asked_or_joined(work: Work, report_id: str) -> Any:
    row = store.join_of(work, report_id, lock=True) if _is_id(report_id) else None
    if row is None:
        raise Problem(404, "No such join", "nothing was joined or asked about that report")
    return row


def _whole(work: Work, report_id: str) -> Any:
    row = store.whole(work, report_id) if _is_id(report_id) else None
    if row is None:
        raise Problem(404, "No such report", "there is no report with this id")
    return row


def an_id(value: str) -> str:
    """A report's id in its one form; ValueError when it is none."""
    return str(uuid.UUID(value))


def concerns(work: Work, report_id: str, street: str) -> bool:
    """Whether a report, or the first one of the matter that it may belong to, is of a street."""
    if not _is_id(report_id) or not street:
        return False
    join = store.join_of(work, report_id)
    ids = [report_id] + ([str(join.matter)] if join is not None else [])
    rows = [store.whole(work, i) for i in ids]
    return any(row is not None and row.street == street for row in rows)


def _is_id(value: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


def _note(note: str) -> str:
    return text.shorten(people.mask(text.one_line(note)), 300)


def _emit(work: Work, name: str, whole: Any, data: dict[str, Any], traceparent: str) -> None:
    id_ = str(whole.id)
    sequence = store.next_version(work, id_)
    work.emit(name, data, subject=id_, sequence=sequence, street=whole.street, traceparent=traceparent)


def document(row: Any) -> dict[str, Any]:
    """A join or a question as the desk reads it: both reports' texts, masked as they are stored."""

    named, said = _named(), row._mapping

    def side(name: str, id_: Any) -> dict[str, Any]:
        where = [named[c] for c in (said[f"{name}_street"], said[f"{name}_community"]) if c in named]
        return {
            "report": str(id_),
            "title": said[f"{name}_title"],
            "text": said[f"{name}_text"],
            "category": said[f"{name}_category_name"],
            "place": "".join(where),
            "signs": said[f"{name}_signs"],
            "received_at": iso(said[f"{name}_received_at"]),
            "state": said[f"{name}_state"],
        }

    return {
        "report": str(row.report),
        "state": row.state,
        "score": row.score,
        "reason": row.reason,
        "at": iso(row.at),
        "decided_at": iso(row.decided_at) if row.decided_at else None,
        "decided_by": row.decided_by,
        "new": side("a", row.report),
        "first": side("b", row.matter),
    }
