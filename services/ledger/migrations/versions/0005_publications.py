"""What was published: orders, publications with their checkpoint, and their files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _key() -> sa.Text:
    return sa.Text(collation="C")


def upgrade() -> None:
    """Makes the tables; nothing in them is ever changed."""
    op.create_table(
        "publication_order",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("street", _key(), nullable=False, comment="'' for the whole county"),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ordered_by", sa.Text(), nullable=False),
        sa.Column(
            "names",
            JSONB(),
            nullable=False,
            comment="of streets, units and categories, as others told them then",
        ),
        comment="Accounts that are to be published; those without a publication wait for the process that signs",
    )
    op.create_table(
        "publication",
        sa.Column("id", sa.Uuid(), sa.ForeignKey("publication_order.id"), primary_key=True),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("street", _key(), nullable=False, comment="'' for the whole county"),
        sa.Column(
            "number", sa.Integer(), nullable=False, comment="counts the publications of a year and street"
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("leaf", sa.Uuid(), nullable=False, comment="the leaf_document with the files' digests"),
        sa.Column("checkpoint", sa.BigInteger(), sa.ForeignKey("checkpoint.number"), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("document", JSONB(), nullable=False, comment="what was published, without the entries"),
        sa.Column("files", JSONB(), nullable=False, comment="size and digest by format"),
        sa.UniqueConstraint("year", "street", "number", name="publication_number"),
        comment="Accounts as they were published; nothing here is ever changed",
    )
    op.create_table(
        "publication_file",
        sa.Column("publication_id", sa.Uuid(), sa.ForeignKey("publication.id"), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.Uuid(), comment="of the entries in this piece, where it has any"),
        sa.Column("last_id", sa.Uuid()),
        sa.Column("packed", sa.LargeBinary(), nullable=False, comment="deflated"),
        sa.PrimaryKeyConstraint("publication_id", "format", "number", name="publication_file_pkey"),
        comment="The files of a publication, in pieces",
    )
    # What is deflated already can't be compressed: don't try.
    op.execute("ALTER TABLE publication_file ALTER COLUMN packed SET STORAGE EXTERNAL")
    for table in ("publication_order", "publication", "publication_file"):
        _append_only(table)


def _append_only(table: str) -> None:
    op.execute(
        f"""
        CREATE FUNCTION {table}_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION '{table} is append-only: % is refused', TG_OP USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        f"CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_append_only()"
    )
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_is_append_only")


def downgrade() -> None:
    """There is none: accounts were published."""
    raise NotImplementedError("what was published is not taken back; restore a backup instead")
