"""What a provider's own list of a day says, beside ours: a row a day and provider, and a row a difference."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reconciliation",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True, comment="in the county's zone"),
        sa.Column("after", UUID(as_uuid=False), nullable=False, comment="calls up to this one are looked at"),
        sa.Column("ours", sa.Integer, nullable=False, server_default="0"),
        sa.Column("theirs", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("ended_at", TIME),
        sa.Column("error", sa.Text, comment="why it could not be finished"),
    )
    op.create_table(
        "difference",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False, comment="our request id; of what isn't ours, theirs"),
        sa.Column("notice_id", UUID(as_uuid=False)),
        sa.Column("ours", sa.Text),
        sa.Column("theirs", sa.Text),
        sa.Column("found_at", TIME, nullable=False),
        sa.Column("settled_at", TIME),
        sa.Column("settled_by", sa.Text),
        sa.Column("reason", sa.Text),
        sa.UniqueConstraint("provider", "day", "kind", "key", name="difference_once"),
        sa.CheckConstraint("kind IN ('missing', 'extra', 'state')", name="difference_kind_known"),
    )
    op.create_index("difference_open", "difference", ["id"], postgresql_where=sa.text("settled_at IS NULL"))


def downgrade() -> None:
    op.drop_table("difference")
    op.drop_table("reconciliation")
