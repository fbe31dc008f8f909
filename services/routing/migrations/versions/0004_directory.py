"""The directory as entries with their time of validity; the four tables before them become views.

The release before reads the views as it read the tables. It can't import into them: that fails, and says so.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSON

revision = "0004"
down_revision = "0009"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)

# What the entry of a row of the old tables says; what says nothing is left out.
_OLD = {
    "place": (
        "code",
        "json_strip_nulls(json_build_object('name', name, 'kind', kind, 'parent', nullif(parent, '')))",
    ),
    "grid": (
        "code",
        "json_strip_nulls(json_build_object('name', name, 'kind', kind, 'parent', parent, 'community', community, "
        "'street', street, 'party_group', nullif(party_group, ''), 'functions', "
        "CASE WHEN json_array_length(functions) > 0 THEN functions END))",
    ),
    "person": (
        "id",
        "json_build_object('name', name, 'role', role, 'grid', grid, 'community', community, 'street', street)",
    ),
    "unit": (
        "code",
        "json_strip_nulls(json_build_object('name', name, 'kind', kind, 'member', member, 'duties', "
        "CASE WHEN json_array_length(duties) > 0 THEN duties END, 'clerk', nullif(clerk, ''), 'system', system, "
        "'partner', nullif(partner, '')))",
    ),
}

# The newest entry that is in effect, and whether it still holds.
_NEWEST = """
FROM directory_entry e JOIN directory_version v ON v.version = e.version AND v.told_at IS NOT NULL
LEFT JOIN directory_version o ON o.version = e.ended_by AND o.told_at IS NOT NULL
WHERE e.kind = '{kind}' AND (e.valid_to IS NULL OR e.valid_to > e.valid_from){more}
ORDER BY e.key, e.valid_from DESC, e.version DESC"""
_ACTIVE = "(o.version IS NULL AND coalesce((e.doc->>'active')::boolean, true)) AS active"
_VIEWS = {
    "place": ("code", ("name", "kind", "parent"), (), True, ""),
    "grid": (
        "code",
        ("name", "kind", "parent", "community", "street", "party_group"),
        ("functions",),
        False,
        "",
    ),
    "person": (
        "id",
        ("name", "role", "grid", "community", "street"),
        (),
        True,
        " AND e.doc->>'role' IN ('worker', 'leader', 'chief')",
    ),
    "unit": ("code", ("name", "kind", "member", "clerk", "system", "partner"), ("duties",), True, ""),
}


def upgrade() -> None:
    op.create_table(
        "directory_version",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("effective_at", TIME, nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False, comment="import, split, merge, hand_over, policy …"),
        sa.Column(
            "source",
            sa.Text,
            nullable=False,
            server_default=sa.text("''"),
            comment="the file and its digest",
        ),
        sa.Column("reason", sa.Text),
        sa.Column(
            "summary",
            JSON,
            nullable=False,
            server_default=sa.text("'{}'"),
            comment="what it changed, counted",
        ),
        sa.Column(
            "told_at",
            TIME,
            comment="when directory.changed was said of it; NULL: it is not in effect yet, or was cancelled",
        ),
        sa.Column("cancelled_at", TIME),
        sa.Column("cancelled_by", sa.Text),
        sa.Column("cancelled_reason", sa.Text),
        comment="Every change of the directory: who, when, from which time on",
    )
    op.create_index(
        "directory_version_pending",
        "directory_version",
        ["effective_at"],
        postgresql_where=sa.text("told_at IS NULL AND cancelled_at IS NULL"),
    )
    op.create_table(
        "directory_entry",
        sa.Column(
            "kind",
            sa.Text,
            primary_key=True,
            comment="place, grid, person, unit, superior, seat, team, point …",
        ),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column(
            "version", sa.Integer, primary_key=True, autoincrement=False, comment="the change that made it"
        ),
        sa.Column("valid_from", TIME, nullable=False),
        sa.Column("valid_to", TIME, comment="before this time; NULL: until further notice"),
        sa.Column("ended_by", sa.Integer, comment="the change that ended it"),
        sa.Column("doc", JSON, nullable=False, comment="as a row of the document"),
        sa.Column(
            "extra", JSON, comment="area and boundary (GeoJSON, WGS-84), which only maps and documents need"
        ),
        sa.Column(
            "contact", sa.Text, comment="sealed; taken out when the entry is over: nobody needs an old number"
        ),
        comment="What held of everything in the directory at which time: only ever added to, and ended",
    )
    op.create_index("directory_entry_of_version", "directory_entry", ["version"])
    op.create_index(
        "directory_entry_ended_by",
        "directory_entry",
        ["ended_by"],
        postgresql_where=sa.text("ended_by IS NOT NULL"),
    )
    op.execute(
        "INSERT INTO directory_version (version, effective_at, made_at, made_by, action, told_at) "
        "SELECT version, imported_at, imported_at, imported_by, 'import', imported_at FROM directory"
    )
    for kind, (key, doc) in _OLD.items():
        contact = "NULL" if kind == "grid" else "CASE WHEN t.active THEN contact END"
        op.execute(
            "INSERT INTO directory_entry (kind, key, version, valid_from, valid_to, ended_by, doc, contact) "
            f"SELECT '{kind}', t.{key}, d.version, '2000-01-01 00:00Z', CASE WHEN NOT t.active THEN d.imported_at END, "
            f"CASE WHEN NOT t.active THEN d.version END, {doc}, {contact} "
            f'FROM "{kind}" t CROSS JOIN directory d'
        )
        op.drop_table(kind)
    for kind, (key, texts, lists, contact, more) in _VIEWS.items():
        columns = [f"e.key AS {key}"]
        columns += [f"coalesce(e.doc->>'{c}', '') AS {c}" for c in texts]
        columns += [f"coalesce(e.doc->'{c}', '[]'::json) AS {c}" for c in lists]
        columns += ["e.contact"] if contact else []
        op.execute(
            f'CREATE VIEW "{kind}" AS SELECT DISTINCT ON (e.key) {", ".join(columns)}, {_ACTIVE}'
            + _NEWEST.format(kind=kind, more=more)
        )


def downgrade() -> None:
    for kind, (key, texts, lists, contact, _more) in _VIEWS.items():
        op.execute(f'CREATE TABLE "old_{kind}" AS SELECT * FROM "{kind}"')
        op.execute(f'DROP VIEW "{kind}"')
        op.execute(f'ALTER TABLE "old_{kind}" RENAME TO "{kind}"')
        op.execute(f'ALTER TABLE "{kind}" ADD CONSTRAINT "{kind}_pkey" PRIMARY KEY ({key})')
        for column in (*texts, *lists, "active"):
            op.execute(f'ALTER TABLE "{kind}" ALTER COLUMN {column} SET NOT NULL')
        assert contact is not None
    for table in ("directory_entry", "directory_version"):
        op.drop_table(table)
