"""The tables of the sla service."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from jiayuan.chassis import tables

metadata = MetaData()
tables.add(metadata)

clock: Final = Table(
    "clock",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("leg_id", Text, nullable=False, comment="empty for a clock of the whole case"),
    Column("kind", Text, nullable=False),
    Column("round", BigInteger, nullable=False, comment="tells repeated clocks of one kind apart"),
    Column("street", Text, nullable=False),
    Column("assignee_type", Text),
    Column("assignee_id", Text),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("limit_seconds", BigInteger, nullable=False, comment="with the extensions granted in time"),
    Column("due_at", DateTime(timezone=True), nullable=False, comment="the last moment that is in time"),
    Column("warn_at", DateTime(timezone=True)),
    Column("next_at", DateTime(timezone=True), comment="when there is something to say; null when never"),
    Column("paused", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("sequence", Integer, nullable=False, comment="the clock's own version"),
    Column("case_sequence", BigInteger, nullable=False, comment="the case's version that it follows"),
    Column("warned_at", DateTime(timezone=True)),
    Column("breached_at", DateTime(timezone=True)),
    Column("met_at", DateTime(timezone=True)),
    Column("stopped_at", DateTime(timezone=True), comment="when the thing was done or its leg ended"),
    Column("policy", Text, nullable=False),
    # What an ordinary clock has no need of, and is not written for one.
    Column("rule", Text, nullable=False, server_default="", comment="of the policy; empty when none matched"),
    Column("calendar", Text, nullable=False, server_default="", comment="name@version; empty: natural time"),
    Column("given_seconds", BigInteger, comment="the case's limit, where limit_seconds is another"),
    Column("points", JSONB, comment="what it said and has to say, where that is more than one warning"),
    Column("closed", JSONB, comment="spans in which the thing was done, before it was opened again"),
    Column(
        "fixed",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="due_at is a moment that somebody named",
    ),
    UniqueConstraint("case_id", "leg_id", "kind", "round", name="clock_case_leg_kind_round"),
    # Small whatever the table's size: only what still has something to say is in it.
    Index("clock_next_at", "next_at", postgresql_where=text("next_at IS NOT NULL")),
    Index("clock_street_due_at", "street", "due_at", postgresql_where=text("state IN ('armed', 'warned')")),
    comment="Deadlines of legs and cases",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

case_seen: Final = Table(
    "case_seen",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("lane", Text, nullable=False, comment="in which its clocks speak"),
    Column("traceparent", Text, nullable=False, comment="of the newest event"),
    Column("pauses", JSONB, nullable=False),
    Column("extensions", JSONB, nullable=False),
    Column("facts", JSONB, comment="what the policy's rules look at"),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column(
        "measured",
        JSON,
        comment="what the rates need; null of a matter that promises nothing, and of what was not seen since",
    ),
    # Both change once or twice in a case's life: every other update leaves the index alone.
    Column(
        "begun_at", DateTime(timezone=True), comment="first receipt, or promise: it is in no figure before"
    ),
    Column(
        "over_at",
        DateTime(timezone=True),
        comment="of what is over, or a promise: it is in no figure after that",
    ),
    Index("case_seen_over", "over_at", "case_id", "begun_at"),
    comment="The newest version of each case that was seen, and what moves its deadlines",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

calendar_version: Final = Table(
    "calendar_version",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSON, nullable=False, comment="see docs/sla/calendars.md"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the document"),
    Column("known_until", Date, comment="the last day whose holidays are known"),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("note", Text, nullable=False),
    comment="Working calendars; of each name the newest version holds",
    info={"grants": "SELECT, INSERT"},
)

policy_version: Final = Table(
    "policy_version",
    metadata,
    Column("version", Text, primary_key=True),
    Column("effective_from", DateTime(timezone=True), nullable=False),
    Column("document", JSON, nullable=False, comment="see docs/sla/policies.md"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the document"),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("imported_by", Text, nullable=False),
    comment="Policies of clocks; the newest whose day has come holds",
    info={"grants": "SELECT, INSERT"},
)

recomputation: Final = Table(
    "recomputation",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("why", Text, nullable=False, comment="policy VERSION or calendar NAME@VERSION"),
    Column("not_before", DateTime(timezone=True), nullable=False, comment="business time"),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("asked_by", Text, nullable=False),
    Column(
        "turn", Integer, nullable=False, comment="of two: the second finds what slow replicas did meanwhile"
    ),
    Column("turn_after", DateTime(timezone=True), comment="wall time before which the turn doesn't begin"),
    Column("cursor", Uuid, comment="the last clock that was looked at"),
    Column("looked_at", Integer, nullable=False),
    Column("moved", Integer, nullable=False, comment="clocks whose deadline or terms changed"),
    Column("done_at", DateTime(timezone=True)),
    UniqueConstraint("why", name="recomputation_why"),
    comment="Open clocks to be computed again after a policy or a calendar changed, and how far that is",
    info={"grants": "SELECT, INSERT, UPDATE"},
)
