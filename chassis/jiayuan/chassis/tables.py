"""The tables that delivery needs in every service's database: inbox, outbox, dead letters; and that of limits."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import Index

_NOW = text("clock_timestamp()")

OUTBOX_VIEW = "outbox_event"
"""The outbox with a row for each event: id, exchange, routing_key, body, and what its row says."""

# lz4 costs a twentieth of PostgreSQL's own compression; a server that was built without it takes that.
_FAST = """
DO $$ BEGIN
    ALTER TABLE outbox ALTER COLUMN events SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$
"""
_READABLE = f"""
CREATE VIEW {OUTBOX_VIEW} AS
SELECT CAST(e ->> 0 AS uuid) AS id, e ->> 1 AS exchange, e ->> 2 AS routing_key, e -> 3 AS body,
       o.created_at, o.not_before, o.attempts, o.last_error, o.id AS outbox
FROM outbox o CROSS JOIN LATERAL json_array_elements(CAST(o.events AS json)) AS e
"""

# Rows that live for milliseconds: clean up early and often, or the table grows with its dead. A row fills a page before
# it is spread over others.
_SHORT_LIVED = {
    "toast_tuple_target": "8160",
    "autovacuum_vacuum_scale_factor": "0.0",
    "autovacuum_vacuum_threshold": "10000",
    "autovacuum_vacuum_cost_delay": "0",
}


def add(metadata: MetaData) -> None:
    """Adds inbox, outbox and dead_letter to a service's metadata."""
    Table(
        "inbox",
        metadata,
        Column("source", Text, nullable=False),
        Column("id", Text, nullable=False),
        Column("seen_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
        PrimaryKeyConstraint("source", "id", name="inbox_pkey"),
        Index("inbox_seen_at", "seen_at", postgresql_using="brin"),
        comment="Every message that this service has taken: once",
    )
    outbox = Table(
        "outbox",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("size", Integer, nullable=False, comment="how many events"),
        # As text: PostgreSQL would read each document three times to keep it as JSON, and nobody asks it for a field.
        Column("events", Text, nullable=False, comment="[[id, exchange, routing key, body], …]"),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
        Column("not_before", DateTime(timezone=True), nullable=False),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("last_error", Text),
        comment="Events that were decided and not yet confirmed by the broker; those of a transaction together",
        postgresql_with=_SHORT_LIVED,
    )
    for statement in (_FAST, _READABLE):
        event.listen(outbox, "after_create", DDL(statement))
    Table(
        "dead_letter",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("at", DateTime(timezone=True), nullable=False, server_default=_NOW),
        Column("state", Text, nullable=False, server_default=text("'dead'")),
        Column("reason", Text, nullable=False),
        Column("error", Text, nullable=False),
        Column("problems", JSONB, nullable=False, server_default=text("'[]'")),
        Column("trace", Text, nullable=False, server_default=text("''")),
        Column("exchange", Text, nullable=False),
        Column("routing_key", Text, nullable=False),
        Column("content_type", Text),
        Column("user_id", Text),
        Column("event_id", Text),
        Column("event_name", Text),
        Column("source", Text),
        Column("subject", Text),
        Column("body", LargeBinary, nullable=False),
        Column("sealed", Boolean, nullable=False, server_default=text("false")),
        Column("history", JSONB, nullable=False, server_default=text("'[]'")),
        Index("dead_letter_state_at", "state", "at"),
        comment="Messages that could not be handled, why, and what was done about them",
    )


def add_limits(metadata: MetaData) -> None:
    """Adds limit_use to the metadata of a service that has limits (`limits`)."""
    Table(
        "limit_use",
        metadata,
        Column("subject", Text, nullable=False, comment="what is counted, and a pseudonym or a hash"),
        Column("seconds", Integer, nullable=False, comment="the length of the window"),
        Column("slot", BigInteger, nullable=False, comment="the window's number: Unix time / seconds"),
        Column("n", Integer, nullable=False),
        Column("until", BigInteger, nullable=False, comment="Unix seconds after which nobody asks for it"),
        PrimaryKeyConstraint("subject", "seconds", "slot", name="limit_use_pkey"),
        comment="How often somebody did something; lost in a crash of the database, which lets a few more in",
        prefixes=["UNLOGGED"],
    )
