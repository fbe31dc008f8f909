"""What callers have used of their limits, counted over all replicas."""

from __future__ import annotations

from alembic import op

from jiayuan.chassis.migrations import limit_table

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    limit_table(op)


def downgrade() -> None:
    op.drop_table("limit_use")
