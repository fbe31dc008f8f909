"""Reports, what reporters add to them, and idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from jiayuan.chassis.migrations import delivery_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    delivery_tables(op)
    op.create_table(
        "report",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("tracking_code", sa.Text(), nullable=False, unique=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "source_system",
            sa.Text(),
            comment="who sent it: a partner, a file; with external_id it is unique",
        ),
        sa.Column("external_id", sa.Text()),
        sa.Column("title", sa.Text(), nullable=False, comment="normal form, masked"),
        sa.Column("text", sa.Text(), nullable=False, comment="normal form, masked"),
        sa.Column("original", sa.Text(), nullable=False, comment="what arrived, sealed for the report's id"),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("category_name", sa.Text(), nullable=False),
        sa.Column("category_confidence", sa.Float(), nullable=False),
        sa.Column("category_method", sa.Text(), nullable=False),
        sa.Column("livelihood", sa.Boolean(), nullable=False),
        sa.Column("importance", sa.SmallInteger(), nullable=False),
        sa.Column("urgency", sa.SmallInteger(), nullable=False),
        sa.Column("street", sa.Text()),
        sa.Column("community", sa.Text()),
        sa.Column("grid", sa.Text()),
        sa.Column("place_evidence", sa.Text(), nullable=False),
        sa.Column("place_confidence", sa.Float(), nullable=False),
        sa.Column("signs", postgresql.JSONB(), nullable=False),
        sa.Column("reporter", sa.Text(), comment="pseudonym; NULL when anonymous"),
        sa.Column(
            "contact",
            sa.Text(),
            comment="name, phone, openid, sealed for the reporter (else for the report's id)",
        ),
        sa.Column("occurred_at", _TIME),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'received'")),
        sa.Column(
            "version",
            sa.Integer(),
            nullable=False,
            server_default=sa.text("1"),
            comment="sequence of its last event",
        ),
        sa.Column("withdrawn_at", _TIME),
        sa.Column("withdrawn_reason", sa.Text()),
        sa.UniqueConstraint("source_system", "external_id", name="report_source_key"),
        sa.CheckConstraint("state IN ('received', 'withdrawn')", name="report_state"),
        comment="What one person or system sent, made clean",
    )
    op.create_index("report_received_at", "report", ["received_at"])
    op.create_table(
        "supplement",
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of the event"),
        sa.Column("text", sa.Text(), nullable=False, comment="normal form, masked"),
        sa.Column("original", sa.Text(), nullable=False, comment="what arrived, sealed for the report's id"),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("report", "sequence", name="supplement_pkey"),
        comment="What the reporter added later",
    )
    op.create_table(
        "rating",
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of the event"),
        sa.Column("solved", sa.Boolean(), nullable=False),
        sa.Column("satisfaction", sa.SmallInteger()),
        sa.Column("words", sa.Text()),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("report", "sequence", name="rating_pkey"),
        comment="What the reporter said of the result",
    )
    op.create_table(
        "idempotency_key",
        sa.Column("scope", sa.Text(), nullable=False, comment="what was asked of, and by whom"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="of the body"),
        sa.Column("answer", postgresql.JSONB(), comment="the first answer"),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name="idempotency_key_pkey"),
        comment="Requests that may be sent again without harm",
    )
    op.create_index("idempotency_key_created_at", "idempotency_key", ["created_at"], postgresql_using="brin")


def downgrade() -> None:
    for table in ("idempotency_key", "rating", "supplement", "report", "dead_letter", "outbox", "inbox"):
        op.drop_table(table)
