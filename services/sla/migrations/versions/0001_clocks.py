"""Clocks, and the newest version of each case that was seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from jiayuan.chassis.migrations import delivery_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    delivery_tables(op)
    op.create_table(
        "clock",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("case_id", sa.Text, nullable=False),
        sa.Column("leg_id", sa.Text, nullable=False, comment="empty for a clock of the whole case"),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("round", sa.BigInteger, nullable=False, comment="tells repeated clocks of one kind apart"),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("assignee_type", sa.Text),
        sa.Column("assignee_id", sa.Text),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column(
            "limit_seconds", sa.BigInteger, nullable=False, comment="with the extensions granted in time"
        ),
        sa.Column("due_at", TIME, nullable=False, comment="the last moment that is in time"),
        sa.Column("warn_at", TIME),
        sa.Column("next_at", TIME, comment="when there is something to say; null when never"),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False, comment="the clock's own version"),
        sa.Column(
            "case_sequence", sa.BigInteger, nullable=False, comment="the case's version that it follows"
        ),
        sa.Column("warned_at", TIME),
        sa.Column("breached_at", TIME),
        sa.Column("met_at", TIME),
        sa.Column("stopped_at", TIME, comment="when the thing was done or its leg ended"),
        sa.Column("policy", sa.Text, nullable=False),
        sa.UniqueConstraint("case_id", "leg_id", "kind", "round", name="clock_case_leg_kind_round"),
        sa.CheckConstraint(
            "state IN ('armed', 'warned', 'breached', 'met', 'cancelled')", name="clock_state_known"
        ),
        # Otherwise the ticker would claim it for ever.
        sa.CheckConstraint(
            "next_at IS NULL OR state IN ('armed', 'warned')", name="clock_speaks_while_running"
        ),
        comment="Deadlines of legs and cases",
    )
    op.create_index("clock_next_at", "clock", ["next_at"], postgresql_where=sa.text("next_at IS NOT NULL"))
    op.create_index(
        "clock_street_due_at",
        "clock",
        ["street", "due_at"],
        postgresql_where=sa.text("state IN ('armed', 'warned')"),
    )
    op.create_table(
        "case_seen",
        sa.Column("case_id", sa.Text, primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("lane", sa.Text, nullable=False, comment="in which its clocks speak"),
        sa.Column("traceparent", sa.Text, nullable=False, comment="of the newest event"),
        sa.Column("pauses", JSONB, nullable=False),
        sa.Column("extensions", JSONB, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        comment="The newest version of each case that was seen, and what moves its deadlines",
    )


def downgrade() -> None:
    for table in ("case_seen", "clock", "dead_letter", "outbox", "inbox"):
        op.drop_table(table)
