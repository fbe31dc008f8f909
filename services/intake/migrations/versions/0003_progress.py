"""What became of reports, kept from routing's case events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0009"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "progress",
        sa.Column("id", sa.Uuid(), primary_key=True, comment="of the case"),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column(
            "sequence",
            sa.Integer(),
            nullable=False,
            comment="of the newest event; older ones change nothing",
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False, comment="where it is handled"),
        sa.Column("confirmed", sa.Text()),
        sa.Column("reports", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column(
            "legs",
            postgresql.JSONB(),
            nullable=False,
            comment="level, unit, state and times of each; nobody's name or id",
        ),
        sa.Column("pauses", postgresql.JSONB(), nullable=False),
        sa.Column("extensions", postgresql.JSONB(), nullable=False),
        sa.Column(
            "notes",
            postgresql.JSONB(),
            nullable=False,
            comment="what the reporter is told, masked, by the event's sequence",
        ),
        sa.Column("expected_at", _TIME, comment="first receipt and the citizen's limit"),
        sa.Column("opened_at", _TIME, nullable=False),
        sa.Column("resolved_at", _TIME),
        sa.Column("closed_at", _TIME),
        sa.Column("updated_at", _TIME, nullable=False),
        comment="What became of reports: the newest state of each case that intake has heard of",
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("progress_reports", "progress", ["reports"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_table("progress")
