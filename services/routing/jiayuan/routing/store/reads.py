"""SQL of the read log: who saw what, why and when. Rows are only ever added, and forgotten when they are old."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work
from jiayuan.contracts.times import iso

from . import tables
from .rows import rows_of
from .tables import acting

# With the commit: what is logged costs the reader no round trip, and is there before the answer is.
_LOG: Final = Prepared(
    "INSERT INTO read_log (at, who, roles, via, operator, what, case_id, subject, fields, why) "
    "SELECT at, who, roles, via, operator, what, case_id, subject, fields, why "
    "FROM json_to_recordset(CAST($1 AS json)) AS r(at timestamptz, who text, roles text, via text, operator text, "
    "what text, case_id uuid, subject text, fields text, why text)",
    "text",
)


def log_read(work: Work, row: dict[str, Any]) -> None:
    """Adds a line (see `read_log` in `tables`)."""
    work.later(_LOG, bulk.dumps([{**row, "at": iso(work.now)}]))


def forget_reads(work: Work, before: datetime, most: int) -> int:
    """Drops up to `most` of the oldest lines, where they were written before that; how many.

    The service may not delete a line: a function of the database does, and never one of the last half year.
    """
    return int(work.execute("SELECT forget_reads(:before, :most)", before=before, most=most).scalar_one())


def reads(
    work: Work,
    *,
    case: str | None = None,
    who: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Any]:
    """Lines of the read log, the newest first; `before`: the id of the last line of the page before."""
    wanted: list[tuple[str, str, Any]] = [
        ("case_id = CAST(:case AS uuid)", "case", case),
        ("who = :who", "who", who),
        ("subject = :subject", "subject", subject),
        ("at >= :since", "since", since),
        ("at < :until", "until", until),
        ("id < :before", "before", before),
    ]
    where = " AND ".join(sql for sql, _, value in wanted if value is not None) or "true"
    return rows_of(
        work,
        "SELECT id, at, who, roles, via, operator, what, case_id, subject, fields, why FROM read_log "
        f"WHERE {where} ORDER BY id DESC LIMIT :most",
        most=limit,
        **{name: value for _, name, value in wanted if value is not None},
    )


def contact_rows(work: Work, ids: Sequence[str]) -> dict[str, str]:
    """Sealed contacts that hold now, by the id that notices go to: people, helpers, units and who is above, desks."""
    whom = tables.directory_entry.info["sealed"]["contact"]
    rows = rows_of(
        work,
        f"SELECT {whom} AS id, contact FROM directory_entry WHERE contact IS NOT NULL AND {whom} = ANY(:ids) "
        "AND valid_from <= :now AND (valid_to IS NULL OR valid_to > :now)",
        ids=list(ids),
        now=work.now,
    )
    return {row[0]: row[1] for row in rows}


def note_acting(work: Work, row: dict[str, Any]) -> None:
    """Adds a line of what was done, or refused, at the command line for somebody (see `acting` in `tables`)."""
    work.insert(acting, [{**row, "at": iso(work.now)}])


def actings(work: Work, *, case: str | None = None, who: str | None = None, limit: int = 100) -> list[Any]:
    """What was done at the command line, the newest first."""
    wanted = [("a.case_id = CAST(:case AS uuid)", "case", case), ("a.who = :who", "who", who)]
    where = " AND ".join(sql for sql, _, value in wanted if value is not None) or "true"
    return rows_of(
        work,
        "SELECT a.id, a.at, a.operator, a.who, a.roles, a.action, a.case_id, a.leg, a.sequence, a.outcome, a.problem, "
        'a.why, c.number FROM acting a LEFT JOIN "case" c ON c.id = a.case_id '
        f"WHERE {where} ORDER BY a.id DESC LIMIT :most",
        most=limit,
        **{name: value for _, name, value in wanted if value is not None},
    )
