"""The account: entries, append-only postings, breaches that wait for their entry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from jiayuan.chassis.migrations import delivery_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ENTRY_STATES = "'open', 'written_off', 'reversed', 'carried_forward'"
POSTING_KINDS = (
    "'opening', 'progress', 'hand_over', 'extension', 'evidence', 'write_off', 'reopening', 'reversal', "
    "'carry_forward'"
)


def _key() -> sa.Text:
    return sa.Text(collation="C")


def upgrade() -> None:
    """Makes the tables and the trigger that keeps postings as they are."""
    delivery_tables(op)
    op.create_table(
        "entry",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("item", sa.Uuid(), nullable=False, comment="the matter; stays when it is carried forward"),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("case_id", _key()),
        sa.Column("case_number", sa.Text()),
        sa.Column("street", _key(), nullable=False),
        sa.Column("unit", _key()),
        sa.Column("category", _key(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("written_off_at", sa.DateTime(timezone=True)),
        sa.Column("case_state", sa.Text()),
        sa.Column("confirmed", sa.Text()),
        sa.Column("case_sequence", sa.Integer(), nullable=False, comment="the highest step of the case seen"),
        sa.Column("state_sequence", sa.Integer(), nullable=False, comment="the step that settled the state"),
        sa.Column(
            "postings",
            sa.Integer(),
            nullable=False,
            comment="number of the last posting, the entry's version",
        ),
        sa.UniqueConstraint("case_id", "year", name="entry_case_id_year"),
        sa.UniqueConstraint("item", "year", name="entry_item_year"),
        sa.CheckConstraint(f"state IN ({ENTRY_STATES})", name="entry_state"),
        comment="A line of the annual account, as its postings make it",
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("entry_year_street", "entry", ["year", "street", "id"])
    op.create_table(
        "posting",
        sa.Column("entry_id", sa.Uuid(), sa.ForeignKey("entry.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("case_sequence", sa.Integer()),
        sa.Column("clock_id", _key()),
        sa.Column("clock_sequence", sa.Integer()),
        sa.Column(
            "opening",
            sa.SmallInteger(),
            nullable=False,
            comment="what it moves in the year's opening balance",
        ),
        sa.Column("entered", sa.SmallInteger(), nullable=False, comment="what it moves in what was entered"),
        sa.Column(
            "written_off", sa.SmallInteger(), nullable=False, comment="what it moves in what was written off"
        ),
        sa.Column("unit", _key()),
        sa.Column("actor", sa.Text()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, comment="when the step was taken"),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False, comment="when it was posted"),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("facts", JSONB(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False, comment="the event that told of the step"),
        sa.PrimaryKeyConstraint("entry_id", "number", name="posting_pkey"),
        sa.UniqueConstraint("entry_id", "case_sequence", "kind", name="posting_step"),
        sa.CheckConstraint(f"kind IN ({POSTING_KINDS})", name="posting_kind"),
        sa.CheckConstraint("number > 0", name="posting_number"),
        sa.CheckConstraint(
            "opening BETWEEN -1 AND 1 AND entered BETWEEN -1 AND 1 AND written_off BETWEEN -1 AND 1",
            name="posting_moves",
        ),
        comment="One line under an entry; nothing here is ever changed or deleted",
    )
    op.create_index(
        "posting_clock",
        "posting",
        ["clock_id", "clock_sequence"],
        unique=True,
        postgresql_where=sa.text("clock_id IS NOT NULL"),
    )
    op.create_index(
        "posting_moved",
        "posting",
        ["entry_id"],
        postgresql_include=["opening", "entered", "written_off"],
        postgresql_where=sa.text("opening <> 0 OR entered <> 0 OR written_off <> 0"),
    )
    op.create_table(
        "waiting_breach",
        sa.Column("clock_id", _key(), nullable=False),
        sa.Column("clock_sequence", sa.Integer(), nullable=False),
        sa.Column("case_id", _key(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_source", sa.Text(), nullable=False),
        sa.Column("event_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("street", sa.Text(), nullable=False),
        sa.Column("traceparent", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("data", JSONB(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("clock_id", "clock_sequence", name="waiting_breach_pkey"),
        comment="Deadlines that passed on cases without an entry: not livelihood, or the case is still on its way",
    )
    op.create_index("waiting_breach_case_id", "waiting_breach", ["case_id"])
    op.create_index("waiting_breach_since", "waiting_breach", ["since"])

    # Grants keep the service from it; this keeps everybody else from it too, the owner included. ALWAYS: also
    # in a session that calls itself a replica, where ordinary triggers are silent.
    op.execute(
        """
        CREATE FUNCTION posting_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION 'postings are append-only: % is refused, correct by a posting of its own', TG_OP
            USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER posting_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON posting "
        "FOR EACH STATEMENT EXECUTE FUNCTION posting_is_append_only()"
    )
    op.execute("ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_is_append_only")


def downgrade() -> None:
    """There is none: books that were begun are not torn up."""
    raise NotImplementedError("the account is append-only; restore a backup instead")
