"""What sending cost and how quick it was, as sums that stay when the notices of long ago go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

COUNTS = (
    "notices",
    "accepted",
    "accepted_10s",
    "delivered",
    "delivered_1m",
    "delivered_5m",
    "delivered_60m",
    "undelivered",
    "expired",
    "suppressed",
    "segments",
)


def upgrade() -> None:
    ready = "wall time: it was held until then, by the night, a cap, a limit or a stop"
    op.add_column("sending", sa.Column("ready_at", sa.DateTime(timezone=True), comment=ready))
    op.add_column("attempt", sa.Column("segments", sa.SmallInteger, comment="parts of a short message"))
    op.add_column("attempt", sa.Column("cost", sa.Numeric(12, 4), comment="yuan, by the price of its day"))
    op.create_table(
        "spending",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True, comment="in the county's zone"),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("segments", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.Numeric(14, 4), nullable=False),
    )
    op.create_table(
        "statistic",
        sa.Column("hour", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("template", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in COUNTS),
        sa.Column("cost", sa.Numeric(14, 4), nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("the sums are all that is left of notices that are gone")
