"""Approvals that wait, the read log, what is done for others at the command line, and the order of worklists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
FILTERS = ("state", "colour", "kind", "category", "community")
WAITS = sa.text("decided_at IS NULL")


# As the owner: the service's role may not delete a line, whatever becomes of the service. The oldest lines have the
# lowest ids, near enough, so that no index of times is needed.
FORGET = """
CREATE FUNCTION forget_reads(before timestamptz, most integer) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH oldest AS (SELECT id, at FROM read_log ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED),
  gone AS (
    DELETE FROM read_log r USING oldest o
    WHERE r.id = o.id AND o.at < least(before, now() - interval '183 days') RETURNING 1
  )
  SELECT CAST(count(*) AS integer) FROM gone
$$
"""


def upgrade() -> None:
    op.create_index(
        "case_open",
        "case",
        ["street", "opened_at", "id", *FILTERS],
        postgresql_where=sa.text("state NOT IN ('closed', 'voided', 'merged')"),
    )
    op.drop_index("case_open_by_street", "case")
    op.create_index(
        "case_over",
        "case",
        ["street", "closed_at", "id", *FILTERS],
        postgresql_where=sa.text("state IN ('closed', 'voided', 'merged')"),
    )
    op.create_index(
        "leg_live",
        "leg",
        ["offered_at", "id"],
        postgresql_where=sa.text("state IN ('offered', 'accepted', 'answered')"),
    )
    op.create_table(
        "approval",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("case_id", sa.Uuid, nullable=False),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("leg", sa.Uuid),
        sa.Column("of", sa.Text, nullable=False, comment="the desk or the convener that decides"),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("due_at", TIME),
        sa.Column("decided_at", TIME),
        comment="What was asked for in a case and waits for somebody, beside its document, so that it is found",
    )
    op.create_index("approval_of_case", "approval", ["case_id"])
    op.create_index("approval_waiting", "approval", ["of", "asked_at", "id"], postgresql_where=WAITS)
    op.create_index("approval_asked", "approval", ["asked_by", "asked_at", "id"], postgresql_where=WAITS)
    op.create_index("approval_due", "approval", ["due_at"], postgresql_where=WAITS)
    op.create_table(
        "read_log",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("via", sa.Text, nullable=False, comment="http or cli"),
        sa.Column(
            "operator", sa.Text, nullable=False, comment="the login that acts for who on a command line"
        ),
        sa.Column("what", sa.Text, nullable=False, comment="case, contact or export"),
        sa.Column("case_id", sa.Uuid),
        sa.Column(
            "subject",
            sa.Text,
            nullable=False,
            comment="the case's number, whose contact, or what was exported",
        ),
        sa.Column("fields", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        comment="Every reading of personal data: only ever added to; forget_reads() drops what is old",
    )
    op.create_index(
        "read_log_case", "read_log", ["case_id", "id"], postgresql_where=sa.text("case_id IS NOT NULL")
    )
    op.create_index("read_log_who", "read_log", ["who", "id"])
    op.create_index("read_log_subject", "read_log", ["subject", "id"])
    op.create_table(
        "acting",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("at", TIME, nullable=False),
        sa.Column("operator", sa.Text, nullable=False, comment="the login at the command line"),
        sa.Column("who", sa.Text, nullable=False, comment="the staff member who is acted for"),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("case_id", sa.Uuid),
        sa.Column("leg", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, comment="of the case afterwards; of a refusal, as it was"),
        sa.Column("outcome", sa.Text, nullable=False, comment="done, nothing or refused"),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        comment="What operators did for others at the command line, also what was refused: only ever added to",
    )
    op.create_index("acting_case", "acting", ["case_id", "id"])
    op.create_index("acting_who", "acting", ["who", "id"])

    op.execute(FORGET)


def downgrade() -> None:
    op.execute("DROP FUNCTION forget_reads(timestamptz, integer)")
    for table in ("acting", "read_log", "approval"):
        op.drop_table(table)
    op.drop_index("leg_live", "leg")
    op.drop_index("case_over", "case")
    op.create_index(
        "case_open_by_street",
        "case",
        ["street", "opened_at"],
        postgresql_where=sa.text("state NOT IN ('closed', 'voided', 'merged')"),
    )
    op.drop_index("case_open", "case")
