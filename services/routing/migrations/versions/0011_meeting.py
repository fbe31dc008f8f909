"""Decisions of joint meetings that call units, each carried out once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "meeting_decision",
        sa.Column(
            "id",
            sa.Text(collation="C"),
            primary_key=True,
            comment="of the decision, which the ledger gave it",
        ),
        sa.Column("meeting", sa.Text, nullable=False),
        sa.Column("case", sa.Text, nullable=False, comment="as the decision names it: an id or a number"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text, comment="done, refused"),
        sa.Column("reason", sa.Text, comment="refused: why"),
        comment="Decisions of joint meetings that call units, each carried out once",
    )


def downgrade() -> None:
    op.drop_table("meeting_decision")
