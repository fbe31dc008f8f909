"""Cases that have to be looked at again at a time. Whoever writes a row holds its case's lock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from jiayuan.chassis.work import Work

from ..case import Case
from ..case.approvals import next_due
from .rows import rows_of
from .tables import case_due


def keep_due(work: Work, cases: Iterable[Case]) -> None:
    """Notes when these cases have to be looked at again, or that they needn't."""
    rows = [{"case_id": c.id, "due_at": next_due(c, work.now)} for c in cases]
    if rows:
        work.insert(
            case_due,
            rows,
            conflict="ON CONFLICT (case_id) DO UPDATE SET due_at = excluded.due_at "
            "WHERE case_due.due_at IS DISTINCT FROM excluded.due_at",
        )


def due_cases(work: Work, limit: int) -> list[str]:
    """The ids of cases that are due, the longest due first."""
    sql = "SELECT case_id FROM case_due WHERE due_at <= :now ORDER BY due_at LIMIT :most"
    return [str(row[0]) for row in rows_of(work, sql, now=work.now, most=limit)]


def still_due(work: Work, ids: Sequence[str]) -> dict[str, datetime]:
    """Of cases that are locked by now those that are due, and since when: another replica may have been faster."""
    sql = "SELECT case_id, due_at FROM case_due WHERE case_id = ANY(CAST(:ids AS uuid[])) AND due_at <= :now"
    return {str(row[0]): row[1] for row in rows_of(work, sql, ids=list(ids), now=work.now)}
