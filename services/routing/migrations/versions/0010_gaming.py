"""Where a span of time lies among the steps, and who looked at what seemed to be gaming."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "case_step_at",
        "case_step",
        ["at"],
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    )
    op.create_table(
        "gaming_look",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("street", sa.Text, comment="whose view of it; null: the county's"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("document", JSON, nullable=False, comment="the finding as it was looked at"),
        comment="Who looked at what seemed to be gaming, and what they say of it: only ever added to",
    )
    op.create_index("gaming_look_finding", "gaming_look", ["finding", "id"])


def downgrade() -> None:
    op.drop_table("gaming_look")
    op.drop_index("case_step_at", "case_step")
