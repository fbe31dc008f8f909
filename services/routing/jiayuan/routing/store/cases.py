"""Cases, their legs and steps. The whole case is a JSON document; what is searched for stands in columns beside it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from jiayuan.chassis.work import Work

from ..case import Case, Moved, Rating, document, from_document
from .approvals import save_approvals
from .dues import keep_due
from .marks import keep_marks
from .rows import is_uuid, rows_of
from .tables import (
    case_step,
    case_table,
    handling,
    leg_table,
)

_CASE_COLUMNS: Final = (
    "state",
    "kind",
    "livelihood",
    "colour",
    "level",
    "street",
    "community",
    "grid",
    "opened_at",
    "resolved_at",
    "closed_at",
    "confirmed",
)


def _row(case: Case, doc: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: doc.get(name) for name in _CASE_COLUMNS}
    row["id"], row["sequence"], row["number"] = case.id, case.sequence, case.number
    row["category"] = case.category["code"]
    row["reopened"] = case.reopened
    row["rating"] = _rating(case.rating)
    row["state_doc"] = doc
    return row


def _rating(rating: Rating | None) -> dict[str, Any] | None:
    if rating is None:
        return None
    return {"solved": rating.solved, "satisfaction": rating.satisfaction, "at": rating.at, "by": rating.by}


def _leg_rows(case: Case) -> list[dict[str, Any]]:
    return [
        {
            "id": leg.id,
            "case_id": case.id,
            "kind": leg.kind,
            "level": leg.level,
            "step": leg.step,
            "assignee_type": leg.assignee.type,
            "assignee": leg.assignee.id,
            "state": leg.state,
            "offered_at": leg.offered_at,
            "ended_at": leg.ended_at or leg.done_at,
        }
        for leg in case.legs
    ]


def _step_row(moved: Moved) -> dict[str, Any]:
    change = moved.change
    return {
        "case_id": moved.case.id,
        "sequence": moved.case.sequence,
        "action": change.action,
        "actor": change.actor,
        "at": change.at,
        "leg": change.leg,
        "reason": change.reason,
        "evidence": change.evidence or None,
    }


def insert_cases(work: Work, opened: Sequence[tuple[Case, Sequence[Moved], Mapping[str, Any]]]) -> None:
    """Stores new cases: each as it is now, with its steps so far and its document."""
    work.insert(case_table, [_row(case, doc) for case, _, doc in opened])
    work.insert(leg_table, [row for case, _, _ in opened for row in _leg_rows(case)])
    work.insert(case_step, [_step_row(m) for _, moves, _ in opened for m in moves])


CASE_COLUMNS_READ: Final = "id, sequence, state_doc, reopened, rating"
_SELECT: Final = f'SELECT {CASE_COLUMNS_READ} FROM "case" WHERE '


def cases_of_rows(rows: Iterable[Any]) -> dict[str, Case]:
    """Cases by id, of rows with CASE_COLUMNS_READ."""
    return {str(r[0]): from_document(r[2], r[1], r[3], r[4]) for r in rows}


def lock_cases(work: Work, ids: Iterable[str]) -> dict[str, Case]:
    """The cases by id, locked in the order of their ids until the transaction ends."""
    wanted = [i for i in ids if is_uuid(i)]
    if not wanted:
        return {}
    sql = _SELECT + "id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE"
    return cases_of_rows(rows_of(work, sql, ids=wanted))


def read_cases(work: Work, ids: Iterable[str]) -> dict[str, Case]:
    """The cases by id, as they are now; without ids that are none of a case."""
    wanted = sorted(i for i in ids if is_uuid(i))
    if not wanted:
        return {}
    return cases_of_rows(rows_of(work, _SELECT + "id = ANY(CAST(:ids AS uuid[]))", ids=wanted))


def find_ids(work: Work, names: Iterable[str]) -> dict[str, str]:
    """Case ids of ids or numbers, by the name given; what is unknown is left out."""
    given = set(names)
    ids = {str(uuid.UUID(n)): n for n in given if is_uuid(n)}
    rows = rows_of(
        work,
        'SELECT id, number FROM "case" WHERE number = ANY(:numbers) OR id = ANY(CAST(:ids AS uuid[]))',
        numbers=list(given),
        ids=list(ids),
    )
    out = {}
    for id_, number in rows:
        if number in given:
            out[number] = str(id_)
        if str(id_) in ids:
            out[ids[str(id_)]] = str(id_)
    return out


def read_case(work: Work, name: str) -> Case | None:
    """A case by id or number, as it is now."""
    sql = _SELECT + ("id = CAST(:name AS uuid)" if is_uuid(name) else "number = :name")
    return next(iter(cases_of_rows(rows_of(work, sql, name=name)).values()), None)


_UPDATED: Final = (
    "id",
    "sequence",
    "state",
    "level",
    "resolved_at",
    "closed_at",
    "confirmed",
    "reopened",
    "rating",
    "state_doc",
)


def save_moves(work: Work, moved: Sequence[tuple[Case, Sequence[Moved]]]) -> None:
    """Stores what became of locked cases: the case as it is now, its legs, and the steps that led there."""
    rows, asking = [], []
    for case, _ in moved:
        doc = document(case)
        row = _row(case, doc)
        rows.append({name: row[name] for name in _UPDATED})
        if doc.get("approvals"):
            asking.append(doc)
    work.update(case_table, rows)
    if asking:
        save_approvals(work, asking)
    legs = [row for case, moves in moved if moves for row in _leg_rows(case)]
    work.insert(
        leg_table,
        legs,
        conflict="ON CONFLICT (id) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at "
        "WHERE leg.state <> excluded.state",
    )
    work.insert(case_step, [_step_row(m) for _, moves in moved for m in moves])
    # Few cases are ever paused, wait for an approval, or come back: the others cost no statement.
    watched = [case for case, _ in moved if case.approvals or case.pauses]
    if watched:
        keep_due(work, watched)
    keep_marks(work, moved)
    coloured = [
        {"id": case.id, "colour": case.colour}
        for case, moves in moved
        if any(m.change.action == "recolour" for m in moves)
    ]
    if coloured:
        work.update(case_table, coloured)


_RECAST: Final = ("id", "category", "livelihood", "colour", "street", "community", "grid")


def recast(work: Work, changed: Sequence[Case]) -> None:
    """What cases are about, where they are and their colour, which seldom change: the columns beside the document."""
    rows = [
        {name: getattr(case, name) for name in _RECAST} | {"category": case.category["code"]}
        for case in changed
    ]
    work.update(case_table, rows)


def note_steps(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Steps that change nothing others must know: a rating that is kept, words added to a report."""
    work.insert(case_step, rows)


def steps(work: Work, case_id: str) -> list[Any]:
    """The steps of a case in order: sequence, action, actor, at, leg, reason."""
    return rows_of(
        work,
        "SELECT sequence, action, actor, at, leg, reason, evidence FROM case_step "
        "WHERE case_id = CAST(:id AS uuid) ORDER BY sequence, id",
        id=case_id,
    )


def known_handlings(work: Work, external_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """What outside systems have reported under these ids: (source, external id) → case id."""
    rows = rows_of(
        work,
        "SELECT source, external_id, case_id FROM handling WHERE external_id = ANY(:ids)",
        ids=list(external_ids),
    )
    return {(row[0], row[1]): str(row[2]) for row in rows}


def remember_handlings(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Notes what was taken from outside systems; rows: source, external_id, case_id."""
    work.insert(handling, rows, conflict="ON CONFLICT DO NOTHING")
