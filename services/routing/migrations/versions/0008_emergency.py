"""Emergencies, what they changed, whom they called, warnings, and how far the cases are brought in line."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0005"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def _no(name: str, kind: object) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=False)  # type: ignore[arg-type]


def upgrade() -> None:
    op.create_table(
        "emergency",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of the newest emergency.* event of it"),
        _no("mode", sa.Text()),
        sa.Column(
            "terms",
            postgresql.JSON(),
            nullable=False,
            comment="the mode as it stood in the policy when it was declared",
        ),
        sa.Column("policy", sa.Text(), nullable=False, comment="version of the emergency policy"),
        sa.Column(
            "area",
            postgresql.JSON(),
            nullable=False,
            comment="codes of a county, streets, communities, grids",
        ),
        _no("reason", sa.Text()),
        _no("starts_at", _TIME),
        sa.Column("ends_at", _TIME, nullable=False, comment="by itself, or when it was lifted"),
        _no("declared_at", _TIME),
        _no("declared_by", sa.Text()),
        sa.Column("begun_at", _TIME, comment="when the people were called and the cases asked for"),
        sa.Column("lifted_at", _TIME),
        sa.Column("lifted_by", sa.Text()),
        sa.Column(
            "history",
            postgresql.JSON(),
            nullable=False,
            comment="every declaration, move of the end and lifting, with whom",
        ),
        comment="Modes that are, were or will be on for an area and a time",
    )
    op.create_index(
        "emergency_not_over", "emergency", ["ends_at"], postgresql_where=sa.text("lifted_at IS NULL")
    )
    op.create_table(
        "emergency_case",
        sa.Column("case_id", sa.Uuid(), primary_key=True),
        sa.Column(
            "legs",
            postgresql.JSON(),
            nullable=False,
            comment="by leg: response and finish limit in peace, in seconds",
        ),
        comment="What the limits were of the legs whose limits an emergency changed, until it is over",
    )
    op.create_table(
        "emergency_call",
        sa.Column("emergency", sa.Uuid(), primary_key=True),
        sa.Column("person", sa.Text(), primary_key=True),
        _no("street", sa.Text()),
        _no("at", _TIME),
        comment="Who was called in for which emergency: nobody twice",
    )
    op.create_table(
        "emergency_sweep",
        sa.Column("street", sa.Text(), primary_key=True),
        sa.Column("cursor_at", _TIME, comment="opened_at of the last case that was looked at"),
        sa.Column("cursor_id", sa.Uuid(), comment="and its id"),
        sa.Column(
            "again", sa.SmallInteger(), nullable=False, comment="how many passes are to follow this one"
        ),
        sa.Column("not_before", _TIME, nullable=False, comment="wall clock"),
        comment="Streets whose open cases are being brought in line with the emergencies that hold, and how far",
    )
    op.create_table(
        "alert",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("external_id", sa.Text(), primary_key=True),
        _no("action", sa.Text()),
        sa.Column(
            "root", sa.Text(), nullable=False, comment="external id of the warning that was raised first"
        ),
        _no("event", sa.Text()),
        _no("severity", sa.Text()),
        sa.Column("mode", sa.Text(), comment="that it turns on; null: none"),
        sa.Column("emergency", sa.Uuid(), comment="that came of it"),
        _no("at", _TIME),
        comment="Warnings of the weather and emergency bureaus",
    )
    op.create_index("alert_root", "alert", ["source", "root", "at"])
    op.create_table(
        "emergency_policy",
        sa.Column("version", sa.Text(), primary_key=True),
        _no("effective_from", _TIME),
        _no("document", postgresql.JSON()),
        _no("imported_at", _TIME),
        _no("imported_by", sa.Text()),
        comment="Imported tables of emergency modes; the one that comes with the service holds until there is one",
    )


def downgrade() -> None:
    for table in (
        "emergency_policy",
        "alert",
        "emergency_sweep",
        "emergency_call",
        "emergency_case",
        "emergency",
    ):
        op.drop_table(table)
