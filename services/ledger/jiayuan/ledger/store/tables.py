"""The tables of the ledger.

Postings and closings are append-only, and so is their proof (documents that are leaves, leaves, tiles, trees,
checkpoints, keys):
the service's role may only read and insert them (`info["grants"]`), and a trigger refuses UPDATE, DELETE and TRUNCATE
to everybody. Free text is kept apart, because it could name a person and must then be erasable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
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
from jiayuan.contracts.schemas.common import ENTRY_SOURCES, ENTRY_STATES, POSTING_KINDS

from ..closing import ACTS
from ..lists.claim import MOST as MOST_CLAIMS
from ..lists.claim import STATES as CLAIM_STATES
from ..lists.problem import MOST_TAKERS
from ..lists.problem import STATES as PROBLEM_STATES
from ..lists.publishing import KINDS as LIST_KINDS
from ..lists.publishing import STATES as LIST_STATES
from ..meeting.decision import BECOMES, OUTCOMES
from ..meeting.stage import STATES as MEETING_STATES
from ..verify import HASHES

metadata: Final = MetaData()
tables.add(metadata)
tables.add_limits(metadata)

# Identifiers of others are compared byte by byte: no locale decides about their order.
Key: Final = Text(collation="C")


def _one_of(column: str, words: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(w) for w in words)})"


def _acts(name: str, key: str, of: str, comment: str) -> Table:
    """A table of who did what to what `key` names, number by number; only ever added to."""
    return Table(
        name,
        metadata,
        Column(key, Uuid(as_uuid=False), ForeignKey(of), nullable=False),
        Column("number", Integer, nullable=False),
        Column("action", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("at", DateTime(timezone=True), nullable=False),
        Column("facts", JSONB, nullable=False),
        PrimaryKeyConstraint(key, "number", name=f"{name}_pkey"),
        comment=comment,
        info={"grants": "SELECT, INSERT"},
    )


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
    Column("source", Text, nullable=False, server_default="case"),
    Column("source_id", Key, comment="the decision, the line of a list, the entry that was carried forward"),
    Column("person", Key),
    Column("promise", Text),
    Column("limit_seconds", Integer),
    Column("due_at", DateTime(timezone=True)),
    UniqueConstraint("case_id", "year", name="entry_case_id_year"),
    UniqueConstraint("item", "year", name="entry_item_year"),
    CheckConstraint(_one_of("state", ENTRY_STATES), name="entry_state"),
    CheckConstraint(_one_of("source", ENTRY_SOURCES), name="entry_source"),
    Index("entry_year_street", "year", "street", "id"),
    # One entry of a decision or a demand; a case has its own constraint, and no line in this index.
    Index(
        "entry_of_source",
        "source",
        "source_id",
        unique=True,
        postgresql_where=text("source_id IS NOT NULL"),
    ),
    comment="A line of the annual account, as its postings make it",
    info={"grants": "SELECT, INSERT, UPDATE"},
    postgresql_with={"fillfactor": "80"},
)

_APPEND_ONLY: Final = {"grants": "SELECT, INSERT"}

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
    Column("cause", Text, nullable=False, comment="the event that told of the step, or the act's key"),
    Column("amount", BigInteger, comment="money in fen"),
    Column("evidence", Text, comment="the digest of a file"),
    Column("corrects", Integer, comment="the number of the posting that it takes back"),
    Column("text_digest", Text, comment="salted digest of its free text, which is in posting_text"),
    PrimaryKeyConstraint("entry_id", "number", name="posting_pkey"),
    UniqueConstraint("entry_id", "case_sequence", "kind", name="posting_step"),
    CheckConstraint(_one_of("kind", POSTING_KINDS), name="posting_kind"),
    CheckConstraint("number > 0", name="posting_number"),
    CheckConstraint(
        "opening BETWEEN -1 AND 1 AND entered BETWEEN -1 AND 1 AND written_off BETWEEN -1 AND 1",
        name="posting_moves",
    ),
    CheckConstraint("corrects < number", name="posting_corrects"),
    # Acts of staff and of closings are done once; what events tell has keys of its own.
    Index(
        "posting_act",
        "entry_id",
        "cause",
        unique=True,
        postgresql_where=text("case_sequence IS NULL AND clock_id IS NULL"),
    ),
    Index(
        "posting_reversed",
        "entry_id",
        "corrects",
        unique=True,
        postgresql_where=text("corrects IS NOT NULL"),
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
        postgresql_include=["number", "opening", "entered", "written_off"],
        postgresql_where=text("opening <> 0 OR entered <> 0 OR written_off <> 0"),
    ),
    comment="One line under an entry; nothing here is ever changed or deleted",
    info=_APPEND_ONLY,
)

posting_text: Final = Table(
    "posting_text",
    metadata,
    Column("entry_id", Uuid(as_uuid=False), nullable=False),
    Column("number", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("words", JSONB, nullable=False, comment="by name: title, reason, grid"),
    Column("reporters", ARRAY(Text), nullable=False, comment="whom it may name: pseudonyms"),
    PrimaryKeyConstraint("entry_id", "number", name="posting_text_pkey"),
    Index("posting_text_reporters", "reporters", postgresql_using="gin"),
    comment="Free text of postings, which is erased with the person; posting.text_digest stays",
    info={"grants": "SELECT, INSERT, DELETE"},
)

leaf_document: Final = Table(
    "leaf_document",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("document", JSONB, nullable=False),
    comment="Leaves that are no postings: closings, erasures, the old tree's end; nothing here is ever changed",
    info=_APPEND_ONLY,
)

waiting_leaf: Final = Table(
    "waiting_leaf",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("hash_id", Text, nullable=False, comment="the hashes' algorithm; empty: compute them"),
    Column("leaves", LargeBinary, nullable=False, comment="packed: key and hash of each"),
    comment="What a transaction added and the sequencer has not yet put into the tree",
    info={"grants": "SELECT, INSERT, DELETE"},
    postgresql_with={
        "toast_tuple_target": "8160",
        "autovacuum_vacuum_scale_factor": "0.0",
        "autovacuum_vacuum_threshold": "2000",
        "autovacuum_vacuum_cost_delay": "0",
    },
)

tree: Final = Table(
    "tree",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("hash_id", Text, nullable=False),
    Column("origin", Text, nullable=False, unique=True),
    Column("started_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("id > 0", name="tree_id"),
    CheckConstraint(_one_of("hash_id", HASHES), name="tree_hash_id"),
    comment="The trees, one after the other; the newest grows",
    info=_APPEND_ONLY,
)

leaf: Final = Table(
    "leaf",
    metadata,
    Column("tree", SmallInteger, nullable=False),
    Column("index", BigInteger, nullable=False),
    Column("entry_id", Uuid(as_uuid=False), nullable=False, comment="or the id of a leaf_document"),
    Column("number", Integer, nullable=False, comment="of the posting; 0 for a document"),
    Column("hash", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False, comment="by a key that is not in the database"),
    PrimaryKeyConstraint("tree", "index", name="leaf_pkey"),
    UniqueConstraint("entry_id", "number", name="leaf_of"),
    comment="The place of each posting in its tree",
    info=_APPEND_ONLY,
)

tile: Final = Table(
    "tile",
    metadata,
    Column("tree", SmallInteger, nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column(
        "hashes", LargeBinary, nullable=False, comment="256 nodes of height 8 × level, one after the other"
    ),
    Column("root", LargeBinary, nullable=False, comment="of the tree over them: a node of the next level"),
    PrimaryKeyConstraint("tree", "level", "number", name="tile_pkey"),
    comment="Complete tiles of a tree, as in C2SP tlog-tiles; what is incomplete is read from below",
    info=_APPEND_ONLY,
)

checkpoint: Final = Table(
    "checkpoint",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("tree", SmallInteger, ForeignKey("tree.id"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False, comment="as it was signed"),
    Column("signed_at", DateTime(timezone=True), nullable=False),
    Column("why", Text, nullable=False, comment="interval, or what was published"),
    Index("checkpoint_tree_size", "tree", "size"),
    comment="Signed checkpoints, numbered without gaps",
    info=_APPEND_ONLY,
)

log_key: Final = Table(
    "log_key",
    metadata,
    Column("key", Text(collation="C"), primary_key=True, comment="public: name+hash+base64"),
    Column("since", DateTime(timezone=True), nullable=False),
    comment="Public keys by which checkpoints were signed, for whoever asks; trust in them comes from elsewhere",
    info=_APPEND_ONLY,
)

publication_order: Final = Table(
    "publication_order",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("year", SmallInteger, nullable=False),
    Column("street", Key, nullable=False, comment="'' for the whole county"),
    Column("ordered_at", DateTime(timezone=True), nullable=False),
    Column("ordered_by", Text, nullable=False),
    Column(
        "names", JSONB, nullable=False, comment="of streets, units and categories, as others told them then"
    ),
    comment="Accounts that are to be published; those without a publication wait for the process that signs",
    info=_APPEND_ONLY,
)

publication: Final = Table(
    "publication",
    metadata,
    Column("id", Uuid(as_uuid=False), ForeignKey("publication_order.id"), primary_key=True),
    Column("year", SmallInteger, nullable=False),
    Column("street", Key, nullable=False, comment="'' for the whole county"),
    Column("number", Integer, nullable=False, comment="counts the publications of a year and street"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("leaf", Uuid(as_uuid=False), nullable=False, comment="the leaf_document with the files' digests"),
    Column("checkpoint", BigInteger, ForeignKey("checkpoint.number"), nullable=False),
    Column("entries", Integer, nullable=False),
    Column("document", JSONB, nullable=False, comment="what was published, without the entries"),
    Column("files", JSONB, nullable=False, comment="size and digest by format"),
    UniqueConstraint("year", "street", "number", name="publication_number"),
    comment="Accounts as they were published; nothing here is ever changed",
    info=_APPEND_ONLY,
)

publication_file: Final = Table(
    "publication_file",
    metadata,
    Column("publication_id", Uuid(as_uuid=False), ForeignKey("publication.id"), nullable=False),
    Column("format", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("first_id", Uuid(as_uuid=False), comment="of the entries in this piece, where it has any"),
    Column("last_id", Uuid(as_uuid=False)),
    Column("packed", LargeBinary, nullable=False, comment="deflated"),
    PrimaryKeyConstraint("publication_id", "format", "number", name="publication_file_pkey"),
    comment="The files of a publication, in pieces",
    info=_APPEND_ONLY,
)

APPEND_ONLY: Final = (
    posting,
    leaf_document,
    tree,
    leaf,
    tile,
    checkpoint,
    log_key,
    publication_order,
    publication,
    publication_file,
)

waiting_breach: Final = Table(
    "waiting_breach",
    metadata,
    Column("clock_id", Key, nullable=False),
    Column("clock_sequence", Integer, nullable=False),
    Column("case_id", Key, nullable=False),
    Column("event_name", Text, nullable=False, server_default="clock.breached"),
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
    comment="What clocks said of cases without an entry, not livelihood or still on their way, and corrections before "
    "their breach",
)

closing: Final = Table(
    "closing",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("period", Key, nullable=False, comment="a year, 2026, or a quarter, 2026Q3"),
    Column("number", Integer, nullable=False, comment="counts the acts of the period"),
    Column("act", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    Column("figures", JSONB, nullable=False, comment="as they stood then"),
    Column("digest", Text, nullable=False, comment="of the figures"),
    Column("salt", LargeBinary, comment="of the reason's digest in the leaf; none in leaves closing/1"),
    UniqueConstraint("period", "number", name="closing_period_number"),
    CheckConstraint(_one_of("act", ACTS), name="closing_act"),
    comment="Who proposed, approved, refused the closing or reopening of a period; nothing here is ever changed",
    info={"grants": "SELECT, INSERT"},
)


# -- the quarter's lists ---------------------------------------------------------------------------------------

quarter_list: Final = Table(
    "quarter_list",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("quarter", Key, nullable=False),
    Column("street", Key, nullable=False),
    Column("community", Key, nullable=False, comment="of a demand list; '' otherwise"),
    Column("state", Text, nullable=False),
    Column("sequence", Integer, nullable=False, comment="how often it was published or closed"),
    Column("notes", JSONB, nullable=False, comment="what the draft could not learn, and why"),
    Column(
        "units", JSONB, nullable=False, comment="of a service list: the member units, as routing told them"
    ),
    Column("drafted_at", DateTime(timezone=True), nullable=False),
    Column("drafted_by", Text, nullable=False),
    Column("published_at", DateTime(timezone=True)),
    Column("published_by", Text),
    Column("closed_at", DateTime(timezone=True)),
    Column("closed_by", Text),
    UniqueConstraint("kind", "quarter", "street", "community", name="quarter_list_of"),
    CheckConstraint(_one_of("kind", LIST_KINDS), name="quarter_list_kind"),
    CheckConstraint(_one_of("state", LIST_STATES), name="quarter_list_state"),
    CheckConstraint("(kind = 'demand') = (community <> '')", name="quarter_list_community"),
    comment="Demand, problem and service lists of a quarter",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

list_act: Final = _acts(
    "list_act", "list_id", "quarter_list.id", "Who did what to a list; only ever added to"
)

problem: Final = Table(
    "problem",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("list_id", Uuid(as_uuid=False), ForeignKey("quarter_list.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("category", Key, nullable=False),
    Column("title", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("takes", SmallInteger, nullable=False, comment="how many units may claim it"),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it was dropped"),
    Column("decided_at", DateTime(timezone=True)),
    Column("decided_by", Text),
    Column("sequence", Integer, nullable=False, comment="of its service.claimed events"),
    Column("entry_id", Uuid(as_uuid=False), comment="the account's entry that its first claim opened"),
    UniqueConstraint("list_id", "number", name="problem_number"),
    CheckConstraint(_one_of("state", PROBLEM_STATES), name="problem_state"),
    CheckConstraint(f"takes BETWEEN 1 AND {MOST_TAKERS}", name="problem_takes"),
    Index("problem_entry", "entry_id", postgresql_where=text("entry_id IS NOT NULL")),
    comment="A line of a street's problem list: demands of one kind",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

demand: Final = Table(
    "demand",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("list_id", Uuid(as_uuid=False), ForeignKey("quarter_list.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("category", Key, nullable=False),
    Column("title", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("sources", JSONB, nullable=False),
    Column("people", Integer, comment="who asked for it, where somebody counted them"),
    Column("evidence", JSONB, nullable=False),
    Column("origin", Key, comment="what a line from outside is known by, so that it comes in once"),
    Column("kept", Boolean, nullable=False),
    Column("reason", Text, comment="why it was dropped"),
    Column("problem_id", Uuid(as_uuid=False), ForeignKey("problem.id")),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("changed_by", Text, nullable=False),
    UniqueConstraint("list_id", "number", name="demand_number"),
    UniqueConstraint("list_id", "origin", name="demand_origin"),
    Index("demand_problem", "problem_id"),
    comment="A line of a community's demand list",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

demand_report: Final = Table(
    "demand_report",
    metadata,
    Column("list_id", Uuid(as_uuid=False), ForeignKey("quarter_list.id"), nullable=False),
    Column("report_id", Key, nullable=False),
    Column("demand_id", Uuid(as_uuid=False), ForeignKey("demand.id"), nullable=False),
    Column("case_id", Key),
    Column("entry_id", Uuid(as_uuid=False)),
    # A report is behind one line of a list.
    PrimaryKeyConstraint("list_id", "report_id", name="demand_report_pkey"),
    Index("demand_report_demand", "demand_id"),
    Index("demand_report_report", "report_id"),
    Index("demand_report_case", "case_id"),
    Index("demand_report_entry", "entry_id"),
    comment="The reports behind a line of a demand list",
    info={"grants": "SELECT, INSERT"},
)

claim: Final = Table(
    "claim",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("list_id", Uuid(as_uuid=False), ForeignKey("quarter_list.id"), nullable=False),
    Column("problem_id", Uuid(as_uuid=False), ForeignKey("problem.id"), nullable=False),
    Column("quarter", Key, nullable=False),
    Column("unit", Key, nullable=False),
    Column("person", Text, nullable=False, comment="who is responsible: an id of the directory, or a name"),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False),
    Column("place", SmallInteger, comment="which of the problem's places"),
    Column("slot", SmallInteger, comment="which of the unit's three of the quarter"),
    Column("milestones", JSONB, nullable=False),
    Column("claimed_at", DateTime(timezone=True), nullable=False),
    Column("claimed_by", Text, nullable=False),
    Column("done_at", DateTime(timezone=True)),
    Column("reason", Text, comment="why it was released"),
    Column("history", JSONB, nullable=False, comment="who did what to it"),
    CheckConstraint(_one_of("state", CLAIM_STATES), name="claim_state"),
    CheckConstraint(
        "(state IN ('claimed', 'done')) = (slot IS NOT NULL) AND (slot IS NULL) = (place IS NULL)",
        name="claim_holds",
    ),
    CheckConstraint(f"slot BETWEEN 1 AND {MOST_CLAIMS}", name="claim_slot"),
    CheckConstraint(f"place BETWEEN 1 AND {MOST_TAKERS}", name="claim_place"),
    # The last word on "one to three a quarter", and on how many units a problem takes.
    Index(
        "claim_unit_slot", "quarter", "unit", "slot", unique=True, postgresql_where=text("slot IS NOT NULL")
    ),
    Index(
        "claim_problem_place", "problem_id", "place", unique=True, postgresql_where=text("place IS NOT NULL")
    ),
    Index(
        "claim_problem_unit",
        "problem_id",
        "unit",
        unique=True,
        postgresql_where=text("state <> 'released'"),
    ),
    Index("claim_list", "list_id"),
    comment="Units' claims of problems, and their wishes",
    info={"grants": "SELECT, INSERT, UPDATE"},
)


# -- the joint meeting -----------------------------------------------------------------------------------------

meeting: Final = Table(
    "meeting",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("street", Key, nullable=False),
    Column("quarter", Key, nullable=False),
    Column("number", Integer, nullable=False, comment="counts the street's meetings about the quarter"),
    Column("state", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("organ", Text, nullable=False, comment="whose meeting it is, as the minutes say it"),
    Column("place", Text, nullable=False),
    Column("chair", Text, nullable=False),
    Column("begins_at", DateTime(timezone=True)),
    Column("agenda", JSONB, nullable=False),
    Column("attendance", JSONB, nullable=False),
    Column("minutes", Text, nullable=False),
    Column("notes", JSONB, nullable=False, comment="what the draft could not learn, and why"),
    Column("units", JSONB, nullable=False, comment="the member units, as routing told them"),
    Column("signatures", JSONB, nullable=False),
    Column("digest", Text, comment="of what was signed"),
    Column("drafted_at", DateTime(timezone=True), nullable=False),
    Column("drafted_by", Text, nullable=False),
    Column("held_at", DateTime(timezone=True), comment="when both had signed"),
    Column("published_at", DateTime(timezone=True)),
    Column("published_by", Text),
    UniqueConstraint("street", "quarter", "number", name="meeting_number"),
    CheckConstraint(_one_of("state", MEETING_STATES), name="meeting_state"),
    CheckConstraint("(state = 'draft') = (held_at IS NULL)", name="meeting_held"),
    comment="Joint meetings; what was signed is never changed",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

meeting_decision: Final = Table(
    "meeting_decision",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("meeting_id", Uuid(as_uuid=False), ForeignKey("meeting.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("becomes", Text, nullable=False),
    Column("unit", Key),
    Column("assistants", JSONB, nullable=False),
    Column("person", Text, comment="who is responsible: an id of the directory, or a name"),
    Column("due_at", DateTime(timezone=True)),
    Column("case", Key, comment="whistle: the case, by its number or id"),
    Column("entry_id", Uuid(as_uuid=False), comment="the entry that it became, or is posted under"),
    Column("category", Key),
    Column("outcome", Text),
    Column("reason", Text, comment="refused: why"),
    Column("answered_at", DateTime(timezone=True)),
    # Decisions close ranks when one is taken out.
    UniqueConstraint(
        "meeting_id", "number", name="meeting_decision_number", deferrable=True, initially="DEFERRED"
    ),
    CheckConstraint(_one_of("becomes", BECOMES), name="meeting_decision_becomes"),
    CheckConstraint(_one_of("outcome", OUTCOMES), name="meeting_decision_outcome"),
    comment="What a meeting decided, and what became of it",
    info={"grants": "SELECT, INSERT, UPDATE, DELETE"},
)

meeting_addendum: Final = Table(
    "meeting_addendum",
    metadata,
    Column("meeting_id", Uuid(as_uuid=False), ForeignKey("meeting.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("meeting_id", "number", name="meeting_addendum_pkey"),
    comment="What was wrong or missing in minutes that were signed; only ever added to",
    info={"grants": "SELECT, INSERT"},
)

meeting_act: Final = _acts(
    "meeting_act", "meeting_id", "meeting.id", "Who did what to a meeting; only ever added to"
)
