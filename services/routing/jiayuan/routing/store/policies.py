"""Policy tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis.work import Work

from .rows import rows_of
from .tables import (
    policy_table,
    policy_verdict,
)

_VERDICT: Final = (
    "LEFT JOIN LATERAL (SELECT verdict, by, at, reason FROM policy_verdict WHERE version = p.version "
    "ORDER BY id DESC LIMIT 1) v ON true "
)
_ROW: Final = (
    "p.version, p.effective_from, p.imported_at, p.imported_by, v.verdict, v.by AS verdict_by, v.at AS verdict_at, "
    "v.reason"
)


def policies(work: Work) -> list[Any]:
    """The documents of the approved policy tables, the one that holds from the latest time first."""
    sql = (
        f"SELECT p.document FROM policy p {_VERDICT} WHERE v.verdict = 'approved' "
        "ORDER BY p.effective_from DESC, p.imported_at DESC"
    )
    return [row[0] for row in rows_of(work, sql)]


def policy_rows(work: Work) -> list[Any]:
    """All imported tables without their documents, the one that holds from the latest time first."""
    return rows_of(
        work, f"SELECT {_ROW} FROM policy p {_VERDICT} ORDER BY p.effective_from DESC, p.imported_at DESC"
    )


def policy_row(work: Work, version: str, *, lock: bool = False) -> Any | None:
    """An imported table with its document and the last verdict. `lock`: who judges it at the same time waits."""
    if lock:
        work.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('policy:' || :version, 0))", version=version
        )
    sql = f"SELECT {_ROW}, p.document FROM policy p {_VERDICT} WHERE p.version = :version"
    return next(iter(rows_of(work, sql, version=version)), None)


def add_verdict(work: Work, version: str, verdict: str, by: str, reason: str | None) -> None:
    """Keeps what somebody said of a table; all that was said before stays."""
    row = {"version": version, "verdict": verdict, "by": by, "at": work.now, "reason": reason}
    work.insert(policy_verdict, [row])


def add_policy(work: Work, version: str, since: datetime, document: Mapping[str, Any], by: str) -> bool:
    """Stores a policy table; False when there is one of that version: what decided cases is never changed."""
    row = {
        "version": version,
        "effective_from": since,
        "document": document,
        "imported_at": work.now,
        "imported_by": by,
    }
    return bool(work.insert(policy_table, [row], conflict="ON CONFLICT DO NOTHING", returning="version"))
