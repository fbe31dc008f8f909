"""Cases with their legs and steps, turns of the workers, the directory and the policies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

from jiayuan.chassis.migrations import delivery_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    delivery_tables(op)
    op.execute(sa.schema.CreateSequence(sa.Sequence("case_number")))
    op.create_table(
        "case",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Text, nullable=False, unique=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("livelihood", sa.Boolean, nullable=False),
        sa.Column("colour", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("community", sa.Text),
        sa.Column("grid", sa.Text),
        sa.Column("opened_at", TIME, nullable=False),
        sa.Column("resolved_at", TIME),
        sa.Column("closed_at", TIME),
        sa.Column("confirmed", sa.Text),
        sa.Column("reopened", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("rating", JSON),
        sa.Column("state_doc", JSON, nullable=False),
        comment="A case; state_doc is the case as its last event told it",
    )
    op.create_index(
        "case_open_by_street",
        "case",
        ["street", "opened_at"],
        postgresql_where=sa.text("state NOT IN ('closed', 'voided', 'merged')"),
    )
    op.create_table(
        "case_report",
        sa.Column("report_id", sa.Text, primary_key=True),
        sa.Column("case_id", sa.Uuid),
        sa.Column("waiting", JSON, nullable=False, server_default="[]"),
        comment="Which case a report is in; waiting: what came about a report before the report itself",
    )
    op.create_table(
        "leg",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("assignee_type", sa.Text, nullable=False),
        sa.Column("assignee", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("offered_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        comment="Every assignment, so that an assignee finds what it owes",
    )
    op.create_index("leg_of_assignee", "leg", ["assignee", "state", "offered_at"])
    op.create_table(
        "case_step",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("leg", sa.Uuid),
        sa.Column("reason", sa.Text),
        sa.Column("evidence", JSON),
        comment="Every step of every case: only ever added to",
    )
    op.create_table(
        "handling",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("external_id", sa.Text, primary_key=True),
        sa.Column("case_id", sa.Uuid, nullable=False),
        comment="What outside systems have reported, so that a resend under another event id is harmless",
    )
    op.create_table(
        "turn",
        sa.Column("person", sa.Text, primary_key=True),
        sa.Column("last_given", TIME, nullable=False),
        sa.Column("given", sa.BigInteger, nullable=False),
        comment="When a worker was last given a case, and how many so far",
        postgresql_with={"fillfactor": "60"},
    )
    _directory()


def _directory() -> None:
    op.create_table(
        "directory",
        sa.Column("id", sa.SmallInteger, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("imported_at", TIME, nullable=False),
        sa.Column("imported_by", sa.Text, nullable=False),
        comment="One row: the version that every process compares with the one in its memory",
    )
    op.create_table(
        "policy",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("effective_from", TIME, nullable=False),
        sa.Column("document", JSON, nullable=False),
        sa.Column("imported_at", TIME, nullable=False),
        sa.Column("imported_by", sa.Text, nullable=False),
        comment="Policy tables that were imported; the one that comes with the service holds until there is one",
    )
    op.create_table(
        "place",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("parent", sa.Text, nullable=False),
        sa.Column("contact", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
        comment="County, streets, communities and villages; contact: the sealed one of the desk",
    )
    op.create_table(
        "grid",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("parent", sa.Text, nullable=False),
        sa.Column("community", sa.Text, nullable=False),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("party_group", sa.Text, nullable=False),
        sa.Column("functions", JSON, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("grid", sa.Text, nullable=False),
        sa.Column("community", sa.Text, nullable=False),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("contact", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    op.create_table(
        "unit",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("member", sa.Text, nullable=False),
        sa.Column("duties", JSON, nullable=False),
        sa.Column("clerk", sa.Text, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("partner", sa.Text, nullable=False),
        sa.Column("contact", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    for table in ("unit", "person", "grid", "place", "policy", "directory", "turn", "handling", "case_step"):
        op.drop_table(table)
    for table in ("leg", "case_report", "case", "dead_letter", "outbox", "inbox"):
        op.drop_table(table)
    op.execute(sa.schema.DropSequence(sa.Sequence("case_number")))
