"""Corrections of clocks wait for the breach that they take back, beside the breaches that wait for their entry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The column has a default: the release before, which knows breaches alone, goes on beside this one."""
    op.add_column(
        "waiting_breach",
        sa.Column("event_name", sa.Text(), nullable=False, server_default="clock.breached"),
    )
    op.create_table_comment(
        "waiting_breach",
        "What clocks said of cases without an entry, not livelihood or still on their way, and corrections before "
        "their breach",
    )


def downgrade() -> None:
    """There is none: books that were begun are not torn up."""
    raise NotImplementedError("the account is append-only; restore a backup instead")
