"""Photos and voice notes: the SQL.

A file and its row can't be committed together. The row goes first as `arriving`, then the file, then the row is
`kept`; and a row goes `leaving` before its file is deleted, and goes with it. Whatever is killed in between leaves a
row that says so, and the sweeper works by rows alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from .tables import attachment
from .tables import media as media_table


class Kept(NamedTuple):
    """A file that may be attached: its kind, and when and where it was taken."""

    kind: str
    taken_at: datetime | None
    lat: float | None
    long: float | None


class Shown(NamedTuple):
    """A file of a report, as it is shown."""

    digest: str
    kind: str
    type: str
    size: int
    width: int
    height: int
    seconds: float
    taken_at: datetime | None


def arriving(work: Work, row: dict[str, Any]) -> None:
    """Says that a file is on its way to the store. One that was kept before stays so; one that was leaving stays."""
    row = {
        **row,
        "taken_at": iso(row["taken_at"]) if row["taken_at"] else None,
        "state": "arriving",
        "touched_at": iso(work.now),
    }
    work.insert(
        media_table,
        [row],
        conflict="ON CONFLICT (digest) DO UPDATE SET touched_at = excluded.touched_at, "
        "state = CASE media.state WHEN 'kept' THEN 'kept' ELSE 'arriving' END",
    )


def kept(work: Work, digest: str) -> None:
    """Says that the file is in the store."""
    work.execute("UPDATE media SET state = 'kept' WHERE digest = :digest", digest=digest)


def attachable(work: Work, digests: Iterable[str]) -> dict[str, Kept]:
    """Those that are in the store; they stay there until the end of the transaction."""
    found = work.execute(
        "SELECT digest, kind, taken_at, lat, long FROM media WHERE digest = ANY(:digests) AND state = 'kept' "
        "ORDER BY digest FOR SHARE",
        digests=sorted(set(digests)),
    )
    return {r.digest: Kept(r.kind, r.taken_at, r.lat, r.long) for r in found}


def attach(work: Work, rows: Sequence[tuple[str, int, str]]) -> None:
    """Attaches (report, position, digest); what is attached already stays as it is."""
    work.insert(
        attachment,
        [{"report": report, "digest": digest, "position": at} for report, at, digest in rows],
        conflict="ON CONFLICT DO NOTHING",
    )


def of_report(work: Work, report: str) -> list[Shown]:
    """The files of a report in their order."""
    found = work.execute(
        "SELECT m.digest, kind, type, size, width, height, seconds, taken_at FROM attachment a "
        "JOIN media m USING (digest) WHERE a.report = :report ORDER BY a.position, m.digest",
        report=report,
    )
    return [Shown._make(r) for r in found]


def type_of(work: Work, report: str, digest: str) -> str | None:
    """The media type of a report's file; None when the report has no such file."""
    found = work.execute(
        "SELECT m.type FROM attachment a JOIN media m USING (digest) "
        "WHERE a.report = :report AND a.digest = :digest",
        report=report,
        digest=digest,
    ).scalar()
    return str(found) if found is not None else None


def forget(work: Work, reports: Sequence[str]) -> int:
    """Takes all files from reports, for erasure: those that no other report has go from the store at the next sweep.

    How many files leave.
    """
    return work.execute(
        "WITH lost AS (DELETE FROM attachment WHERE report = ANY(CAST(:reports AS uuid[])) RETURNING digest) "
        "UPDATE media m SET state = 'leaving' FROM (SELECT DISTINCT digest FROM lost) l WHERE m.digest = l.digest "
        "AND NOT EXISTS (SELECT 1 FROM attachment a WHERE a.digest = m.digest "
        "AND a.report <> ALL(CAST(:reports AS uuid[])))",
        reports=list(reports),
    ).rowcount


def expire(work: Work, before: datetime, most: int = 200) -> list[str]:
    """Says of files that belong to no report and were last touched before then, that they leave; their digests."""
    found = work.execute(
        "UPDATE media SET state = 'leaving' WHERE digest IN (SELECT digest FROM media m WHERE "
        "(touched_at < :before OR state = 'leaving') "
        "AND NOT EXISTS (SELECT 1 FROM attachment a WHERE a.digest = m.digest) "
        "ORDER BY touched_at LIMIT :most FOR UPDATE SKIP LOCKED) RETURNING digest",
        before=before,
        most=most,
    )
    return sorted(r.digest for r in found)


def leaving(work: Work, digest: str) -> bool:
    """Holds the row of a file that leaves, so that no upload of the same file meets its deletion; False: it stays."""
    return (
        work.execute(
            "SELECT 1 FROM media WHERE digest = :digest AND state = 'leaving' FOR UPDATE", digest=digest
        ).first()
        is not None
    )


def gone(work: Work, digest: str) -> None:
    """Forgets a file whose deletion was asked of the store in this transaction."""
    work.execute("DELETE FROM media WHERE digest = :digest AND state = 'leaving'", digest=digest)


__all__ = [
    "Kept",
    "Shown",
    "arriving",
    "attach",
    "attachable",
    "expire",
    "forget",
    "gone",
    "kept",
    "leaving",
    "of_report",
    "type_of",
]
