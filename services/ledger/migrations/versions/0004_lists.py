"""The quarter's lists: demand, problem and service lists, the reports behind them, claims and who did what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _key() -> sa.Text:
    return sa.Text(collation="C")


def _id(name: str = "id", *more: sa.ForeignKey, key: bool = False, needed: bool = True) -> sa.Column:
    return sa.Column(name, sa.Uuid(), *more, primary_key=key, nullable=not needed)


def _at(name: str, *, needed: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not needed)


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "quarter_list",
        _id(key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("quarter", _key(), nullable=False),
        sa.Column("street", _key(), nullable=False),
        sa.Column("community", _key(), nullable=False, comment="of a demand list; '' otherwise"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="how often it was published or closed"),
        sa.Column("notes", JSONB(), nullable=False, comment="what the draft could not learn, and why"),
        sa.Column(
            "units",
            JSONB(),
            nullable=False,
            comment="of a service list: the member units, as routing told them",
        ),
        _at("drafted_at", needed=True),
        sa.Column("drafted_by", sa.Text(), nullable=False),
        _at("published_at"),
        sa.Column("published_by", sa.Text()),
        _at("closed_at"),
        sa.Column("closed_by", sa.Text()),
        sa.UniqueConstraint("kind", "quarter", "street", "community", name="quarter_list_of"),
        sa.CheckConstraint("kind IN ('demand', 'problem', 'service')", name="quarter_list_kind"),
        sa.CheckConstraint("state IN ('draft', 'published', 'closed')", name="quarter_list_state"),
        sa.CheckConstraint("(kind = 'demand') = (community <> '')", name="quarter_list_community"),
        comment="Demand, problem and service lists of a quarter",
    )
    op.create_table(
        "list_act",
        _id("list_id", sa.ForeignKey("quarter_list.id")),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        _at("at", needed=True),
        sa.Column("facts", JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("list_id", "number", name="list_act_pkey"),
        comment="Who did what to a list; only ever added to",
    )
    op.create_table(
        "problem",
        _id(key=True),
        _id("list_id", sa.ForeignKey("quarter_list.id")),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("category", _key(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("takes", sa.SmallInteger(), nullable=False, comment="how many units may claim it"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), comment="why it was dropped"),
        _at("decided_at"),
        sa.Column("decided_by", sa.Text()),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="of its service.claimed events"),
        sa.Column("entry_id", sa.Uuid(), comment="the account's entry that its first claim opened"),
        sa.UniqueConstraint("list_id", "number", name="problem_number"),
        sa.CheckConstraint("state IN ('suggested', 'accepted', 'dropped')", name="problem_state"),
        sa.CheckConstraint("takes BETWEEN 1 AND 9", name="problem_takes"),
        comment="A line of a street's problem list: demands of one kind",
    )
    op.create_index(
        "problem_entry", "problem", ["entry_id"], postgresql_where=sa.text("entry_id IS NOT NULL")
    )
    op.create_table(
        "demand",
        _id(key=True),
        _id("list_id", sa.ForeignKey("quarter_list.id")),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("category", _key(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("sources", JSONB(), nullable=False),
        sa.Column("people", sa.Integer(), comment="who asked for it, where somebody counted them"),
        sa.Column("evidence", JSONB(), nullable=False),
        sa.Column("origin", _key(), comment="what a line from outside is known by, so that it comes in once"),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), comment="why it was dropped"),
        _id("problem_id", sa.ForeignKey("problem.id"), needed=False),
        _at("changed_at", needed=True),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.UniqueConstraint("list_id", "number", name="demand_number"),
        sa.UniqueConstraint("list_id", "origin", name="demand_origin"),
        comment="A line of a community's demand list",
    )
    op.create_index("demand_problem", "demand", ["problem_id"])
    op.create_table(
        "demand_report",
        _id("list_id", sa.ForeignKey("quarter_list.id")),
        sa.Column("report_id", _key(), nullable=False),
        _id("demand_id", sa.ForeignKey("demand.id")),
        sa.Column("case_id", _key()),
        _id("entry_id", needed=False),
        sa.PrimaryKeyConstraint("list_id", "report_id", name="demand_report_pkey"),
        comment="The reports behind a line of a demand list",
    )
    for name in ("demand", "report", "case", "entry"):
        op.create_index(f"demand_report_{name}", "demand_report", [f"{name}_id"])
    op.create_table(
        "claim",
        _id(key=True),
        _id("list_id", sa.ForeignKey("quarter_list.id")),
        _id("problem_id", sa.ForeignKey("problem.id")),
        sa.Column("quarter", _key(), nullable=False),
        sa.Column("unit", _key(), nullable=False),
        sa.Column(
            "person",
            sa.Text(),
            nullable=False,
            comment="who is responsible: an id of the directory, or a name",
        ),
        _at("due_at", needed=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("place", sa.SmallInteger(), comment="which of the problem's places"),
        sa.Column("slot", sa.SmallInteger(), comment="which of the unit's three of the quarter"),
        sa.Column("milestones", JSONB(), nullable=False),
        _at("claimed_at", needed=True),
        sa.Column("claimed_by", sa.Text(), nullable=False),
        _at("done_at"),
        sa.Column("reason", sa.Text(), comment="why it was released"),
        sa.Column("history", JSONB(), nullable=False, comment="who did what to it"),
        sa.CheckConstraint("state IN ('claimed', 'done', 'wanted', 'released')", name="claim_state"),
        sa.CheckConstraint(
            "(state IN ('claimed', 'done')) = (slot IS NOT NULL) AND (slot IS NULL) = (place IS NULL)",
            name="claim_holds",
        ),
        sa.CheckConstraint("slot BETWEEN 1 AND 3", name="claim_slot"),
        sa.CheckConstraint("place BETWEEN 1 AND 9", name="claim_place"),
        comment="Units' claims of problems, and their wishes",
    )
    for name, columns, where in (
        ("claim_unit_slot", ["quarter", "unit", "slot"], "slot IS NOT NULL"),
        ("claim_problem_place", ["problem_id", "place"], "place IS NOT NULL"),
        ("claim_problem_unit", ["problem_id", "unit"], "state <> 'released'"),
    ):
        op.create_index(name, "claim", columns, unique=True, postgresql_where=sa.text(where))
    op.create_index("claim_list", "claim", ["list_id"])


def downgrade() -> None:
    """There is none: lists were published."""
    raise NotImplementedError("lists that were published are not torn up; restore a backup instead")
