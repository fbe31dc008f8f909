"""What became of reports: the SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row

from jiayuan.chassis.work import Work

from .tables import progress, promise

_KEPT: Final = (
    "number",
    "sequence",
    "state",
    "level",
    "confirmed",
    "reports",
    "legs",
    "pauses",
    "extensions",
    "expected_at",
    "opened_at",
    "resolved_at",
    "closed_at",
    "updated_at",
)
_NEWER: Final = "excluded.sequence > progress.sequence"
# The newest state wins whatever the order of arrival; a note belongs to its event and stays with every later state.
_CONFLICT: Final = (
    "ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{c} = CASE WHEN {_NEWER} THEN excluded.{c} ELSE progress.{c} END" for c in _KEPT)
    + ", notes = progress.notes || excluded.notes, ended = progress.ended OR excluded.ended "
    + f"WHERE {_NEWER} OR NOT progress.notes @> excluded.notes"
)


def keep_promises(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Keeps the newest promise of each case; it may be there before the case is."""
    work.insert(
        promise,
        rows,
        conflict="ON CONFLICT (case_id) DO UPDATE SET sequence = excluded.sequence, differs = excluded.differs, "
        "due_at = excluded.due_at WHERE excluded.sequence > promise.sequence",
    )


def keep_progress(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Keeps the newest state of each case, in one statement that travels with the next. At most one row a case."""
    work.insert(progress, rows, conflict=_CONFLICT)


_OF: Final = (
    "SELECT p.id, number, p.sequence, state, level, confirmed, reports, legs, pauses, extensions, notes, "
    "CASE WHEN o.differs THEN o.due_at ELSE expected_at END AS expected_at, "
    "opened_at, resolved_at, closed_at, updated_at FROM progress p LEFT JOIN promise o ON o.case_id = p.id "
    "WHERE reports && CAST(:reports AS uuid[])"
)
_ELSEWHERE: Final = ("merged", "voided")


def progress_of(work: Work, reports: Sequence[str]) -> dict[str, Row[Any]]:
    """By report, the case that it is handled in: of several, the one that has not been merged away or voided, and of
    those the newest. Reports without a case are left out."""
    out: dict[str, Row[Any]] = {}
    wanted = set(reports)
    if not wanted:
        return out
    for row in work.execute(_OF, reports=list(wanted)):
        for report in map(str, row.reports):
            if report in wanted and (report not in out or _rank(row) > _rank(out[report])):
                out[report] = row
    return out


def _rank(row: Row[Any]) -> tuple[Any, ...]:
    return (row.state not in _ELSEWHERE, row.opened_at, str(row.id))
