"""Intake's tables and all of its SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import Index

from jiayuan.chassis import bulk, tables
from jiayuan.chassis.work import Work

metadata: Final = MetaData()
tables.add(metadata)

RECEIVED: Final = "received"
WITHDRAWN: Final = "withdrawn"

report: Final = Table(
    "report",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tracking_code", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("source_system", Text, comment="who sent it: a partner, a file; with external_id it is unique"),
    Column("external_id", Text),
    Column("title", Text, nullable=False, comment="normal form, masked"),
    Column("text", Text, nullable=False, comment="normal form, masked"),
    Column("original", Text, nullable=False, comment="what arrived, sealed for the report's id"),
    Column("category", Text, nullable=False),
    Column("category_name", Text, nullable=False),
    Column("category_confidence", Float, nullable=False),
    Column("category_method", Text, nullable=False),
    Column("livelihood", Boolean, nullable=False),
    Column("importance", SmallInteger, nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    Column("street", Text),
    Column("community", Text),
    Column("grid", Text),
    Column("place_evidence", Text, nullable=False),
    Column("place_confidence", Float, nullable=False),
    Column("signs", JSONB, nullable=False),
    Column("reporter", Text, comment="pseudonym; NULL when anonymous"),
    Column(
        "contact", Text, comment="name, phone, openid, sealed for the reporter (else for the report's id)"
    ),
    Column("occurred_at", DateTime(timezone=True)),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'received'")),
    Column(
        "version", Integer, nullable=False, server_default=text("1"), comment="sequence of its last event"
    ),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("withdrawn_reason", Text),
    UniqueConstraint("source_system", "external_id", name="report_source_key"),
    CheckConstraint("state IN ('received', 'withdrawn')", name="report_state"),
    Index("report_received_at", "received_at"),
    comment="What one person or system sent, made clean",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

supplement: Final = Table(
    "supplement",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), nullable=False),
    Column("sequence", Integer, nullable=False, comment="of the event"),
    Column("text", Text, nullable=False, comment="normal form, masked"),
    Column("original", Text, nullable=False, comment="what arrived, sealed for the report's id"),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("report", "sequence", name="supplement_pkey"),
    comment="What the reporter added later",
    info={"grants": "SELECT, INSERT"},
)

rating: Final = Table(
    "rating",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), nullable=False),
    Column("sequence", Integer, nullable=False, comment="of the event"),
    Column("solved", Boolean, nullable=False),
    Column("satisfaction", SmallInteger),
    Column("words", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("report", "sequence", name="rating_pkey"),
    comment="What the reporter said of the result",
    info={"grants": "SELECT, INSERT"},
)

idempotency_key: Final = Table(
    "idempotency_key",
    metadata,
    Column("scope", Text, nullable=False, comment="what was asked of, and by whom"),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False, comment="of the body"),
    Column("answer", JSONB, comment="the first answer"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("scope", "key", name="idempotency_key_pkey"),
    Index("idempotency_key_created_at", "created_at", postgresql_using="brin"),
    comment="Requests that may be sent again without harm",
)


class Known(NamedTuple):
    """A report that is here already: its id, tracking code and masked text."""

    id: str
    tracking_code: str
    text: str


_KNOWN: Final = (
    "SELECT t.source_system, t.external_id, t.id, t.tracking_code, t.text "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(source_system text, external_id text) "
    "JOIN report t ON t.source_system = r.source_system AND t.external_id = r.external_id"
)


def known(work: Work, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Known]:
    """Which (source_system, external_id) there are already."""
    rows = [{"source_system": s, "external_id": e} for s, e in keys]
    if not rows:
        return {}
    found = work.execute(_KNOWN, rows=bulk.dumps(rows))
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
    "place_confidence, signs, occurred_at, received_at, state, version, withdrawn_at FROM report WHERE id = :id"
)


def one(work: Work, id_: str, *, lock: bool = False) -> Row[Any] | None:
    """A report, without its contact and its original; `lock` holds it until the end of the transaction."""
    return work.execute(_ONE + (" FOR UPDATE" if lock else ""), id=id_).first()


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


def claim_key(work: Work, scope: str, key: str, digest: str) -> Row[Any] | None:
    """Takes an idempotency key for this transaction: None when it is new, else its row (digest, answer).

    A second request with the same key waits here until the first has been committed or rolled back.
    """
    new = work.execute(
        "INSERT INTO idempotency_key (scope, key, digest, created_at) VALUES (:scope, :key, :digest, :now) "
        "ON CONFLICT DO NOTHING RETURNING key",
        scope=scope,
        key=key,
        digest=digest,
        now=work.now,
    ).first()
    if new is not None:
        return None
    return work.execute(
        "SELECT digest, answer FROM idempotency_key WHERE scope = :scope AND key = :key", scope=scope, key=key
    ).one()


def keep_answer(work: Work, scope: str, key: str, answer: dict[str, Any]) -> None:
    """Keeps the first answer of an idempotency key."""
    work.execute(
        "UPDATE idempotency_key SET answer = CAST(:answer AS jsonb) WHERE scope = :scope AND key = :key",
        scope=scope,
        key=key,
        answer=bulk.dumps(answer),
    )


def forget_keys(work: Work, before: datetime, most: int = 5000) -> int:
    """Forgets old idempotency keys; how many."""
    return work.execute(
        "DELETE FROM idempotency_key WHERE ctid IN (SELECT ctid FROM idempotency_key "
        "WHERE created_at < :before LIMIT :most FOR UPDATE SKIP LOCKED)",
        before=before,
        most=most,
    ).rowcount
