"""How many notices somebody was sent today, and which notices a digest stands for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "told",
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("ref", sa.Text, primary_key=True),
        sa.Column("day", sa.Date, nullable=False, comment="in the zone of the policy"),
        sa.Column("sent", sa.Integer, nullable=False, comment="on that day, over all templates"),
        sa.Column("burst", sa.Integer, nullable=False, comment="what may be gathered, in a row"),
        sa.Column("burst_at", time, nullable=False, comment="business time of the newest of them"),
        # A row changes with every message of its person, in place.
        postgresql_with={"fillfactor": "70"},
    )
    op.add_column(
        "sending",
        sa.Column("gathered_in", UUID(as_uuid=False), comment="the digest that stands for it"),
    )
    op.create_index(
        "sending_gathered", "sending", ["gathered_in"], postgresql_where=sa.text("gathered_in IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("sending_gathered", "sending")
    op.drop_column("sending", "gathered_in")
    op.drop_table("told")
