"""What reporters are promised where working time counts, or the policy of clocks has another limit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "promise",
        sa.Column("case_id", sa.Uuid(), primary_key=True),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of the newest event that was heard"),
        sa.Column(
            "differs",
            sa.Boolean(),
            nullable=False,
            comment="false: what progress.expected_at says holds again",
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), comment="null while the case stands still"),
        comment="Cases whose reporters are promised another time than the case's limit gives, as sla says",
    )


def downgrade() -> None:
    op.drop_table("promise")
