"""What channels say of a report beyond its text: consent, submitter, device time, attachments, facts, secrets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # All may be empty: the release before knows none of them.
    op.add_column(
        "report",
        sa.Column(
            "device_at",
            sa.DateTime(timezone=True),
            comment="by the clock of the device that it was taken with",
        ),
    )
    op.add_column(
        "report", sa.Column("consent", sa.Text(), comment="version of the consent that the reporter gave")
    )
    op.add_column(
        "report", sa.Column("submitter", sa.Text(), comment="who of the staff sent it for somebody")
    )
    op.add_column(
        "report", sa.Column("attachments", postgresql.JSONB(), comment="digests of media, in their order")
    )
    op.add_column(
        "report",
        sa.Column("facts", postgresql.JSONB(), comment="what only its channel says of it, nothing personal"),
    )
    op.add_column(
        "report",
        sa.Column(
            "secrets",
            sa.Text(),
            comment="what only its channel says of it and is personal, sealed as the contact is",
        ),
    )


def downgrade() -> None:
    for column in ("secrets", "facts", "attachments", "submitter", "consent", "device_at"):
        op.drop_column("report", column)
