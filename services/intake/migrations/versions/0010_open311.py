"""Open311: keys of clients, how often they were used, and what is listed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0011"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "open311_key",
        sa.Column("id", sa.Text(), primary_key=True, comment="short and public; reports name it"),
        sa.Column(
            "hash", sa.Text(), nullable=False, unique=True, comment="SHA-256 of the key, which nobody keeps"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="whose it is"),
        sa.Column(
            "jurisdictions",
            postgresql.JSONB(),
            nullable=False,
            comment="jurisdiction_ids it may report to; none: all",
        ),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("per_day", sa.Integer(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.Column("revoked_by", sa.Text()),
        sa.Column("revoked_reason", sa.Text()),
        comment="Keys of Open311 clients",
    )
    op.create_table(
        "open311_use",
        sa.Column("key", sa.Text(), sa.ForeignKey("open311_key.id"), nullable=False),
        sa.Column("span", sa.Text(), nullable=False, comment="minute or day"),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key", "span", "starts_at", name="open311_use_pkey"),
        comment="How often each key was used, by minute and day",
    )
    op.create_table(
        "open311_request",
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), primary_key=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "jurisdiction", sa.Text(), comment="that it was posted to; NULL when it came in another way"
        ),
        sa.Column("key", sa.Text(), comment="that it was posted with"),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("street", sa.Text()),
        sa.Column("requested_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        comment="What Open311 lists, in the orders in which it is asked for; all else is read from report and progress",
    )
    newest = [sa.text("requested_at DESC"), sa.text("report DESC")]
    op.create_index("open311_request_requested", "open311_request", newest)
    op.create_index("open311_request_category", "open311_request", ["category", *newest])
    op.create_index("open311_request_street", "open311_request", ["street", *newest])
    op.create_index("open311_request_open", "open311_request", newest, postgresql_where=sa.text("NOT closed"))
    op.create_index(
        "open311_request_updated", "open311_request", [sa.text("updated_at DESC"), sa.text("report DESC")]
    )


def downgrade() -> None:
    for table in ("open311_request", "open311_use", "open311_key"):
        op.drop_table(table)
