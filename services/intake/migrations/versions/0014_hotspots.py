"""Hotspots as they were found; and what the planner is to believe of the keys of matters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0010"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "hotspot_run",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("street", sa.Text(), nullable=False, comment="'' for the whole county"),
        sa.Column("reports", sa.Integer(), nullable=False, comment="looked at"),
        sa.Column("made_at", _TIME, nullable=False),
        sa.Column(
            "document",
            postgresql.JSONB(),
            nullable=False,
            comment="hotspots with their reports' ids",
        ),
        comment="What many people said about one thing, as it was found",
    )
    op.create_index("hotspot_run_street", "hotspot_run", ["street", "until"])
    # Few keys with many reports each: then it reads the newest of a key by the index, and sorts nothing.
    op.execute("ALTER TABLE matter_key ALTER COLUMN key SET (n_distinct = 2)")


def downgrade() -> None:
    op.execute("ALTER TABLE matter_key ALTER COLUMN key RESET (n_distinct)")
    op.drop_table("hotspot_run")
