"""Appointments at service points."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "booking",
        sa.Column(
            "report",
            sa.Uuid(),
            sa.ForeignKey("report.id", name="booking_report_fkey"),
            primary_key=True,
            comment="a booking is a report",
        ),
        sa.Column("service_point", sa.Text(), nullable=False),
        sa.Column("point_name", sa.Text(), nullable=False, comment="as it was called then"),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("seat", sa.Integer(), nullable=False, comment="0 to the point's capacity - 1"),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'booked'")),
        sa.Column("booked_at", _TIME, nullable=False),
        sa.Column("cancelled_at", _TIME),
        sa.Column("moved_to", sa.Uuid(), comment="the booking that took its place"),
        sa.CheckConstraint("state IN ('booked', 'cancelled')", name="booking_state"),
        sa.CheckConstraint("seat >= 0 AND ends_at > starts_at", name="booking_sane"),
        comment="Who comes when to which service point",
    )
    op.create_index(
        "booking_seat",
        "booking",
        ["service_point", "starts_at", "seat"],
        unique=True,
        postgresql_where=sa.text("state = 'booked'"),
    )


def downgrade() -> None:
    op.drop_table("booking")
