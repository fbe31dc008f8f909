"""What callers have used of their limits, counted over all replicas."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "limit_use",
        sa.Column("subject", sa.Text(), nullable=False, comment="channel, deed, and a pseudonym or a hash"),
        sa.Column("seconds", sa.Integer(), nullable=False, comment="the length of the window"),
        sa.Column(
            "slot", sa.BigInteger(), nullable=False, comment="the window's number: Unix time / seconds"
        ),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column(
            "until", sa.BigInteger(), nullable=False, comment="Unix seconds after which nobody asks for it"
        ),
        sa.PrimaryKeyConstraint("subject", "seconds", "slot", name="limit_use_pkey"),
        prefixes=["UNLOGGED"],
        comment="How often somebody did something; lost in a crash of the database, which lets a few more in",
    )


def downgrade() -> None:
    op.drop_table("limit_use")
