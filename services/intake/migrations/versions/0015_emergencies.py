"""Emergencies, so that reports about one matter are joined harder while one is on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "emergency",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of the newest event that was heard"),
        sa.Column(
            "area",
            postgresql.JSONB(),
            nullable=False,
            comment="codes of a county, streets, communities, grids",
        ),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, comment="null: until it is lifted"),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column(
            "joined",
            sa.Float(),
            nullable=False,
            comment="from which likeness on reports are joined meanwhile",
        ),
        sa.Column("asked", sa.Float(), nullable=False),
        sa.Column("lifted", sa.Boolean(), nullable=False),
        comment="Emergencies that routing told of: while one is on, reports about one matter are joined harder",
    )


def downgrade() -> None:
    op.drop_table("emergency")
