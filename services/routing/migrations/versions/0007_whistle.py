"""Cases that nobody takes, for the next quarterly meeting."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unclaimed_whistle",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "why",
            sa.Text,
            nullable=False,
            comment="released: every unit was let go; undecided: by the convener",
        ),
        sa.Column("meeting", sa.Text, comment="the quarterly meeting that has taken it up"),
        comment="Cases that nobody takes, for the next quarterly meeting, beside their documents",
    )
    op.create_index("unclaimed_whistle_street", "unclaimed_whistle", ["street", "since"])


def downgrade() -> None:
    op.drop_table("unclaimed_whistle")
