"""Notices that a person had sent again: who, when and why."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "resend",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("notice_id", UUID(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, comment="that it was in"),
        sa.Column("request_id", UUID(as_uuid=False), comment="that it was sent with before"),
    )
    op.create_index("resend_notice", "resend", ["notice_id"])


def downgrade() -> None:
    op.drop_table("resend")
