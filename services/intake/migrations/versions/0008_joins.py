"""Reports about one matter: keys to look them up by, and who is joined to whom."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0013"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "matter_key",
        sa.Column(
            "key",
            sa.BigInteger(),
            nullable=False,
            comment="what reports about one matter have in common, hashed",
        ),
        sa.Column("report", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("key", "report", name="matter_key_pkey"),
        comment="Where to look for reports about the same matter, for a few weeks",
    )
    op.create_index("matter_key_report", "matter_key", ["report"], postgresql_using="brin")
    op.create_table(
        "report_join",
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), primary_key=True),
        sa.Column(
            "matter",
            sa.Uuid(),
            sa.ForeignKey("report.id"),
            nullable=False,
            comment="the first report of the matter",
        ),
        sa.Column("near", sa.Uuid(), nullable=False, comment="the report that it is most like"),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False, comment="what speaks for it, nothing personal"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("decided_at", _TIME),
        sa.Column("decided_by", sa.Text()),
        sa.Column(
            "history",
            postgresql.JSONB(),
            nullable=False,
            comment="every decision: state, by, at, note",
        ),
        sa.CheckConstraint("state IN ('joined', 'asked', 'declined', 'separated')", name="report_join_state"),
        comment="Which reports are about the matter of an earlier one, why, and who says so",
    )
    op.create_index("report_join_matter", "report_join", ["matter"])
    op.create_index(
        "report_join_asked",
        "report_join",
        ["at", "report"],
        postgresql_where=sa.text("state = 'asked'"),
    )


def downgrade() -> None:
    op.drop_table("report_join")
    op.drop_table("matter_key")
