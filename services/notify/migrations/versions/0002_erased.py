"""Citizens who had their contact erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "recipient",
        sa.Column(
            "erased",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="the citizen had the contact erased: none is kept any more",
        ),
    )


def downgrade() -> None:
    op.drop_column("recipient", "erased")
