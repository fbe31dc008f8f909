"""The proof: leaves, tiles, trees, checkpoints; free text of postings apart from them, so that it can be erased."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# From here on as the only words of the row; what followed them was a reason, in a person's own words.
_COLON = "："


def upgrade() -> None:
    """Makes the tables, takes free text out of the postings that there are, and lets all of them wait for the tree."""
    op.create_table(
        "posting_text",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("words", JSONB(), nullable=False, comment="texts by name: title, reason"),
        sa.Column("reporters", sa.ARRAY(sa.Text()), nullable=False, comment="whom it may name: pseudonyms"),
        sa.PrimaryKeyConstraint("entry_id", "number", name="posting_text_pkey"),
        comment="Free text of postings, which is erased with the person; posting.text_digest stays",
    )
    op.create_index("posting_text_reporters", "posting_text", ["reporters"], postgresql_using="gin")
    op.create_table(
        "leaf_document",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("document", JSONB(), nullable=False),
        comment="Leaves that are no postings: closings, erasures, the old tree's end; nothing here is ever changed",
    )
    op.create_table(
        "waiting_leaf",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("hash_id", sa.Text(), nullable=False, comment="the hashes' algorithm; empty: compute them"),
        sa.Column("leaves", sa.LargeBinary(), nullable=False, comment="packed: key and hash of each"),
        comment="What a transaction added and the sequencer has not yet put into the tree",
        postgresql_with={
            "toast_tuple_target": "8160",
            "autovacuum_vacuum_scale_factor": "0.0",
            "autovacuum_vacuum_threshold": "2000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    op.create_table(
        "tree",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("hash_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False, unique=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id > 0", name="tree_id"),
        sa.CheckConstraint("hash_id IN ('sha256', 'sm3')", name="tree_hash_id"),
        comment="The trees, one after the other; the newest grows",
    )
    op.create_table(
        "leaf",
        sa.Column("tree", sa.SmallInteger(), nullable=False),
        sa.Column("index", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False, comment="or the id of a leaf_document"),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the posting; 0 for a document"),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False, comment="by a key that is not in the database"),
        sa.PrimaryKeyConstraint("tree", "index", name="leaf_pkey"),
        sa.UniqueConstraint("entry_id", "number", name="leaf_of"),
        comment="The place of each posting in its tree",
    )
    op.create_table(
        "tile",
        sa.Column("tree", sa.SmallInteger(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column(
            "hashes",
            sa.LargeBinary(),
            nullable=False,
            comment="256 nodes of height 8 × level, one after the other",
        ),
        sa.Column(
            "root",
            sa.LargeBinary(),
            nullable=False,
            comment="of the tree over them: a node of the next level",
        ),
        sa.PrimaryKeyConstraint("tree", "level", "number", name="tile_pkey"),
        comment="Complete tiles of a tree, as in C2SP tlog-tiles; what is incomplete is read from below",
    )
    op.create_table(
        "checkpoint",
        sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("tree", sa.SmallInteger(), sa.ForeignKey("tree.id"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False, comment="as it was signed"),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), nullable=False, comment="interval, or what was published"),
        comment="Signed checkpoints, numbered without gaps",
    )
    op.create_index("checkpoint_tree_size", "checkpoint", ["tree", "size"])
    op.create_table(
        "log_key",
        sa.Column("key", sa.Text(collation="C"), primary_key=True, comment="public: name+hash+base64"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        comment="Public keys by which checkpoints were signed, for whoever asks; trust in them comes from elsewhere",
    )
    # Tiles are 8 KiB of what can't be compressed: don't try.
    op.execute("ALTER TABLE tile ALTER COLUMN hashes SET STORAGE EXTERNAL")
    for table in ("leaf_document", "tree", "leaf", "tile", "checkpoint", "log_key"):
        _append_only(table)
    _take_text_out()


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


def _take_text_out() -> None:
    """The one time that postings are rewritten: there is no proof of them yet. Titles and reasons could name a person.

    The digest of their text is computed in the database, of the same bytes as `leaf.text_digest`: PostgreSQL writes one
    text as RFC 8785 does.
    """
    op.add_column(
        "posting",
        sa.Column(
            "text_digest", sa.Text(), comment="salted digest of its free text, which is in posting_text"
        ),
    )
    op.execute("ALTER TABLE posting DISABLE TRIGGER posting_is_append_only")
    op.execute(
        f"""
        INSERT INTO posting_text (entry_id, number, salt, words, reporters)
        SELECT entry_id, number, uuid_send(gen_random_uuid()), words, '{{}}' FROM (
          SELECT entry_id, number, CASE WHEN facts ? 'title' THEN jsonb_build_object('title', facts->'title')
            ELSE jsonb_build_object('reason', substr(note, strpos(note, '{_COLON}') + 1)) END AS words
          FROM posting WHERE facts ? 'title' OR strpos(note, '{_COLON}') > 0) AS t
        """
    )
    op.execute(
        f"""
        UPDATE posting AS p SET facts = facts - 'title', note = split_part(note, '{_COLON}', 1),
          text_digest = 'sha256:' || encode(sha256(t.salt || convert_to((
            SELECT '{{' || to_json(key)::text || '\\:' || to_json(value)::text || '}}' FROM jsonb_each_text(t.words)
          ), 'UTF8')), 'hex')
        FROM posting_text t WHERE t.entry_id = p.entry_id AND t.number = p.number
        """
    )
    op.execute("ALTER TABLE posting ENABLE ALWAYS TRIGGER posting_is_append_only")
    op.execute(
        """
        INSERT INTO waiting_leaf (hash_id, leaves)
        SELECT '', string_agg(uuid_send(entry_id) || int4send(number) || decode(repeat('00', 32), 'hex'), ''
          ORDER BY posted_at, entry_id, number)
        FROM (SELECT entry_id, number, posted_at,
                (row_number() OVER (ORDER BY posted_at, entry_id, number) - 1) / 500 AS batch FROM posting) AS p
        GROUP BY batch ORDER BY batch
        """
    )


def downgrade() -> None:
    """There is none: a log that was begun is not torn up."""
    raise NotImplementedError("the account is append-only; restore a backup instead")
