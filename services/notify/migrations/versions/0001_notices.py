"""Recipients, reports' tracking codes, notices, attempts, and what the sink took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

from jiayuan.chassis.migrations import delivery_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    delivery_tables(op)
    op.create_table(
        "recipient",
        sa.Column("type", sa.Text, primary_key=True),
        sa.Column("ref", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("grid", sa.Text, nullable=False),
        sa.Column("contact", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint("type IN ('citizen', 'person', 'unit', 'desk')", name="recipient_type_known"),
    )
    op.create_index("recipient_desk", "recipient", ["street"], postgresql_where=sa.text("type = 'desk'"))
    op.create_table(
        "report",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("tracking_code", sa.Text, nullable=False),
    )
    op.create_table(
        "notice",
        sa.Column("id", UUID(as_uuid=False), primary_key=True),
        sa.Column("recipient_type", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("matter", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("template_version", sa.Integer, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("case_id", sa.Text),
        sa.Column("report_id", sa.Text),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("parameters", JSONB, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.UniqueConstraint("recipient_type", "recipient", "matter", "step", "template", name="notice_once"),
    )
    for column in ("case_id", "report_id"):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"notice_{column}", "notice", [column], postgresql_where=where)
    op.create_table(
        "sending",
        sa.Column("notice_id", UUID(as_uuid=False), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("state_at", TIME, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("waits", sa.Integer, nullable=False, server_default="0"),
        sa.Column("awaits_recipient", sa.Text),
        sa.Column("awaits_report", sa.Text),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("provider", sa.Text),
        sa.Column("request_id", UUID(as_uuid=False)),
        sa.Column("provider_ref", sa.Text),
        sa.Column("submitted_at", TIME),
        sa.CheckConstraint(
            "state IN ('queued', 'claimed', 'submitted', 'accepted', 'delivered', 'undelivered', 'expired', "
            "'unknown', 'deferred', 'suppressed')",
            name="sending_state_known",
        ),
        # Nothing is ever sent without the request id written first.
        sa.CheckConstraint(
            "state NOT IN ('submitted', 'accepted', 'delivered', 'unknown') OR request_id IS NOT NULL",
            name="sending_request_written",
        ),
        # Every notice changes two or three times within a second, and then never again.
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0.02",
            "autovacuum_vacuum_threshold": "10000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    indexes = {
        "sending_due": (["priority", "due_at"], "state IN ('queued', 'deferred')"),
        "sending_submitted": (["submitted_at"], "state = 'submitted'"),
        "sending_unknown": (["due_at"], "state = 'unknown'"),
        "sending_awaits_recipient": (["awaits_recipient"], "awaits_recipient IS NOT NULL"),
        "sending_awaits_report": (["awaits_report"], "awaits_report IS NOT NULL"),
    }
    for name, (columns, condition) in indexes.items():
        op.create_index(name, "sending", columns, postgresql_where=sa.text(condition))
    op.create_table(
        "attempt",
        sa.Column("id", UUID(as_uuid=False), primary_key=True),
        sa.Column("notice_id", UUID(as_uuid=False), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("request_id", UUID(as_uuid=False), nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("provider_ref", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('send', 'query')", name="attempt_kind_known"),
    )
    op.create_index("attempt_notice", "attempt", ["notice_id"])
    op.create_table(
        "sink_message",
        sa.Column("request_id", UUID(as_uuid=False), primary_key=True),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )


def downgrade() -> None:
    raise NotImplementedError("notices are a record: there is no way back from the first migration")
