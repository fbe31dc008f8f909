"""The newest joining or separating that routing has heard of, by report."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "case_report",
        sa.Column(
            "join_sequence",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("0"),
            comment="of the newest report.joined or report.separated: what is older changes nothing",
        ),
    )


def downgrade() -> None:
    op.drop_column("case_report", "join_sequence")
