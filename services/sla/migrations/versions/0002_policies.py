"""Policies and calendars as versions, recomputations, and what unusual clocks have more than others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
# The release before writes none of the new columns; it never gives a breached clock something to say.
SPEAKS = "next_at IS NULL OR state IN ('armed', 'warned')"


def upgrade() -> None:
    for column in (
        sa.Column(
            "rule",
            sa.Text,
            nullable=False,
            server_default="",
            comment="of the policy; empty when none matched",
        ),
        sa.Column(
            "calendar",
            sa.Text,
            nullable=False,
            server_default="",
            comment="name@version; empty: natural time",
        ),
        sa.Column("given_seconds", sa.BigInteger, comment="the case's limit, where limit_seconds is another"),
        sa.Column(
            "points", JSONB, comment="what it said and has to say, where that is more than one warning"
        ),
        sa.Column("closed", JSONB, comment="spans in which the thing was done, before it was opened again"),
        sa.Column(
            "fixed",
            sa.Boolean,
            nullable=False,
            server_default=sa.text("false"),
            comment="due_at is a moment that somebody named",
        ),
    ):
        op.add_column("clock", column)
    op.drop_constraint("clock_speaks_while_running", "clock")
    op.create_check_constraint(
        "clock_speaks_while_running",
        "clock",
        f"{SPEAKS} OR (state = 'breached' AND points IS NOT NULL)",
    )
    op.add_column("case_seen", sa.Column("facts", JSONB, comment="what the policy's rules look at"))
    op.create_table(
        "calendar_version",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("document", sa.JSON, nullable=False, comment="see docs/sla/calendars.md"),
        sa.Column("digest", sa.Text, nullable=False, comment="SHA-256 of the document"),
        sa.Column("known_until", sa.Date, comment="the last day whose holidays are known"),
        sa.Column("imported_at", TIME, nullable=False),
        sa.Column("imported_by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        comment="Working calendars; of each name the newest version holds",
    )
    op.create_table(
        "policy_version",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("effective_from", TIME, nullable=False),
        sa.Column("document", sa.JSON, nullable=False, comment="see docs/sla/policies.md"),
        sa.Column("digest", sa.Text, nullable=False, comment="SHA-256 of the document"),
        sa.Column("imported_at", TIME, nullable=False),
        sa.Column("imported_by", sa.Text, nullable=False),
        comment="Policies of clocks; the newest whose day has come holds",
    )
    op.create_table(
        "recomputation",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("why", sa.Text, nullable=False, comment="policy VERSION or calendar NAME@VERSION"),
        sa.Column("not_before", TIME, nullable=False, comment="business time"),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column(
            "turn",
            sa.Integer,
            nullable=False,
            comment="of two: the second finds what slow replicas did meanwhile",
        ),
        sa.Column("turn_after", TIME, comment="wall time before which the turn doesn't begin"),
        sa.Column("cursor", sa.Uuid, comment="the last clock that was looked at"),
        sa.Column("looked_at", sa.Integer, nullable=False),
        sa.Column("moved", sa.Integer, nullable=False, comment="clocks whose deadline or terms changed"),
        sa.Column("done_at", TIME),
        sa.UniqueConstraint("why", name="recomputation_why"),
        comment="Open clocks to be computed again after a policy or a calendar changed, and how far that is",
    )


def downgrade() -> None:
    for table in ("recomputation", "policy_version", "calendar_version"):
        op.drop_table(table)
    op.drop_column("case_seen", "facts")
    op.drop_constraint("clock_speaks_while_running", "clock")
    op.execute("UPDATE clock SET next_at = NULL WHERE state = 'breached'")
    op.create_check_constraint("clock_speaks_while_running", "clock", SPEAKS)
    for column in ("fixed", "closed", "points", "given_seconds", "calendar", "rule"):
        op.drop_column("clock", column)
