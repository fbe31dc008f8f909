"""Routing's tables: all of them, with what the service's own role may do with them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy import Sequence as DbSequence
from sqlalchemy.dialects.postgresql import JSON

from jiayuan.chassis import tables

metadata = MetaData()
tables.add(metadata)

case_number = DbSequence("case_number", metadata=metadata)

case_table = Table(
    "case",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", Text, nullable=False, unique=True),
    Column("sequence", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("livelihood", Boolean, nullable=False),
    Column("colour", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("community", Text),
    Column("grid", Text),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("resolved_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("confirmed", Text),
    Column("reopened", SmallInteger, nullable=False, server_default=text("0")),
    Column("rating", JSON),
    Column("state_doc", JSON, nullable=False),
    Index(
        "case_open_by_street",
        "street",
        "opened_at",
        postgresql_where=text("state NOT IN ('closed', 'voided', 'merged')"),
    ),
    comment="A case; state_doc is the case as its last event told it",
)

case_report = Table(
    "case_report",
    metadata,
    Column("report_id", Text, primary_key=True),
    Column("case_id", Uuid),
    Column("waiting", JSON, nullable=False, server_default=text("'[]'")),
    Column(
        "join_sequence",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="of the newest report.joined or report.separated: what is older changes nothing",
    ),
    comment="Which case a report is in; waiting: what came about a report before the report itself",
)

leg_table = Table(
    "leg",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("case_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("assignee_type", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("offered_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Index("leg_of_assignee", "assignee", "state", "offered_at"),
    comment="Every assignment, so that an assignee finds what it owes",
)

case_step = Table(
    "case_step",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("leg", Uuid),
    Column("reason", Text),
    Column("evidence", JSON),
    comment="Every step of every case: only ever added to",
    info={"grants": "SELECT, INSERT"},
)

handling = Table(
    "handling",
    metadata,
    Column("source", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("case_id", Uuid, nullable=False),
    comment="What outside systems have reported, so that a resend under another event id is harmless",
)

turn = Table(
    "turn",
    metadata,
    Column("person", Text, primary_key=True),
    Column("last_given", DateTime(timezone=True), nullable=False),
    Column("given", BigInteger, nullable=False),
    comment="When a worker was last given a case, and how many so far",
    postgresql_with={"fillfactor": "60"},
)

directory_table = Table(
    "directory",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("imported_by", Text, nullable=False),
    comment="One row: the version that every process compares with the one in its memory",
)

policy_table = Table(
    "policy",
    metadata,
    Column("version", Text, primary_key=True),
    Column("effective_from", DateTime(timezone=True), nullable=False),
    Column("document", JSON, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("imported_by", Text, nullable=False),
    comment="Policy tables that were imported; the one that comes with the service holds until there is one",
)

place = Table(
    "place",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("contact", Text),
    Column("active", Boolean, nullable=False),
    comment="County, streets, communities and villages; contact: the sealed one of the desk",
    info={"sealed": {"contact": "'desk-' || CASE kind WHEN 'county' THEN code || '000' ELSE code END"}},
)

grid = Table(
    "grid",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("party_group", Text, nullable=False),
    Column("functions", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
)

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("grid", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("street", Text, nullable=False),
    Column("contact", Text),
    Column("active", Boolean, nullable=False),
    info={"sealed": {"contact": "id"}},
)

unit = Table(
    "unit",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("member", Text, nullable=False),
    Column("duties", JSON, nullable=False),
    Column("clerk", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("partner", Text, nullable=False),
    Column("contact", Text),
    Column("active", Boolean, nullable=False),
    info={"sealed": {"contact": "code"}},
)
