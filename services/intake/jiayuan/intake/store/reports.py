"""Reports and what their reporters add: the SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Row

from jiayuan.chassis import bulk
from jiayuan.chassis.transaction import Prepared
from jiayuan.chassis.work import Work

from .tables import report


class Known(NamedTuple):
    """A report that is here already: its id, tracking code and masked text."""

    id: str
    tracking_code: str
    text: str


_KNOWN: Final = Prepared(
    "SELECT t.source_system, t.external_id, t.id, t.tracking_code, t.text "
    "FROM json_to_recordset(CAST($1 AS json)) AS r(source_system text, external_id text) "
    "JOIN report t ON t.source_system = r.source_system AND t.external_id = r.external_id",
    "text",
)


def known(work: Work, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Known]:
    """Which (source_system, external_id) there are already."""
    rows = [{"source_system": s, "external_id": e} for s, e in keys]
    if not rows:
        return {}
    found = work.run(_KNOWN, bulk.dumps(rows))
    return {(r.source_system, r.external_id): Known(str(r.id), r.tracking_code, r.text) for r in found}


def add_reports(work: Work, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Inserts reports; the ids that are new (the others have a source key that is taken)."""
    new = work.insert(
        report, rows, conflict="ON CONFLICT (source_system, external_id) DO NOTHING", returning="id"
    )
    return {str(r[0]) for r in new}


_ONE: Final = (
    "SELECT id, tracking_code, kind, channel, title, text, category, category_name, category_confidence, "
    "category_method, livelihood, importance, urgency, street, community, grid, place_evidence, "
    "place_confidence, signs, occurred_at, received_at, state, version, withdrawn_at, reporter, erased_at, "
    "consent, submitter, device_at, facts FROM report WHERE id = :id"
)


def one(work: Work, id_: str, *, lock: bool = False) -> Row[Any] | None:
    """A report, without its contact and its original; `lock` holds it until the end of the transaction."""
    return work.execute(_ONE + (" FOR UPDATE" if lock else ""), id=id_).first()


def list_of(work: Work, reporter: str, before: str | None, most: int) -> list[Row[Any]]:
    """A person's reports, the newest first; `before`: the id of the last one seen. Ids are in time order."""
    return list(
        work.execute(
            "SELECT id, tracking_code, kind, title, category, category_name, received_at, state FROM report "
            "WHERE reporter = :reporter AND (CAST(:before AS uuid) IS NULL OR id < CAST(:before AS uuid)) "
            "ORDER BY id DESC LIMIT :most",
            reporter=reporter,
            before=before,
            most=most,
        )
    )


def id_of_code(work: Work, code: str) -> str | None:
    """The id of the report with that tracking code."""
    found = work.execute("SELECT id FROM report WHERE tracking_code = :code", code=code).first()
    return str(found[0]) if found is not None else None


def supplements(work: Work, id_: str) -> list[Row[Any]]:
    """What the reporter added: text, at; oldest first."""
    return list(work.execute("SELECT text, at FROM supplement WHERE report = :id ORDER BY sequence", id=id_))


def ratings(work: Work, id_: str) -> list[Row[Any]]:
    """What the reporter said of the result: solved, satisfaction, words, at; oldest first."""
    return list(
        work.execute(
            "SELECT solved, satisfaction, words, at FROM rating WHERE report = :id ORDER BY sequence", id=id_
        )
    )


def next_version(work: Work, id_: str) -> int:
    """Counts the report's version up, which is the sequence of its next event."""
    return int(
        work.execute(
            "UPDATE report SET version = version + 1 WHERE id = :id RETURNING version", id=id_
        ).scalar_one()
    )


def withdraw(work: Work, id_: str, reason: str | None, at: datetime) -> None:
    """Marks a report as withdrawn."""
    work.execute(
        "UPDATE report SET state = 'withdrawn', withdrawn_at = :at, withdrawn_reason = :reason WHERE id = :id",
        id=id_,
        at=at,
        reason=reason,
    )


_PUBLIC: Final = (
    "SELECT id, kind, category, category_name, street, community, state, received_at, withdrawn_at, signs "
    "FROM report WHERE (received_at, id) < (:at, CAST(:id AS uuid)) AND received_at >= :since "
    "ORDER BY received_at DESC, id DESC LIMIT :most"
)


def public_page(work: Work, before: tuple[datetime, str], since: datetime, most: int) -> list[Row[Any]]:
    """Reports that came before (received_at, id), newest first, with no column that says who or what in words."""
    return list(work.execute(_PUBLIC, at=before[0], id=before[1], since=since, most=most))
