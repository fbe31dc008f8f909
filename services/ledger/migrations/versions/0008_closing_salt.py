"""The reason of a closing is in its leaf by a salted digest, which nobody can guess; grids are beside postings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Acts of before have no salt, and their leaves stay as they were signed."""
    op.add_column(
        "closing",
        sa.Column(
            "salt", sa.LargeBinary(), comment="of the reason's digest in the leaf; none in leaves closing/1"
        ),
    )
    op.alter_column(
        "posting_text",
        "words",
        comment="by name: title, reason, grid",
        existing_comment="texts by name: title, reason",
    )


def downgrade() -> None:
    """There is none: books that were begun are not torn up."""
    raise NotImplementedError("the account is append-only; restore a backup instead")
