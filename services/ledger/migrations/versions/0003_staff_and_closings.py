"""What staff posts, where entries come from, and closings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

POSTING_KINDS = (
    "'opening', 'progress', 'hand_over', 'extension', 'money', 'evidence', 'write_off', 'reopening', 'reversal', "
    "'carry_forward'"
)
ENTRY_SOURCES = "'case', 'meeting', 'demand_list', 'carried_forward'"
CLOSING_ACTS = (
    "'closing_proposed', 'closed', 'closing_refused', 'reopening_proposed', 'reopened', 'reopening_refused'"
)


def _key() -> sa.Text:
    return sa.Text(collation="C")


def upgrade() -> None:
    """New columns have defaults or are empty: the release before goes on beside this one."""
    op.add_column("entry", sa.Column("source", sa.Text(), nullable=False, server_default="case"))
    op.add_column(
        "entry",
        sa.Column(
            "source_id",
            _key(),
            comment="the decision, the line of a list, the entry that was carried forward",
        ),
    )
    op.add_column("entry", sa.Column("person", _key()))
    op.add_column("entry", sa.Column("promise", sa.Text()))
    op.add_column("entry", sa.Column("limit_seconds", sa.Integer()))
    op.add_column("entry", sa.Column("due_at", sa.DateTime(timezone=True)))
    op.create_check_constraint("entry_source", "entry", f"source IN ({ENTRY_SOURCES})")
    op.create_index(
        "entry_of_source",
        "entry",
        ["source", "source_id"],
        unique=True,
        postgresql_where=sa.text("source_id IS NOT NULL"),
    )

    op.alter_column(
        "posting",
        "cause",
        comment="the event that told of the step, or the act's key",
        existing_comment="the event that told of the step",
    )
    op.add_column("posting", sa.Column("amount", sa.BigInteger(), comment="money in fen"))
    op.add_column("posting", sa.Column("evidence", sa.Text(), comment="the digest of a file"))
    op.add_column(
        "posting", sa.Column("corrects", sa.Integer(), comment="the number of the posting that it takes back")
    )
    op.drop_constraint("posting_kind", "posting")
    op.create_check_constraint("posting_kind", "posting", f"kind IN ({POSTING_KINDS})")
    op.create_check_constraint("posting_corrects", "posting", "corrects < number")
    op.create_index(
        "posting_act",
        "posting",
        ["entry_id", "cause"],
        unique=True,
        postgresql_where=sa.text("case_sequence IS NULL AND clock_id IS NULL"),
    )
    op.create_index(
        "posting_reversed",
        "posting",
        ["entry_id", "corrects"],
        unique=True,
        postgresql_where=sa.text("corrects IS NOT NULL"),
    )
    op.drop_index("posting_moved", "posting")
    op.create_index(
        "posting_moved",
        "posting",
        ["entry_id"],
        postgresql_include=["number", "opening", "entered", "written_off"],
        postgresql_where=sa.text("opening <> 0 OR entered <> 0 OR written_off <> 0"),
    )

    op.create_table(
        "closing",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("period", _key(), nullable=False, comment="a year, 2026, or a quarter, 2026Q3"),
        sa.Column("number", sa.Integer(), nullable=False, comment="counts the acts of the period"),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("figures", JSONB(), nullable=False, comment="as they stood then"),
        sa.Column("digest", sa.Text(), nullable=False, comment="of the figures"),
        sa.UniqueConstraint("period", "number", name="closing_period_number"),
        sa.CheckConstraint(f"act IN ({CLOSING_ACTS})", name="closing_act"),
        comment="Who proposed, approved, refused the closing or reopening of a period; nothing here is ever changed",
    )
    op.execute(
        """
        CREATE FUNCTION closing_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'closings are append-only: % is refused, reopen by an act of its own', TG_OP
            USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER closing_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON closing "
        "FOR EACH STATEMENT EXECUTE FUNCTION closing_is_append_only()"
    )
    op.execute("ALTER TABLE closing ENABLE ALWAYS TRIGGER closing_is_append_only")


def downgrade() -> None:
    """There is none: books that were begun are not torn up."""
    raise NotImplementedError("the account is append-only; restore a backup instead")
