"""Intake's tables, all of them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB
from sqlalchemy.schema import Index

from jiayuan.chassis import tables

metadata: Final = MetaData()
tables.add(metadata)
tables.add_limits(metadata)

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
    Column("original", Text, nullable=False, comment="what arrived, sealed with the person's key"),
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
    Column("lat", Float, comment="WGS-84 degrees, as sent, even if it is no place"),
    Column("long", Float),
    Column("point", Text, comment="what the coordinates are: inside, outside, fallback, swapped"),
    Column("signs", JSONB, nullable=False),
    Column("reporter", Text, comment="pseudonym, person_key.person; NULL when anonymous"),
    Column("contact", Text, comment="name, phone, openid, sealed with the person's key"),
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
    Column("outcome", Text, comment="how its case judged it: confirmed, refused, withdrawn; NULL while open"),
    Column("attachments", JSONB, comment="digests of media, in their order"),
    Column("facts", JSONB, comment="what only its channel says of it, nothing personal"),
    Column(
        "secrets", Text, comment="what only its channel says of it and is personal, sealed as the contact is"
    ),
    Column("erased_at", DateTime(timezone=True), comment="when what is personal was erased"),
    UniqueConstraint("source_system", "external_id", name="report_source_key"),
    CheckConstraint("state IN ('received', 'withdrawn')", name="report_state"),
    Index("report_received_at", "received_at"),
    Index("report_reporter", "reporter", postgresql_where=text("reporter IS NOT NULL")),
    Index("report_submitter", "submitter", "received_at", postgresql_where=text("submitter IS NOT NULL")),
    comment="What one person or system sent, made clean",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

supplement: Final = Table(
    "supplement",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), nullable=False),
    Column("sequence", Integer, nullable=False, comment="of the event"),
    Column("text", Text, nullable=False, comment="normal form, masked"),
    Column("original", Text, nullable=False, comment="what arrived, sealed with the person's key"),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("report", "sequence", name="supplement_pkey"),
    comment="What the reporter added later",
    info={"grants": "SELECT, INSERT, UPDATE (text, original)"},  # words can be erased, nothing else changes
)

rating: Final = Table(
    "rating",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), nullable=False),
    Column("sequence", Integer, nullable=False, comment="of the event"),
    Column("solved", Boolean, comment="null: the reporter doesn't know"),
    Column("satisfaction", SmallInteger),
    Column("words", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("report", "sequence", name="rating_pkey"),
    comment="What the reporter said of the result",
    info={"grants": "SELECT, INSERT, UPDATE (words)"},
)

model: Final = Table(
    "model",
    metadata,
    Column("version", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True, comment="of the file"),
    Column("document", JSONB, nullable=False, comment="the file's header"),
    Column("content", LargeBinary, nullable=False, comment="the file"),
    Column("state", Text, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("state IN ('candidate', 'shadow', 'current', 'retired')", name="model_state"),
    Index("model_one_current", "state", unique=True, postgresql_where=text("state = 'current'")),
    Index("model_one_shadow", "state", unique=True, postgresql_where=text("state = 'shadow'")),
    comment="Trained classifiers; at most one is in force and one in its shadow",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

model_step: Final = Table(
    "model_step",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("version", Text, ForeignKey("model.version"), nullable=False),
    Column("action", Text, nullable=False),
    Column("before", Text, comment="the model that was in force until then"),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    comment="Who put which model where, and why",
    info={"grants": "SELECT, INSERT"},
)

correction: Final = Table(
    "correction",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("report", Uuid, ForeignKey("report.id"), nullable=False),
    Column("before_code", Text, nullable=False),
    Column("before_method", Text, nullable=False),
    Column("before_confidence", Float, nullable=False),
    Column("code", Text, nullable=False),
    Column("who", Text, nullable=False, comment="staff id"),
    Column("reason", Text, nullable=False, comment="masked"),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("correction_report", "report"),
    comment="Categories that the desk put right; what models learn from",
    info={"grants": "SELECT, INSERT"},
)

shadow_guess: Final = Table(
    "shadow_guess",
    metadata,
    Column("version", Text, ForeignKey("model.version"), nullable=False),
    Column("report", Uuid, ForeignKey("report.id"), nullable=False),
    Column("label", Text, nullable=False),
    Column("code", Text, nullable=False, comment="as it would have been stored"),
    Column("confidence", Float, nullable=False),
    Column("current_version", Text, comment="NULL: keywords decided"),
    Column("current_label", Text),
    Column("current_code", Text, nullable=False),
    Column("current_confidence", Float, nullable=False),
    PrimaryKeyConstraint("version", "report", name="shadow_guess_pkey"),
    comment="What the model in the shadow said of a report, beside what was decided",
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

booking: Final = Table(
    "booking",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), primary_key=True, comment="a booking is a report"),
    Column("service_point", Text, nullable=False),
    Column("point_name", Text, nullable=False, comment="as it was called then"),
    Column("service", Text, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), nullable=False),
    Column("seat", Integer, nullable=False, comment="0 to the point's capacity - 1"),
    Column("state", Text, nullable=False, server_default=text("'booked'")),
    Column("booked_at", DateTime(timezone=True), nullable=False),
    Column("cancelled_at", DateTime(timezone=True)),
    Column("moved_to", Uuid, comment="the booking that took its place"),
    CheckConstraint("state IN ('booked', 'cancelled')", name="booking_state"),
    CheckConstraint("seat >= 0 AND ends_at > starts_at", name="booking_sane"),
    # Nobody's seat is given away twice, whatever the code believes.
    Index(
        "booking_seat",
        "service_point",
        "starts_at",
        "seat",
        unique=True,
        postgresql_where=text("state = 'booked'"),
    ),
    comment="Who comes when to which service point",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

open311_key: Final = Table(
    "open311_key",
    metadata,
    Column("id", Text, primary_key=True, comment="short and public; reports name it"),
    Column("hash", Text, nullable=False, unique=True, comment="SHA-256 of the key, which nobody keeps"),
    Column("name", Text, nullable=False, comment="whose it is"),
    Column("jurisdictions", JSONB, nullable=False, comment="jurisdiction_ids it may report to; none: all"),
    Column("per_minute", Integer, nullable=False),
    Column("per_day", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("revoked_by", Text),
    Column("revoked_reason", Text),
    comment="Keys of Open311 clients",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

open311_use: Final = Table(
    "open311_use",
    metadata,
    Column("key", Text, ForeignKey("open311_key.id"), nullable=False),
    Column("span", Text, nullable=False, comment="minute or day"),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("count", Integer, nullable=False),
    PrimaryKeyConstraint("key", "span", "starts_at", name="open311_use_pkey"),
    comment="How often each key was used, by minute and day",
    info={"grants": "SELECT, INSERT, UPDATE, DELETE"},
)

open311_request: Final = Table(
    "open311_request",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), primary_key=True),
    Column("channel", Text, nullable=False),
    Column("jurisdiction", Text, comment="that it was posted to; NULL when it came in another way"),
    Column("key", Text, comment="that it was posted with"),
    Column("category", Text, nullable=False),
    Column("street", Text),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("closed", Boolean, nullable=False),
    Index("open311_request_requested", text("requested_at DESC"), text("report DESC")),
    Index("open311_request_category", "category", text("requested_at DESC"), text("report DESC")),
    Index("open311_request_street", "street", text("requested_at DESC"), text("report DESC")),
    Index(
        "open311_request_open",
        text("requested_at DESC"),
        text("report DESC"),
        postgresql_where=text("NOT closed"),
    ),
    Index("open311_request_updated", text("updated_at DESC"), text("report DESC")),
    comment="What Open311 lists, in the orders in which it is asked for; all else is read from report and progress",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

gazetteer_version: Final = Table(
    "gazetteer_version",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),
    Column("effective_from", DateTime(timezone=True), nullable=False),
    Column("document", JSON, nullable=False, comment="the whole gazetteer, see docs/gazetteer.md"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the document"),
    Column("counts", JSONB, nullable=False),
    Column("imported_at", DateTime(timezone=True), nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("revoked_reason", Text),
    comment="Lists of places; the newest that is in effect and not revoked is the one that reports are matched with",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

fallback_point: Final = Table(
    "fallback_point",
    metadata,
    Column("lat", Float, nullable=False, comment="WGS-84 degrees, six decimals"),
    Column("long", Float, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reports", Integer, nullable=False, comment="how many had it when it was found"),
    Column("places", Integer, nullable=False, comment="how many different places those named"),
    Column("added_at", DateTime(timezone=True), nullable=False),
    Column("added_by", Text, nullable=False),
    PrimaryKeyConstraint("lat", "long", name="fallback_point_pkey"),
    comment="Points that a system gives when it knows none: no place",
)

service_point: Final = Table(
    "service_point",
    metadata,
    Column("code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column(
        "kind",
        Text,
        nullable=False,
        comment="party_centre 黨群服務中心, neighbour_centre 近鄰中心, station 驛站",
    ),
    Column("lat", Float, nullable=False, comment="WGS-84 degrees"),
    Column("long", Float, nullable=False),
    Column("services", JSONB, nullable=False, comment="names of what is offered: [name, …]"),
    Column(
        "hours",
        JSONB,
        nullable=False,
        comment='open when, by weekday: {"mon": ["08:00-12:00", …], …, "sun": []}; local time',
    ),
    Column("capacity", Integer, nullable=False, comment="people at a time"),
    Column("street", Text),
    Column("community", Text),
    Column("address", Text, nullable=False, server_default=text("''")),
    Column("open_from", Date),
    Column("open_until", Date, comment="the last day"),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("kind IN ('party_centre', 'neighbour_centre', 'station')", name="service_point_kind"),
    CheckConstraint("capacity >= 1", name="service_point_capacity"),
    comment="Where people are served near their homes",
)

place_question: Final = Table(
    "place_question",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), primary_key=True),
    Column("asked", Text, nullable=False, comment="reporter, until it has waited too long; or desk"),
    Column("street", Text, comment="whose desk; NULL when the candidates lie in several"),
    Column("candidates", JSONB, nullable=False, comment="[{code, name, street, confidence, why}, …]"),
    Column("why", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("decided", Text, comment="the code that was chosen; NULL when none fits"),
    Column("decided_by", Text),
    Column("decided_at", DateTime(timezone=True)),
    Column("reason", Text),
    CheckConstraint("asked IN ('reporter', 'desk')", name="place_question_asked"),
    CheckConstraint("state IN ('open', 'decided')", name="place_question_state"),
    Index("place_question_open", "street", "at", postgresql_where=text("state = 'open'")),
    comment="Reports whose place can be one of several, for a person to decide",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

progress: Final = Table(
    "progress",
    metadata,
    Column("id", Uuid, primary_key=True, comment="of the case"),
    Column("number", Text, nullable=False),
    Column("sequence", Integer, nullable=False, comment="of the newest event; older ones change nothing"),
    Column("state", Text, nullable=False),
    Column("level", Text, nullable=False, comment="where it is handled"),
    Column("confirmed", Text),
    Column(
        "ended",
        Boolean,
        nullable=False,
        server_default=text("false"),
        comment="whether it was ever closed or voided; from then on each state judges its reports again",
    ),
    Column("reports", ARRAY(Uuid), nullable=False),
    Column(
        "legs", JSONB, nullable=False, comment="level, unit, state and times of each; nobody's name or id"
    ),
    Column("pauses", JSONB, nullable=False),
    Column("extensions", JSONB, nullable=False),
    Column(
        "notes", JSONB, nullable=False, comment="what the reporter is told, masked, by the event's sequence"
    ),
    Column("expected_at", DateTime(timezone=True), comment="first receipt and the citizen's limit"),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("resolved_at", DateTime(timezone=True)),
    Column("closed_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Index("progress_reports", "reports", postgresql_using="gin"),
    comment="What became of reports: the newest state of each case that intake has heard of",
    # Its pages leave room, so that a new state of a case is written beside the old one.
    postgresql_with={"fillfactor": "70"},
    info={"grants": "SELECT, INSERT, UPDATE"},
)

promise: Final = Table(
    "promise",
    metadata,
    Column("case_id", Uuid, primary_key=True),
    Column("sequence", Integer, nullable=False, comment="of the newest event that was heard"),
    Column("differs", Boolean, nullable=False, comment="false: what progress.expected_at says holds again"),
    Column("due_at", DateTime(timezone=True), comment="null while the case stands still"),
    comment="Cases whose reporters are promised another time than the case's limit gives, as sla says",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

person_key: Final = Table(
    "person_key",
    metadata,
    Column(
        "handle", Text, primary_key=True, comment="keyed hash of phone or openid; an anonymous report's id"
    ),
    Column("person", Text, nullable=False, unique=True, comment="pseudonym, drawn at random"),
    Column("key", Text, nullable=False, comment="id of the key, in front of all that it seals"),
    Column("algorithm", Text, nullable=False),
    Column("ring", Text, nullable=False, comment="id of the ring's key that wraps it"),
    Column("wrapped", LargeBinary, nullable=False, comment="the key, sealed for the person"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    comment="One key a person: without its row nobody can read what is sealed with it, nor say whose it was",
)

person_log: Final = Table(
    "person_log",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("action", Text, nullable=False),
    Column("person", Text, nullable=False, comment="pseudonym; once erased it leads to nobody"),
    Column("reports", Integer, nullable=False, comment="how many it was about"),
    Column("asked_by", Text, nullable=False, comment="citizen, or the operator who did it for one"),
    Column("why", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    CheckConstraint("action IN ('exported', 'erased')", name="person_log_action"),
    Index("person_log_person", "person"),
    Index("person_log_at", "at"),
    comment="What persons got of their data or had erased, and at whose wish; never changed",
    info={"grants": "SELECT, INSERT"},
)

reveal_log: Final = Table(
    "reveal_log",
    metadata,
    Column("reveal", Uuid, nullable=False),
    Column("step", Integer, nullable=False, comment="1 asked, 2 approved or refused, then each reading"),
    Column("action", Text, nullable=False),
    Column("report", Uuid, ForeignKey("report.id"), nullable=False),
    Column("who", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("why", Text),
    Column("until", DateTime(timezone=True), comment="of an approval: when it ends"),
    PrimaryKeyConstraint("reveal", "step", name="reveal_log_pkey"),
    CheckConstraint("action IN ('asked', 'approved', 'refused', 'read')", name="reveal_log_action"),
    CheckConstraint(
        "(step = 1) = (action = 'asked') AND (step = 2) = (action IN ('approved', 'refused'))",
        name="reveal_log_step",
    ),
    Index("reveal_log_at", "at"),
    Index("reveal_log_report", "report"),
    comment="Who asked to see what is sealed, who allowed it, and each reading; never changed",
    info={"grants": "SELECT, INSERT"},
)

media: Final = Table(
    "media",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the kept file, and its name in the store"),
    Column("kind", Text, nullable=False, comment="photo or voice"),
    Column("type", Text, nullable=False, comment="media type, by content"),
    Column("size", Integer, nullable=False, comment="bytes"),
    Column("width", Integer, nullable=False, comment="pixels; 0 for voice"),
    Column("height", Integer, nullable=False),
    Column("seconds", Float, nullable=False, comment="of a voice note; 0 where unknown"),
    Column("taken_at", DateTime(timezone=True), comment="of the EXIF that was taken out"),
    Column("lat", Float, comment="WGS-84 degrees, of the EXIF that was taken out"),
    Column("long", Float),
    Column(
        "state",
        Text,
        nullable=False,
        comment="arriving: the file may not be there yet; kept; leaving: the file may be gone already",
    ),
    Column(
        "touched_at", DateTime(timezone=True), nullable=False, comment="last upload or last loss of a report"
    ),
    CheckConstraint("state IN ('arriving', 'kept', 'leaving')", name="media_state"),
    Index("media_touched_at", "touched_at"),
    comment="Photos and voice notes; the files are in the media store",
)

attachment: Final = Table(
    "attachment",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), nullable=False),
    Column("digest", Text, ForeignKey("media.digest"), nullable=False),
    Column("position", SmallInteger, nullable=False, comment="from 0, in the reporter's order"),
    PrimaryKeyConstraint("report", "digest", name="attachment_pkey"),
    Index("attachment_digest", "digest"),
    comment="Which report has which media",
)

standing: Final = Table(
    "standing",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("submitted", Integer, nullable=False, server_default=text("0")),
    Column("confirmed", Integer, nullable=False, server_default=text("0")),
    Column("refused", Integer, nullable=False, server_default=text("0")),
    Column("withdrawn", Integer, nullable=False, server_default=text("0")),
    Column("duplicate", Integer, nullable=False, server_default=text("0")),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    comment="How far the reports that somebody sent as part of a duty proved true",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

matter_key: Final = Table(
    "matter_key",
    metadata,
    Column("key", BigInteger, nullable=False, comment="what reports about one matter have in common, hashed"),
    # Ids grow with time: the newest of a key are its last, and no time has to be kept.
    Column("report", Uuid, nullable=False),
    PrimaryKeyConstraint("key", "report", name="matter_key_pkey"),
    Index("matter_key_report", "report", postgresql_using="brin"),
    comment="Where to look for reports about the same matter, for a few weeks",
    info={"grants": "SELECT, INSERT, DELETE"},
)

report_join: Final = Table(
    "report_join",
    metadata,
    Column("report", Uuid, ForeignKey("report.id"), primary_key=True),
    Column("matter", Uuid, ForeignKey("report.id"), nullable=False, comment="the first report of the matter"),
    Column("near", Uuid, nullable=False, comment="the report that it is most like"),
    Column("score", Float, nullable=False),
    Column("reason", Text, nullable=False, comment="what speaks for it, nothing personal"),
    Column("state", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("decided_at", DateTime(timezone=True)),
    Column("decided_by", Text),
    Column("history", JSONB, nullable=False, comment="every decision: state, by, at, note"),
    CheckConstraint("state IN ('joined', 'asked', 'declined', 'separated')", name="report_join_state"),
    Index("report_join_matter", "matter"),
    Index("report_join_asked", "at", "report", postgresql_where=text("state = 'asked'")),
    comment="Which reports are about the matter of an earlier one, why, and who says so",
    info={"grants": "SELECT, INSERT, UPDATE"},
)

file_import: Final = Table(
    "file_import",
    metadata,
    Column("id", Text, primary_key=True, comment="digest of the file, its mapping and the other options"),
    Column("name", Text, nullable=False),
    Column("line", Integer, nullable=False, server_default=text("0"), comment="the last one dealt with"),
    Column(
        "at_byte", BigInteger, nullable=False, server_default=text("0"), comment="where the next line begins"
    ),
    Column("lines_read", Integer, nullable=False, server_default=text("0")),
    Column("accepted", Integer, nullable=False, server_default=text("0")),
    Column("known", Integer, nullable=False, server_default=text("0")),
    Column("wrong", Integer, nullable=False, server_default=text("0")),
    Column("left_out", Integer, nullable=False, server_default=text("0")),
    Column(
        "errors_size",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="bytes of FILE.errors.csv",
    ),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    comment="Files that are being taken in, and how far each is",
)

hotspot_run: Final = Table(
    "hotspot_run",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("street", Text, nullable=False, comment="'' for the whole county"),
    Column("reports", Integer, nullable=False, comment="looked at"),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("document", JSONB, nullable=False, comment="hotspots with their reports' ids"),
    Index("hotspot_run_street", "street", "until"),
    comment="What many people said about one thing, as it was found",
    info={"grants": "SELECT, INSERT, DELETE"},
)

emergency: Final = Table(
    "emergency",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("sequence", Integer, nullable=False, comment="of the newest event that was heard"),
    Column("area", JSONB, nullable=False, comment="codes of a county, streets, communities, grids"),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ends_at", DateTime(timezone=True), comment="null: until it is lifted"),
    Column("rank", SmallInteger, nullable=False),
    Column("joined", Float, nullable=False, comment="from which likeness on reports are joined meanwhile"),
    Column("asked", Float, nullable=False),
    Column("lifted", Boolean, nullable=False),
    comment="Emergencies that routing told of: while one is on, reports about one matter are joined harder",
    info={"grants": "SELECT, INSERT, UPDATE"},
)
