"""Hotspots as they were found."""

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


def downgrade() -> None:
    op.drop_table("hotspot_run")
