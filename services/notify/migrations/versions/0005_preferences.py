"""What people wish, and how that came to be; the tracking code by which a citizen says it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null for nearly everybody, on the row that a claim reads anyway.
    op.add_column("recipient", sa.Column("preferences", JSONB))
    op.create_index("report_tracking_code", "report", ["tracking_code"])
    op.create_table(
        "preference_change",
        sa.Column("id", UUID(as_uuid=False), primary_key=True),
        sa.Column("recipient_type", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("how", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False, comment="who kept it for somebody; empty: the person"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("before", JSONB),
        sa.Column("after", JSONB),
        sa.CheckConstraint(
            "how IN ('page', 'code', 'person', 'staff', 'command', 'reply', 'provider')",
            name="preference_change_how_known",
        ),
    )
    op.create_index("preference_change_of", "preference_change", ["recipient_type", "recipient", "at"])


def downgrade() -> None:
    op.drop_table("preference_change")
    op.drop_index("report_tracking_code", "report")
    op.drop_column("recipient", "preferences")
