"""Trained models with their states, the desk's corrections, and what a model in the shadow would have said."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0014"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "model",
        sa.Column("version", sa.Text(), primary_key=True),
        sa.Column("digest", sa.Text(), nullable=False, unique=True, comment="of the file"),
        sa.Column("document", postgresql.JSONB(), nullable=False, comment="the file's header"),
        sa.Column("content", sa.LargeBinary(), nullable=False, comment="the file"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.CheckConstraint("state IN ('candidate', 'shadow', 'current', 'retired')", name="model_state"),
        comment="Trained classifiers; at most one is in force and one in its shadow",
    )
    for state in ("current", "shadow"):
        op.create_index(
            f"model_one_{state}",
            "model",
            ["state"],
            unique=True,
            postgresql_where=sa.text(f"state = '{state}'"),
        )
    op.create_table(
        "model_step",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("version", sa.Text(), sa.ForeignKey("model.version"), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), comment="the model that was in force until then"),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        comment="Who put which model where, and why",
    )
    op.create_table(
        "correction",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), nullable=False),
        sa.Column("before_code", sa.Text(), nullable=False),
        sa.Column("before_method", sa.Text(), nullable=False),
        sa.Column("before_confidence", sa.Float(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False, comment="staff id"),
        sa.Column("reason", sa.Text(), nullable=False, comment="masked"),
        sa.Column("at", _TIME, nullable=False),
        comment="Categories that the desk put right; what models learn from",
    )
    op.create_index("correction_report", "correction", ["report"])
    op.create_table(
        "shadow_guess",
        sa.Column("version", sa.Text(), sa.ForeignKey("model.version"), nullable=False),
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False, comment="as it would have been stored"),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("current_version", sa.Text(), comment="NULL: keywords decided"),
        sa.Column("current_label", sa.Text()),
        sa.Column("current_code", sa.Text(), nullable=False),
        sa.Column("current_confidence", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("version", "report", name="shadow_guess_pkey"),
        comment="What the model in the shadow said of a report, beside what was decided",
    )


def downgrade() -> None:
    for name in ("shadow_guess", "correction", "model_step", "model"):
        op.drop_table(name)
