"""Receipts: attempts of a kind of their own, found by request and by the provider's id, and those that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.drop_constraint("attempt_kind_known", "attempt", type_="check")
    op.create_check_constraint("attempt_kind_known", "attempt", "kind IN ('send', 'query', 'receipt')")
    for name, column in (("attempt_request", "request_id"), ("attempt_ref", "provider_ref")):
        # Of a sink nothing is in them: it delivers at once.
        op.create_index(
            name, "attempt", [column], postgresql_where=sa.text("outcome IN ('accepted', 'unknown')")
        )
    op.create_table(
        "receipt_waiting",
        sa.Column("id", UUID(as_uuid=False), primary_key=True, comment="of what it says"),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.Column("provider_ref", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("at", TIME),
        sa.Column("heard_at", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('delivered', 'undelivered')", name="receipt_waiting_kind_known"),
    )
    op.create_index("receipt_waiting_provider", "receipt_waiting", ["provider", "heard_at"])
    op.create_table(
        "consent_heard",
        sa.Column("person", sa.Text, primary_key=True, comment="a keyed digest of the openid"),
        sa.Column("template", sa.Text, primary_key=True, comment="the vendor's id of it"),
        sa.Column("at", TIME, primary_key=True, comment="when WeChat says that it was"),
    )
    op.create_index("consent_heard_at", "consent_heard", ["at"])


def downgrade() -> None:
    op.drop_table("consent_heard")
    op.drop_table("receipt_waiting")
    op.drop_index("attempt_ref", "attempt")
    op.drop_index("attempt_request", "attempt")
    op.execute("DELETE FROM attempt WHERE kind = 'receipt'")
    op.drop_constraint("attempt_kind_known", "attempt", type_="check")
    op.create_check_constraint("attempt_kind_known", "attempt", "kind IN ('send', 'query')")
