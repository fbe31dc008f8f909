"""What the rates need of each case, beside what its clocks need."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Nullable and without a default: nothing is rewritten, and the release before doesn't name it.
    op.add_column(
        "case_seen",
        sa.Column(
            "measured",
            sa.JSON,
            comment="what the rates need; null of a matter that promises nothing, and of what was not seen since",
        ),
    )


def downgrade() -> None:
    op.drop_column("case_seen", "measured")
