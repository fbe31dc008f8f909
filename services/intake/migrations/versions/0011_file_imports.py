"""How far each file is that is being taken in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_ZERO = sa.text("0")


def upgrade() -> None:
    op.create_table(
        "file_import",
        sa.Column(
            "id",
            sa.Text(),
            primary_key=True,
            comment="digest of the file, its mapping and the other options",
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "line", sa.Integer(), nullable=False, server_default=_ZERO, comment="the last one dealt with"
        ),
        sa.Column(
            "at_byte",
            sa.BigInteger(),
            nullable=False,
            server_default=_ZERO,
            comment="where the next line begins",
        ),
        sa.Column("lines_read", sa.Integer(), nullable=False, server_default=_ZERO),
        sa.Column("accepted", sa.Integer(), nullable=False, server_default=_ZERO),
        sa.Column("known", sa.Integer(), nullable=False, server_default=_ZERO),
        sa.Column("wrong", sa.Integer(), nullable=False, server_default=_ZERO),
        sa.Column("left_out", sa.Integer(), nullable=False, server_default=_ZERO),
        sa.Column(
            "errors_size",
            sa.BigInteger(),
            nullable=False,
            server_default=_ZERO,
            comment="bytes of FILE.errors.csv",
        ),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        comment="Files that are being taken in, and how far each is",
    )


def downgrade() -> None:
    op.drop_table("file_import")
