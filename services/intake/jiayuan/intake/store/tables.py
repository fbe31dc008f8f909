"""Intake's tables, all of them."""

from __future__ import annotations

from typing import Final

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
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import Index

from jiayuan.chassis import tables

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
    Column("device_at", DateTime(timezone=True), comment="by the clock of the device that it was taken with"),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("lane", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'received'")),
    Column(
        "version", Integer, nullable=False, server_default=text("1"), comment="sequence of its last event"
    ),
    Column("withdrawn_at", DateTime(timezone=True)),
    Column("withdrawn_reason", Text),
    Column("consent", Text, comment="version of the consent that the reporter gave"),
    Column("submitter", Text, comment="who of the staff sent it for somebody"),
    Column("attachments", JSONB, comment="digests of media, in their order"),
    Column("facts", JSONB, comment="what only its channel says of it, nothing personal"),
    Column(
        "secrets", Text, comment="what only its channel says of it and is personal, sealed as the contact is"
    ),
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
