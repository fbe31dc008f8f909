"""Several providers at a time: channels, weights, what was counted of them, stops, alarms, credits and limits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("sending", sa.Column("channel", sa.Text, nullable=False, server_default="sms"))
    for name, comment in (
        ("hold_at", "wall time: not by the same provider before this"),
        ("follow_at", "wall time: looked at again then, for the next channel"),
        ("read_at", "business time: opened or acknowledged by the person"),
    ):
        op.add_column("sending", sa.Column(name, TIME, comment=comment))
    op.add_column("attempt", sa.Column("channel", sa.Text, nullable=False, server_default="sms"))
    op.drop_index("sending_due", "sending")
    op.create_index(
        "sending_due",
        "sending",
        ["channel", "priority", "due_at"],
        postgresql_where=sa.text("state IN ('queued', 'deferred')"),
    )
    op.create_index("sending_accepted", "sending", ["due_at"], postgresql_where=sa.text("state = 'accepted'"))
    op.create_index(
        "sending_follow", "sending", ["follow_at"], postgresql_where=sa.text("follow_at IS NOT NULL")
    )
    op.create_table(
        "weight",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("rest", sa.Integer, nullable=False),
        sa.Column("points", sa.Integer, nullable=False),
        sa.Column("moved_at", TIME),
        sa.Column("trouble_at", TIME),
        sa.CheckConstraint("points BETWEEN 0 AND 100 AND rest BETWEEN 0 AND 100", name="weight_points"),
    )
    op.create_table(
        "weight_change",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("before", sa.Integer, nullable=False),
        sa.Column("after", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_table(
        "tally",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("at", TIME, primary_key=True),
        sa.Column("accepted", sa.Integer, nullable=False, server_default="0"),
        sa.Column("errors", sa.Integer, nullable=False, server_default="0"),
        sa.Column("fast", sa.Integer, nullable=False, server_default="0"),
    )
    op.create_table(
        "stop",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("until", TIME),
        sa.Column("ended_at", TIME),
        sa.Column("ended_by", sa.Text),
        sa.Column("ended_reason", sa.Text),
        sa.CheckConstraint("kind IN ('provider', 'channel', 'template')", name="stop_kind_known"),
    )
    op.create_index(
        "stop_in_force", "stop", ["kind", "name"], unique=True, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "alarm",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raised_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("cleared_at", TIME),
        sa.Column("cleared_by", sa.Text),
    )
    op.create_index(
        "alarm_raised",
        "alarm",
        ["kind", "subject"],
        unique=True,
        postgresql_where=sa.text("cleared_at IS NULL"),
    )
    op.create_table(
        "credit",
        sa.Column("person", sa.Text, primary_key=True, comment="a keyed digest of the openid"),
        sa.Column("template", sa.Text, primary_key=True, comment="the vendor's id of it"),
        sa.Column("balance", sa.Integer, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.CheckConstraint("balance >= 0", name="credit_not_below_zero"),
    )
    op.create_table(
        "number_sent",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("number", sa.Text, primary_key=True, comment="a keyed digest of it"),
        sa.Column("sent", JSONB, nullable=False),
        sa.Column("until", TIME, nullable=False, comment="from then on it limits nothing any more"),
    )
    op.create_index("number_sent_until", "number_sent", ["until"])


def downgrade() -> None:
    raise NotImplementedError("weights, stops and alarms are a record of what was decided")
