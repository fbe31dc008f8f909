"""Joint meetings: agenda, attendance, decisions, signatures, addenda; what was signed is never changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _key() -> sa.Text:
    return sa.Text(collation="C")


def _texts(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _documents(*names: str) -> list[sa.Column]:
    return [sa.Column(name, JSONB(), nullable=False) for name in names]


def _at(name: str, *, needed: bool = False, comment: str | None = None) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=not needed, comment=comment)


def _of_meeting() -> sa.Column:
    return sa.Column("meeting_id", sa.Uuid(), sa.ForeignKey("meeting.id"), nullable=False)


def upgrade() -> None:
    op.create_table(
        "meeting",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("street", _key(), nullable=False),
        sa.Column("quarter", _key(), nullable=False),
        sa.Column(
            "number", sa.Integer(), nullable=False, comment="counts the street's meetings about the quarter"
        ),
        *_texts("state", "title"),
        sa.Column("organ", sa.Text(), nullable=False, comment="whose meeting it is, as the minutes say it"),
        *_texts("place", "chair"),
        _at("begins_at"),
        *_documents("agenda", "attendance"),
        *_texts("minutes"),
        sa.Column("notes", JSONB(), nullable=False, comment="what the draft could not learn, and why"),
        sa.Column("units", JSONB(), nullable=False, comment="the member units, as routing told them"),
        *_documents("signatures"),
        sa.Column("digest", sa.Text(), comment="of what was signed"),
        _at("drafted_at", needed=True),
        *_texts("drafted_by"),
        _at("held_at", comment="when both had signed"),
        _at("published_at"),
        sa.Column("published_by", sa.Text()),
        sa.UniqueConstraint("street", "quarter", "number", name="meeting_number"),
        sa.CheckConstraint("state IN ('draft', 'held', 'published')", name="meeting_state"),
        sa.CheckConstraint("(state = 'draft') = (held_at IS NULL)", name="meeting_held"),
        comment="Joint meetings; what was signed is never changed",
    )
    op.create_table(
        "meeting_decision",
        sa.Column("id", sa.Uuid(), primary_key=True),
        _of_meeting(),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts("text", "becomes"),
        sa.Column("unit", _key()),
        *_documents("assistants"),
        sa.Column("person", sa.Text(), comment="who is responsible: an id of the directory, or a name"),
        _at("due_at"),
        sa.Column("case", _key(), comment="whistle: the case, by its number or id"),
        sa.Column("entry_id", sa.Uuid(), comment="the entry that it became, or is posted under"),
        sa.Column("category", _key()),
        sa.Column("outcome", sa.Text()),
        sa.Column("reason", sa.Text(), comment="refused: why"),
        _at("answered_at"),
        sa.UniqueConstraint(
            "meeting_id", "number", name="meeting_decision_number", deferrable=True, initially="DEFERRED"
        ),
        sa.CheckConstraint(
            "becomes IN ('entry', 'posting', 'whistle', 'text')", name="meeting_decision_becomes"
        ),
        sa.CheckConstraint("outcome IN ('waiting', 'done', 'refused')", name="meeting_decision_outcome"),
        comment="What a meeting decided, and what became of it",
    )
    op.create_table(
        "meeting_addendum",
        _of_meeting(),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts("text", "by"),
        _at("at", needed=True),
        sa.PrimaryKeyConstraint("meeting_id", "number", name="meeting_addendum_pkey"),
        comment="What was wrong or missing in minutes that were signed; only ever added to",
    )
    op.create_table(
        "meeting_act",
        _of_meeting(),
        sa.Column("number", sa.Integer(), nullable=False),
        *_texts("action", "actor"),
        _at("at", needed=True),
        *_documents("facts"),
        sa.PrimaryKeyConstraint("meeting_id", "number", name="meeting_act_pkey"),
        comment="Who did what to a meeting; only ever added to",
    )
    # The service asks before it writes; this keeps everybody else from it too. What may still change of a meeting that
    # was signed is that it is published, and what routing answers to its decisions.
    op.execute(
        """
        CREATE FUNCTION meeting_is_signed() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
          signed boolean;
          may text[];
        BEGIN
          IF TG_TABLE_NAME = 'meeting' THEN
            signed := OLD.state <> 'draft';
            may := ARRAY['state', 'published_at', 'published_by'];
          ELSE
            SELECT state <> 'draft' INTO signed FROM meeting
              WHERE id = CASE WHEN TG_OP = 'INSERT' THEN NEW.meeting_id ELSE OLD.meeting_id END;
            may := ARRAY['outcome', 'reason', 'answered_at'];
          END IF;
          IF signed AND (TG_OP <> 'UPDATE' OR to_jsonb(OLD) - may IS DISTINCT FROM to_jsonb(NEW) - may
              OR to_jsonb(NEW) ->> 'state' = 'draft') THEN
            RAISE EXCEPTION 'the meeting was signed: % is refused, correct it by an addendum', TG_OP;
          END IF;
          RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
        END $$
        """
    )
    for table, when in (("meeting", ""), ("meeting_decision", "INSERT OR ")):
        op.execute(
            f"CREATE TRIGGER {table}_is_signed BEFORE {when}UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION meeting_is_signed()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_is_signed")


def downgrade() -> None:
    """There is none: minutes were published."""
    raise NotImplementedError("minutes that were published are not torn up; restore a backup instead")
