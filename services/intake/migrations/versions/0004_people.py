"""One key a person, erasure, and the log of what was revealed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    # What was sealed with the ring itself before stays readable; `jiayuan intake keys rotate` gives it keys of persons.
    op.add_column("report", sa.Column("erased_at", _TIME, comment="when what is personal was erased"))
    op.alter_column("report", "original", comment="what arrived, sealed with the person's key")
    op.alter_column("report", "contact", comment="name, phone, openid, sealed with the person's key")
    op.alter_column("report", "reporter", comment="pseudonym, person_key.person; NULL when anonymous")
    op.alter_column("supplement", "original", comment="what arrived, sealed with the person's key")
    op.create_index(
        "report_reporter", "report", ["reporter"], postgresql_where=sa.text("reporter IS NOT NULL")
    )
    op.create_table(
        "person_key",
        sa.Column(
            "handle",
            sa.Text(),
            primary_key=True,
            comment="keyed hash of phone or openid; an anonymous report's id",
        ),
        sa.Column("person", sa.Text(), nullable=False, unique=True, comment="pseudonym, drawn at random"),
        sa.Column("key", sa.Text(), nullable=False, comment="id of the key, in front of all that it seals"),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("ring", sa.Text(), nullable=False, comment="id of the ring's key that wraps it"),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False, comment="the key, sealed for the person"),
        sa.Column("created_at", _TIME, nullable=False),
        comment="One key a person: without its row nobody can read what is sealed with it, nor say whose it was",
    )
    op.create_table(
        "person_log",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False, comment="pseudonym; once erased it leads to nobody"),
        sa.Column("reports", sa.Integer(), nullable=False, comment="how many it was about"),
        sa.Column(
            "asked_by", sa.Text(), nullable=False, comment="citizen, or the operator who did it for one"
        ),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.CheckConstraint("action IN ('exported', 'erased')", name="person_log_action"),
        comment="What persons got of their data or had erased, and at whose wish; never changed",
    )
    op.create_index("person_log_person", "person_log", ["person"])
    op.create_index("person_log_at", "person_log", ["at"])
    op.create_table(
        "reveal_log",
        sa.Column("reveal", sa.Uuid(), nullable=False),
        sa.Column(
            "step", sa.Integer(), nullable=False, comment="1 asked, 2 approved or refused, then each reading"
        ),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("why", sa.Text()),
        sa.Column("until", _TIME, comment="of an approval: when it ends"),
        sa.PrimaryKeyConstraint("reveal", "step", name="reveal_log_pkey"),
        sa.CheckConstraint("action IN ('asked', 'approved', 'refused', 'read')", name="reveal_log_action"),
        sa.CheckConstraint(
            "(step = 1) = (action = 'asked') AND (step = 2) = (action IN ('approved', 'refused'))",
            name="reveal_log_step",
        ),
        comment="Who asked to see what is sealed, who allowed it, and each reading; never changed",
    )
    op.create_index("reveal_log_at", "reveal_log", ["at"])
    op.create_index("reveal_log_report", "reveal_log", ["report"])


def downgrade() -> None:
    for table in ("reveal_log", "person_log", "person_key"):
        op.drop_table(table)
    op.drop_index("report_reporter", "report")
    op.drop_column("report", "erased_at")
