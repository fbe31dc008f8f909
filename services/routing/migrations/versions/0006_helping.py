"""Mediations with their sessions, offers of wishes, appointments by service point."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0006"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "mediation",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("team", sa.Text),
        sa.Column("mediator", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("concluded_at", TIME),
        sa.Column(
            "next_step",
            sa.Text,
            comment="of a dispute that was not settled: where the parties were sent or advised to go",
        ),
        sa.Column("next_unit", sa.Text),
        sa.Column("agreement", sa.Text, comment="SHA-256 of the file, which stays where it was signed"),
        sa.Column("perform_by", sa.Date),
        sa.Column("check_on", sa.Date),
        sa.Column("performed", sa.Text),
        sa.Column("checked_at", TIME),
        sa.Column("checked_by", sa.Text),
        sa.Column("note", sa.Text),
        comment="A dispute before a mediator or a team, what came of it, and whether what was agreed was done",
    )
    op.create_index(
        "mediation_to_check",
        "mediation",
        ["check_on"],
        postgresql_where=sa.text("check_on IS NOT NULL AND checked_at IS NULL"),
    )
    op.create_table(
        "mediation_session",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.SmallInteger, primary_key=True),
        sa.Column("state", sa.Text, nullable=False, comment="fixed, held"),
        sa.Column("at", TIME, nullable=False),
        sa.Column("place", sa.Text),
        sa.Column("point", sa.Text),
        sa.Column("parties", sa.SmallInteger, comment="how many came"),
        sa.Column("present", JSON, comment="pseudonyms of those who came, no names"),
        sa.Column("minutes", sa.Text, comment="SHA-256 of the minutes"),
        sa.Column("outcome", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("recorded_by", sa.Text, nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        comment="Sittings about a dispute",
    )
    op.create_table(
        "wish",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("wanted", JSON, nullable=False),
        comment="What a wish asks for: skills, languages, times; not its words",
    )
    op.create_table(
        "offer",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("leg", sa.Uuid, primary_key=True),
        sa.Column("round", sa.SmallInteger, nullable=False),
        sa.Column("helper", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("score", sa.SmallInteger, nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("offered_at", TIME, nullable=False),
        sa.Column("lapses", sa.Integer, nullable=False, comment="seconds"),
        comment="Whom a wish was offered to and why; what came of it is the leg's state",
    )
    op.create_table(
        "visit",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("point", sa.Text, nullable=False),
        sa.Column("service", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column(
            "number", sa.Integer, comment="of those whom routing sent there; none where a seat was booked"
        ),
        sa.Column("starts_at", TIME),
        comment="Appointments by service point and day",
    )
    op.create_index("visit_by_day", "visit", ["day", "point"])
    op.create_index(
        "visit_number",
        "visit",
        ["point", "day", "number"],
        unique=True,
        postgresql_where=sa.text("number IS NOT NULL"),
    )


def downgrade() -> None:
    for table in ("visit", "offer", "wish", "mediation_session", "mediation"):
        op.drop_table(table)
