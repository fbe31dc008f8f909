"""Whom notices can go to, and the tracking codes that case.* events don't carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jiayuan.chassis.work import Work

from .tables import recipient, report

_KEEP_NEWEST: Final = """
ON CONFLICT (type, ref) DO UPDATE SET
    role = excluded.role, street = excluded.street, grid = excluded.grid, active = excluded.active,
    version = greatest(excluded.version, recipient.version),
    contact = CASE WHEN recipient.erased THEN NULL
                   WHEN excluded.type <> 'citizen' THEN excluded.contact
                   WHEN excluded.version > recipient.version THEN coalesce(excluded.contact, recipient.contact)
                   ELSE coalesce(recipient.contact, excluded.contact) END
WHERE excluded.version > recipient.version
   OR (excluded.type = 'citizen' AND recipient.contact IS NULL AND excluded.contact IS NOT NULL
       AND NOT recipient.erased)
"""


def put_recipients(work: Work, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep of every recipient the highest version; a citizen's report without a contact erases none."""
    work.insert(
        recipient,
        [dict(row) for row in rows],
        conflict=_KEEP_NEWEST,
    )


def contact_of(work: Work, type_: str, ref: str) -> str | None:
    """Somebody's sealed contact."""
    found: str | None = work.execute(
        "SELECT contact FROM recipient WHERE type = :type AND ref = :ref", type=type_, ref=ref
    ).scalar()
    return found


def erase_citizens(work: Work, refs: Sequence[str]) -> None:
    """Drop the citizens' contacts and wishes for good; who isn't known yet is kept as erased, with nothing else."""
    work.execute(
        "DELETE FROM preference_change WHERE recipient_type = 'citizen' AND recipient = ANY(CAST(:refs AS text[]))",
        refs=list(refs),
    )
    work.execute(
        "DELETE FROM told WHERE type = 'citizen' AND ref = ANY(CAST(:refs AS text[]))", refs=list(refs)
    )
    work.execute(
        "INSERT INTO recipient (type, ref, role, street, grid, active, version, erased) "
        "SELECT 'citizen', ref, 'citizen', '', '', true, 0, true FROM unnest(CAST(:refs AS text[])) AS ref "
        "ORDER BY ref ON CONFLICT (type, ref) DO UPDATE SET contact = NULL, preferences = NULL, erased = true",
        refs=list(refs),
    )


def put_reports(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Remember the tracking codes, which case.* events don't carry."""
    work.insert(report, rows, conflict="ON CONFLICT (id) DO NOTHING")
