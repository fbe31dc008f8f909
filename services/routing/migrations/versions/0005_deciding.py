"""Every decision with its inputs, and what a second person says of a policy table."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "decision",
        sa.Column("case_id", sa.Uuid, primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, comment="of the case, that the decision led to"),
        sa.Column("at", TIME, nullable=False),
        sa.Column(
            "cause", sa.Text, nullable=False, comment="received, separated, corrected, triage, recolour"
        ),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("importance", sa.SmallInteger, nullable=False),
        sa.Column("urgency", sa.SmallInteger, nullable=False),
        sa.Column("signs", sa.Text, nullable=False, comment="codes, with commas"),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("community", sa.Text),
        sa.Column("confidence", sa.REAL, comment="of the category; none: nobody guessed"),
        sa.Column(
            "doubt", sa.Text, comment="why the desk looks first: confidence, conflict, place; or: accepted"
        ),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("lead", sa.Text),
        sa.Column("assistants", sa.Text, nullable=False, comment="codes, with commas"),
        sa.Column("colour", sa.Text, nullable=False),
        sa.Column("response_limit", sa.Integer, nullable=False),
        sa.Column("finish_limit", sa.Integer, nullable=False),
        sa.Column(
            "more", JSON, comment="candidates of the category; what it was before; the reason of a person"
        ),
        comment="Every decision with its inputs: by which rule of which policy, how sure; only ever added to",
    )
    op.create_index("decision_at", "decision", ["at"], postgresql_using="brin")
    op.create_index(
        "decision_doubt", "decision", ["street", "at"], postgresql_where=sa.text("doubt IS NOT NULL")
    )
    op.create_table(
        "policy_verdict",
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("verdict", sa.Text, nullable=False, comment="approved, rejected or withdrawn"),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("reason", sa.Text),
        comment="What a second person said of an imported policy table; the last one counts, none means it waits",
    )
    # What was in force before there were verdicts stays in force.
    op.execute(
        "INSERT INTO policy_verdict (version, verdict, by, at, reason) "
        "SELECT version, 'approved', imported_by, imported_at, 'in force before two people were needed' FROM policy"
    )
    for column in ("category_sequence", "place_sequence"):
        op.add_column(
            "case_report",
            sa.Column(
                column,
                sa.Integer(),
                nullable=False,
                server_default=sa.text("0"),
                comment="of the newest correction that intake told of: what is older changes nothing",
            ),
        )


def downgrade() -> None:
    for column in ("category_sequence", "place_sequence"):
        op.drop_column("case_report", column)
    op.drop_table("policy_verdict")
    op.drop_table("decision")
