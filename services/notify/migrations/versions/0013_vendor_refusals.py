"""What a provider refuses because the person has unsubscribed there is kept as a refusal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NAME = "preference_change_how_known"
WAYS = "'page', 'code', 'person', 'staff', 'command', 'reply'"


def upgrade() -> None:
    op.add_column(
        "receipt_waiting",
        sa.Column("unsubscribed", sa.Boolean, nullable=False, server_default=sa.text("false")),
    )
    op.drop_constraint(NAME, "preference_change", type_="check")
    op.create_check_constraint(NAME, "preference_change", f"how IN ({WAYS}, 'vendor')")


def downgrade() -> None:
    op.execute("DELETE FROM preference_change WHERE how = 'vendor'")
    op.drop_constraint(NAME, "preference_change", type_="check")
    op.create_check_constraint(NAME, "preference_change", f"how IN ({WAYS}, 'provider')")
    op.drop_column("receipt_waiting", "unsubscribed")
