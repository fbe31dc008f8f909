"""Places: coordinates of a report, versions of the gazetteer, fallback points, service points, open questions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0002"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "report", sa.Column("lat", sa.Float(), comment="WGS-84 degrees, as sent, even if it is no place")
    )
    op.add_column("report", sa.Column("long", sa.Float()))
    op.add_column(
        "report",
        sa.Column("point", sa.Text(), comment="what the coordinates are: inside, outside, fallback, swapped"),
    )
    op.create_table(
        "gazetteer_version",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("effective_from", _TIME, nullable=False),
        sa.Column(
            "document",
            postgresql.JSON(),
            nullable=False,
            comment="the whole gazetteer, see docs/gazetteer.md",
        ),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 of the document"),
        sa.Column("counts", postgresql.JSONB(), nullable=False),
        sa.Column("imported_at", _TIME, nullable=False),
        sa.Column("imported_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", _TIME),
        sa.Column("revoked_reason", sa.Text()),
        comment="Lists of places; the newest that is in effect and not revoked is the one that reports are "
        "matched with",
    )
    op.create_table(
        "fallback_point",
        sa.Column("lat", sa.Float(), nullable=False, comment="WGS-84 degrees, six decimals"),
        sa.Column("long", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False, comment="how many had it when it was found"),
        sa.Column("places", sa.Integer(), nullable=False, comment="how many different places those named"),
        sa.Column("added_at", _TIME, nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lat", "long", name="fallback_point_pkey"),
        comment="Points that a system gives when it knows none: no place",
    )
    op.create_table(
        "service_point",
        sa.Column("code", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="party_centre 黨群服務中心, neighbour_centre 近鄰中心, station 驛站",
        ),
        sa.Column("lat", sa.Float(), nullable=False, comment="WGS-84 degrees"),
        sa.Column("long", sa.Float(), nullable=False),
        sa.Column(
            "services", postgresql.JSONB(), nullable=False, comment="names of what is offered: [name, …]"
        ),
        sa.Column(
            "hours",
            postgresql.JSONB(),
            nullable=False,
            comment='open when, by weekday: {"mon": ["08:00-12:00", …], …, "sun": []}; local time',
        ),
        sa.Column("capacity", sa.Integer(), nullable=False, comment="people at a time"),
        sa.Column("street", sa.Text()),
        sa.Column("community", sa.Text()),
        sa.Column("address", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("open_from", sa.Date()),
        sa.Column("open_until", sa.Date(), comment="the last day"),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.CheckConstraint(
            "kind IN ('party_centre', 'neighbour_centre', 'station')", name="service_point_kind"
        ),
        sa.CheckConstraint("capacity >= 1", name="service_point_capacity"),
        comment="Where people are served near their homes",
    )
    op.create_table(
        "place_question",
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), primary_key=True),
        sa.Column(
            "asked", sa.Text(), nullable=False, comment="reporter, until it has waited too long; or desk"
        ),
        sa.Column("street", sa.Text(), comment="whose desk; NULL when the candidates lie in several"),
        sa.Column(
            "candidates",
            postgresql.JSONB(),
            nullable=False,
            comment="[{code, name, street, confidence, why}, …]",
        ),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("state", sa.Text(), nullable=False, server_default=sa.text("'open'")),
        sa.Column("decided", sa.Text(), comment="the code that was chosen; NULL when none fits"),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", _TIME),
        sa.Column("reason", sa.Text()),
        sa.CheckConstraint("asked IN ('reporter', 'desk')", name="place_question_asked"),
        sa.CheckConstraint("state IN ('open', 'decided')", name="place_question_state"),
        comment="Reports whose place can be one of several, for a person to decide",
    )
    op.create_index(
        "place_question_open",
        "place_question",
        ["street", "at"],
        postgresql_where=sa.text("state = 'open'"),
    )


def downgrade() -> None:
    for table in ("place_question", "service_point", "fallback_point", "gazetteer_version"):
        op.drop_table(table)
    for column in ("point", "long", "lat"):
        op.drop_column("report", column)
