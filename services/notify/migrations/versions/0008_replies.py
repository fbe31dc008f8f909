"""Answers by SMS whose people are looked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "reply",
        sa.Column("id", UUID(as_uuid=False), primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False, comment="a keyed digest: the same answer again is one"),
        sa.Column("word", sa.Text, nullable=False),
        sa.Column("phone", sa.Text, comment="sealed; forgotten when its people were looked for"),
        sa.Column("at", time, nullable=False),
        sa.Column("after", sa.Text, nullable=False, comment="so far people were gone through"),
        sa.Column("found", sa.Integer, nullable=False, server_default="0"),
        sa.Column("done_at", time),
        sa.UniqueConstraint("provider", "key", name="reply_once"),
        sa.CheckConstraint("word IN ('stop', 'start')", name="reply_word_known"),
    )
    op.create_index("reply_open", "reply", ["at"], postgresql_where=sa.text("phone IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("reply")
