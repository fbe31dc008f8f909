"""Routing's tables: all of them, with what the service's own role may do with them."""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    Column,
    Date,
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
    Column("state_doc", JSON, nullable=False, info={"document": True}),
    # Pages of worklists: by street, in the order of their cursors; the county's are put together from these. What lists
    # are filtered by comes after the order, so that what isn't wanted is passed over without a look at its row.
    Index(
        "case_open",
        "street",
        "opened_at",
        "id",
        "state",
        "colour",
        "kind",
        "category",
        "community",
        postgresql_where=text("state NOT IN ('closed', 'voided', 'merged')"),
    ),
    Index(
        "case_over",
        "street",
        "closed_at",
        "id",
        "state",
        "colour",
        "kind",
        "category",
        "community",
        postgresql_where=text("state IN ('closed', 'voided', 'merged')"),
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
    *(
        Column(
            name,
            Integer,
            nullable=False,
            server_default=text("0"),
            comment="of the newest correction that intake told of: what is older changes nothing",
        )
        for name in ("category_sequence", "place_sequence")
    ),
    Column("own_case", Uuid, comment="the case that it had before that was merged into another one"),
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
    Index(
        "leg_live",
        "offered_at",
        "id",
        postgresql_where=text("state IN ('offered', 'accepted', 'answered')"),
    ),
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
    # Steps lie in the order of their times: where a span is, is all that has to be known, and costs nearly nothing.
    Index(
        "case_step_at",
        "at",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
    comment="Every step of every case: only ever added to",
    info={"grants": "SELECT, INSERT"},
)

unclaimed_whistle = Table(
    "unclaimed_whistle",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("street", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column(
        "why", Text, nullable=False, comment="released: every unit was let go; undecided: by the convener"
    ),
    Column("meeting", Text, comment="the quarterly meeting that has taken it up"),
    Index("unclaimed_whistle_street", "street", "since"),
    comment="Cases that nobody takes, for the next quarterly meeting, beside their documents",
)

gaming_look = Table(
    "gaming_look",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("finding", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("street", Text, comment="whose view of it; null: the county's"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("document", JSON, nullable=False, comment="the finding as it was looked at"),
    Index("gaming_look_finding", "finding", "id"),
    comment="Who looked at what seemed to be gaming, and what they say of it: only ever added to",
    info={"grants": "SELECT, INSERT"},
)

meeting_decision = Table(
    "meeting_decision",
    metadata,
    Column("id", Text(collation="C"), primary_key=True, comment="of the decision, which the ledger gave it"),
    Column("meeting", Text, nullable=False),
    Column("case", Text, nullable=False, comment="as the decision names it: an id or a number"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("outcome", Text, comment="done, refused"),
    Column("reason", Text, comment="refused: why"),
    comment="Decisions of joint meetings that call units, each carried out once",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

approval = Table(
    "approval",
    metadata,
    Column("id", Text, primary_key=True),
    Column("case_id", Uuid, nullable=False),
    Column("street", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("leg", Uuid),
    Column("of", Text, nullable=False, comment="the desk or the convener that decides"),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("decided_at", DateTime(timezone=True)),
    Index("approval_of_case", "case_id"),
    Index("approval_waiting", "of", "asked_at", "id", postgresql_where=text("decided_at IS NULL")),
    Index("approval_asked", "asked_by", "asked_at", "id", postgresql_where=text("decided_at IS NULL")),
    Index("approval_due", "due_at", postgresql_where=text("decided_at IS NULL")),
    comment="What was asked for in a case and waits for somebody, beside its document, so that it is found",
)

read_log = Table(
    "read_log",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("who", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("via", Text, nullable=False, comment="http or cli"),
    Column("operator", Text, nullable=False, comment="the login that acts for who on a command line"),
    Column("what", Text, nullable=False, comment="case, contact or export"),
    Column("case_id", Uuid),
    Column("subject", Text, nullable=False, comment="the case's number, whose contact, or what was exported"),
    Column("fields", Text, nullable=False),
    Column("why", Text, nullable=False),
    Index("read_log_case", "case_id", "id", postgresql_where=text("case_id IS NOT NULL")),
    Index("read_log_who", "who", "id"),
    Index("read_log_subject", "subject", "id"),
    comment="Every reading of personal data: only ever added to; forget_reads() drops what is old",
    info={"grants": "SELECT, INSERT"},
)

acting = Table(
    "acting",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("operator", Text, nullable=False, comment="the login at the command line"),
    Column("who", Text, nullable=False, comment="the staff member who is acted for"),
    Column("roles", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("case_id", Uuid),
    Column("leg", Text, nullable=False),
    Column("sequence", Integer, comment="of the case afterwards; of a refusal, as it was"),
    Column("outcome", Text, nullable=False, comment="done, nothing or refused"),
    Column("problem", Text, nullable=False),
    Column("why", Text, nullable=False),
    Index("acting_case", "case_id", "id"),
    Index("acting_who", "who", "id"),
    comment="What operators did for others at the command line, also what was refused: only ever added to",
    info={"grants": "SELECT, INSERT"},
)

case_due = Table(
    "case_due",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("due_at", DateTime(timezone=True)),
    Index("case_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    comment="When a case has to be looked at again: an approval's time is up, or a dated pause is over",
)

dispatch_mark = Table(
    "dispatch_mark",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("policy", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("case_id", Uuid, nullable=False),
    Column("leg", Uuid, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("wrong", Boolean, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text),
    Index("dispatch_mark_of_rule", "policy", "rule"),
    comment="Where a rule had sent a case to the wrong place, as desk or unit say; the newest of a leg holds",
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
    info={"grants": "SELECT, INSERT"},
)

policy_verdict = Table(
    "policy_verdict",
    metadata,
    Column("version", Text, primary_key=True),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("verdict", Text, nullable=False, comment="approved, rejected or withdrawn"),
    Column("by", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("reason", Text),
    comment="What a second person said of an imported policy table; the last one counts, none means it waits",
    info={"grants": "SELECT, INSERT"},
)

decision_table = Table(
    "decision",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("sequence", Integer, primary_key=True, comment="of the case, that the decision led to"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("cause", Text, nullable=False, comment="received, separated, corrected, triage, recolour"),
    Column("by", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("importance", SmallInteger, nullable=False),
    Column("urgency", SmallInteger, nullable=False),
    Column("signs", Text, nullable=False, comment="codes, with commas"),
    Column("street", Text, nullable=False),
    Column("community", Text),
    Column("confidence", REAL, comment="of the category; none: nobody guessed"),
    Column("doubt", Text, comment="why the desk looks first: confidence, conflict, place; or: accepted"),
    Column("level", Text, nullable=False),
    Column("lead", Text),
    Column("assistants", Text, nullable=False, comment="codes, with commas"),
    Column("colour", Text, nullable=False),
    Column("response_limit", Integer, nullable=False),
    Column("finish_limit", Integer, nullable=False),
    Column("more", JSON, comment="candidates of the category; what it was before; the reason of a person"),
    Index("decision_at", "at", postgresql_using="brin"),
    Index("decision_doubt", "street", "at", postgresql_where=text("doubt IS NOT NULL")),
    comment="Every decision with its inputs: by which rule of which policy, how sure; only ever added to",
    info={"grants": "SELECT, INSERT"},
)

directory_version = Table(
    "directory_version",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("effective_at", DateTime(timezone=True), nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("action", Text, nullable=False, comment="import, split, merge, hand_over, policy …"),
    Column("source", Text, nullable=False, server_default=text("''"), comment="the file and its digest"),
    Column("reason", Text),
    Column("summary", JSON, nullable=False, server_default=text("'{}'"), comment="what it changed, counted"),
    Column(
        "told_at",
        DateTime(timezone=True),
        comment="when directory.changed was said of it; NULL: it is not in effect yet, or was cancelled",
    ),
    Column("cancelled_at", DateTime(timezone=True)),
    Column("cancelled_by", Text),
    Column("cancelled_reason", Text),
    Index(
        "directory_version_pending",
        "effective_at",
        postgresql_where=text("told_at IS NULL AND cancelled_at IS NULL"),
    ),
    comment="Every change of the directory: who, when, from which time on",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

directory_entry = Table(
    "directory_entry",
    metadata,
    Column(
        "kind", Text, primary_key=True, comment="place, grid, person, unit, superior, seat, team, point …"
    ),
    Column("key", Text, primary_key=True),
    Column("version", Integer, primary_key=True, comment="the change that made it"),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_to", DateTime(timezone=True), comment="before this time; NULL: until further notice"),
    Column("ended_by", Integer, comment="the change that ended it"),
    Column("doc", JSON, nullable=False, comment="as a row of the document"),
    Column("extra", JSON, comment="area and boundary (GeoJSON, WGS-84), which only maps and documents need"),
    Column("contact", Text, comment="sealed; taken out when the entry is over: nobody needs an old number"),
    Index("directory_entry_of_version", "version"),
    Index("directory_entry_ended_by", "ended_by", postgresql_where=text("ended_by IS NOT NULL")),
    comment="What held of everything in the directory at which time: only ever added to, and ended",
    info={
        "grants": "SELECT, INSERT, UPDATE",
        "sealed": {
            "contact": "CASE kind WHEN 'place' THEN 'desk-' || "
            "CASE doc->>'kind' WHEN 'county' THEN key || '000' ELSE key END ELSE key END"
        },
    },
)

# Views of what is in effect of directory_entry, as the release before this one had its tables.
_VIEW = {"view": True, "grants": "SELECT"}

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
    info=_VIEW,
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
    info=_VIEW,
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
    info=_VIEW,
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
    info=_VIEW,
)

emergency = Table(
    "emergency",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("sequence", Integer, nullable=False, comment="of the newest emergency.* event of it"),
    Column("mode", Text, nullable=False),
    Column("terms", JSON, nullable=False, comment="the mode as it stood in the policy when it was declared"),
    Column("policy", Text, nullable=False, comment="version of the emergency policy"),
    Column("area", JSON, nullable=False, comment="codes of a county, streets, communities, grids"),
    Column("reason", Text, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False, comment="by itself, or when it was lifted"),
    Column("declared_at", DateTime(timezone=True), nullable=False),
    Column("declared_by", Text, nullable=False),
    Column(
        "begun_at", DateTime(timezone=True), comment="when the people were called and the cases asked for"
    ),
    Column("lifted_at", DateTime(timezone=True)),
    Column("lifted_by", Text),
    Column(
        "history", JSON, nullable=False, comment="every declaration, move of the end and lifting, with whom"
    ),
    Index("emergency_not_over", "ends_at", postgresql_where=text("lifted_at IS NULL")),
    comment="Modes that are, were or will be on for an area and a time",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

emergency_case = Table(
    "emergency_case",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("legs", JSON, nullable=False, comment="by leg: response and finish limit in peace, in seconds"),
    comment="What the limits were of the legs whose limits an emergency changed, until it is over",
)

emergency_call = Table(
    "emergency_call",
    metadata,
    Column("emergency", Uuid, primary_key=True),
    Column("person", Text, primary_key=True),
    Column("street", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    comment="Who was called in for which emergency: nobody twice",
    info={"grants": "SELECT, INSERT"},
)

emergency_sweep = Table(
    "emergency_sweep",
    metadata,
    Column("street", Text, primary_key=True),
    Column("cursor_at", DateTime(timezone=True), comment="opened_at of the last case that was looked at"),
    Column("cursor_id", Uuid, comment="and its id"),
    Column("again", SmallInteger, nullable=False, comment="how many passes are to follow this one"),
    Column("not_before", DateTime(timezone=True), nullable=False, comment="wall clock"),
    comment="Streets whose open cases are being brought in line with the emergencies that hold, and how far",
)

alert = Table(
    "alert",
    metadata,
    Column("source", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("action", Text, nullable=False),
    Column("root", Text, nullable=False, comment="external id of the warning that was raised first"),
    Column("event", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("mode", Text, comment="that it turns on; null: none"),
    Column("emergency", Uuid, comment="that came of it"),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("alert_root", "source", "root", "at"),
    comment="Warnings of the weather and emergency bureaus",
    info={"grants": "SELECT, INSERT"},
)

emergency_policy = Table(
    "emergency_policy",
    metadata,
    Column("version", Text, primary_key=True),
    Column("effective_from", DateTime(timezone=True), nullable=False),
    Column("document", JSON, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("imported_by", Text, nullable=False),
    comment="Imported tables of emergency modes; the one that comes with the service holds until there is one",
    info={"grants": "SELECT, INSERT"},
)

mediation = Table(
    "mediation",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("team", Text),
    Column("mediator", Text),
    Column("outcome", Text),
    Column("concluded_at", DateTime(timezone=True)),
    Column(
        "next_step",
        Text,
        comment="of a dispute that was not settled: where the parties were sent or advised to go",
    ),
    Column("next_unit", Text),
    Column("agreement", Text, comment="SHA-256 of the file, which stays where it was signed"),
    Column("perform_by", Date),
    Column("check_on", Date),
    Column("performed", Text),
    Column("checked_at", DateTime(timezone=True)),
    Column("checked_by", Text),
    Column("note", Text),
    Index(
        "mediation_to_check",
        "check_on",
        postgresql_where=text("check_on IS NOT NULL AND checked_at IS NULL"),
    ),
    comment="A dispute before a mediator or a team, what came of it, and whether what was agreed was done",
)

mediation_session = Table(
    "mediation_session",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("number", SmallInteger, primary_key=True),
    Column("state", Text, nullable=False, comment="fixed, held"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("place", Text),
    Column("point", Text),
    Column("parties", SmallInteger, comment="how many came"),
    Column("present", JSON, comment="pseudonyms of those who came, no names"),
    Column("minutes", Text, comment="SHA-256 of the minutes"),
    Column("outcome", Text),
    Column("note", Text),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    comment="Sittings about a dispute",
)

wish = Table(
    "wish",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("wanted", JSON, nullable=False),
    comment="What a wish asks for: skills, languages, times; not its words",
)

offer = Table(
    "offer",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("leg", Uuid, primary_key=True),
    Column("round", SmallInteger, nullable=False),
    Column("helper", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("offered_at", DateTime(timezone=True), nullable=False),
    Column("lapses", Integer, nullable=False, comment="seconds"),
    comment="Whom a wish was offered to and why; what came of it is the leg's state",
    info={"grants": "SELECT, INSERT"},
)

visit = Table(
    "visit",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("point", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("number", Integer, comment="of those whom routing sent there; none where a seat was booked"),
    Column("starts_at", DateTime(timezone=True)),
    Index("visit_by_day", "day", "point"),
    Index("visit_number", "point", "day", "number", unique=True, postgresql_where=text("number IS NOT NULL")),
    comment="Appointments by service point and day",
)
