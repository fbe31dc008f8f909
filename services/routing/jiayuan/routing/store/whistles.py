"""SQL of whistles: which cases nobody takes, and which units have come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jiayuan.chassis.work import Work

from ..case import Case
from .cases import CASE_COLUMNS_READ, cases_of_rows
from .rows import rows_of
from .tables import unclaimed_whistle


def keep(work: Work, cases: Iterable[Case]) -> None:
    """Brings the list of cases that nobody takes in line with their whistles."""
    there, gone = [], []
    for case in cases:
        whistle = case.whistle or {}
        if "unclaimed" not in whistle:
            gone.append(case.id)
            continue
        row = {"case_id": case.id, "street": case.street, "since": whistle["unclaimed_at"]}
        there.append(row | {"why": whistle["unclaimed"], "meeting": whistle.get("meeting")})
    if there:
        sets = (
            "street = excluded.street, since = excluded.since, why = excluded.why, meeting = excluded.meeting"
        )
        work.insert(unclaimed_whistle, there, conflict=f"ON CONFLICT (case_id) DO UPDATE SET {sets}")
    if gone:
        work.execute("DELETE FROM unclaimed_whistle WHERE case_id = ANY(CAST(:ids AS uuid[]))", ids=gone)


def unclaimed(work: Work, street: str | None, limit: int) -> list[Case]:
    """Cases that may be such as nobody takes, the oldest first: whether they still are, the case says."""
    mine = "u.street = :street AND " if street is not None else ""
    rows = rows_of(
        work,
        f"SELECT {CASE_COLUMNS_READ} FROM unclaimed_whistle u "
        f"JOIN \"case\" c ON c.id = u.case_id WHERE {mine}c.state NOT IN ('resolved', 'closed', 'voided', 'merged') "
        "ORDER BY u.since, u.case_id LIMIT :most",
        most=limit,
        **({"street": street} if street is not None else {}),
    )
    found = cases_of_rows(rows)
    return list(found.values())


def arrivals(work: Work, case_id: str) -> list[Any]:
    """The arrivals of a case's units: leg, at, actor, reason, evidence."""
    return rows_of(
        work,
        "SELECT leg, at, actor, reason, evidence FROM case_step "
        "WHERE case_id = CAST(:id AS uuid) AND action = 'arrive' ORDER BY sequence, id",
        id=case_id,
    )
