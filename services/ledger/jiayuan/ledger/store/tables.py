"""The tables of the ledger.

Postings are append-only: the service's role may only read and insert them (`info["grants"]`), and a trigger
refuses UPDATE, DELETE and TRUNCATE to everybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
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

from jiayuan.chassis import tables
from jiayuan.contracts.schemas.common import ENTRY_STATES, POSTING_KINDS

metadata: Final = MetaData()
tables.add(metadata)

# Identifiers of others are compared byte by byte: no locale decides about their order.
Key: Final = Text(collation="C")


def _one_of(column: str, words: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(w) for w in words)})"


entry: Final = Table(
    "entry",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column(
        "item", Uuid(as_uuid=False), nullable=False, comment="the matter; stays when it is carried forward"
    ),
    Column("year", SmallInteger, nullable=False),
    Column("case_id", Key),
    Column("case_number", Text),
    Column("street", Key, nullable=False),
    Column("unit", Key),
    Column("category", Key, nullable=False),
    Column("title", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("written_off_at", DateTime(timezone=True)),
    Column("case_state", Text),
    Column("confirmed", Text),
    Column("case_sequence", Integer, nullable=False, comment="the highest step of the case seen"),
    Column("state_sequence", Integer, nullable=False, comment="the step that settled the state"),
    Column("postings", Integer, nullable=False, comment="number of the last posting, the entry's version"),
    UniqueConstraint("case_id", "year", name="entry_case_id_year"),
    UniqueConstraint("item", "year", name="entry_item_year"),
    CheckConstraint(_one_of("state", ENTRY_STATES), name="entry_state"),
    Index("entry_year_street", "year", "street", "id"),
    comment="A line of the annual account, as its postings make it",
    info={"grants": "SELECT, INSERT, UPDATE"},
    postgresql_with={"fillfactor": "80"},
)

posting: Final = Table(
    "posting",
    metadata,
    Column("entry_id", Uuid(as_uuid=False), ForeignKey("entry.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("case_sequence", Integer),
    Column("clock_id", Key),
    Column("clock_sequence", Integer),
    Column("opening", SmallInteger, nullable=False, comment="what it moves in the year's opening balance"),
    Column("entered", SmallInteger, nullable=False, comment="what it moves in what was entered"),
    Column("written_off", SmallInteger, nullable=False, comment="what it moves in what was written off"),
    Column("unit", Key),
    Column("actor", Text),
    Column("at", DateTime(timezone=True), nullable=False, comment="when the step was taken"),
    Column("posted_at", DateTime(timezone=True), nullable=False, comment="when it was posted"),
    Column("note", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("cause", Text, nullable=False, comment="the event that told of the step"),
    PrimaryKeyConstraint("entry_id", "number", name="posting_pkey"),
    UniqueConstraint("entry_id", "case_sequence", "kind", name="posting_step"),
    CheckConstraint(_one_of("kind", POSTING_KINDS), name="posting_kind"),
    CheckConstraint("number > 0", name="posting_number"),
    CheckConstraint(
        "opening BETWEEN -1 AND 1 AND entered BETWEEN -1 AND 1 AND written_off BETWEEN -1 AND 1",
        name="posting_moves",
    ),
    Index(
        "posting_clock",
        "clock_id",
        "clock_sequence",
        unique=True,
        postgresql_where=text("clock_id IS NOT NULL"),
    ),
    # Two postings of an entry move the balance, the others tell; the account is summed from this alone.
    Index(
        "posting_moved",
        "entry_id",
        postgresql_include=["opening", "entered", "written_off"],
        postgresql_where=text("opening <> 0 OR entered <> 0 OR written_off <> 0"),
    ),
    comment="One line under an entry; nothing here is ever changed or deleted",
    info={"grants": "SELECT, INSERT"},
)

waiting_breach: Final = Table(
    "waiting_breach",
    metadata,
    Column("clock_id", Key, nullable=False),
    Column("clock_sequence", Integer, nullable=False),
    Column("case_id", Key, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_source", Text, nullable=False),
    Column("event_time", DateTime(timezone=True), nullable=False),
    Column("street", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("clock_id", "clock_sequence", name="waiting_breach_pkey"),
    Index("waiting_breach_case_id", "case_id"),
    Index("waiting_breach_since", "since"),
    comment="Deadlines that passed on cases without an entry: not livelihood, or the case is still on its way",
)
