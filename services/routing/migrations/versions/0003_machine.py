"""When a case has to be looked at again, and marks on rules that sent one to the wrong place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "case_report",
        sa.Column(
            "own_case", sa.Uuid(), comment="the case that it had before that was merged into another one"
        ),
    )
    op.create_table(
        "case_due",
        sa.Column("case_id", sa.Uuid(), primary_key=True),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        comment="When a case has to be looked at again: an approval's time is up, or a dated pause is over",
    )
    op.create_index("case_due_at", "case_due", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_table(
        "dispatch_mark",
        sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Uuid(), nullable=False),
        sa.Column("leg", sa.Uuid(), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.Column("wrong", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        comment="Where a rule had sent a case to the wrong place, as desk or unit say; the newest of a leg holds",
    )
    op.create_index("dispatch_mark_of_rule", "dispatch_mark", ["policy", "rule"])


def downgrade() -> None:
    op.drop_table("dispatch_mark")
    op.drop_table("case_due")
    op.drop_column("case_report", "own_case")
