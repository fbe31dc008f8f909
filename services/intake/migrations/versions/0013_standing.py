"""How far the reports that somebody sent as part of a duty proved true."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "report",
        sa.Column(
            "outcome",
            sa.Text(),
            comment="how its case judged it: confirmed, refused, withdrawn; NULL while open",
        ),
    )
    op.create_index(
        "report_submitter",
        "report",
        ["submitter", "received_at"],
        postgresql_where=sa.text("submitter IS NOT NULL"),
    )
    op.add_column(
        "progress",
        sa.Column(
            "ended",
            sa.Boolean(),
            nullable=False,
            server_default=sa.text("false"),
            comment="whether it was ever closed or voided; from then on each state judges its reports again",
        ),
    )
    op.create_table(
        "standing",
        sa.Column("subject", sa.Text(), primary_key=True),
        *(
            sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))
            for name in ("submitted", "confirmed", "refused", "withdrawn", "duplicate")
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        comment="How far the reports that somebody sent as part of a duty proved true",
    )


def downgrade() -> None:
    op.drop_table("standing")
    op.drop_column("progress", "ended")
    op.drop_index("report_submitter", "report")
    op.drop_column("report", "outcome")
