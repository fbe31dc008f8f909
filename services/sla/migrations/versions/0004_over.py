"""When a case can be in figures: rates of a period read what can be in it, not all that there ever was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column(
        "case_seen",
        sa.Column("begun_at", _TIME, comment="first receipt, or promise: it is in no figure before"),
    )
    op.add_column(
        "case_seen",
        sa.Column("over_at", _TIME, comment="of what is over, or a promise: it is in no figure after that"),
    )
    # Of what is over already the last moment isn't known but for a bound: nothing of it came after it was seen, and no
    # deadline after the last of its clocks.
    op.execute(
        "UPDATE case_seen s SET begun_at = CAST(measured ->> 'received' AS timestamptz), over_at = "
        "CASE WHEN state IN ('closed', 'voided', 'merged') THEN greatest(seen_at, "
        "(SELECT max(due_at) FROM clock c WHERE c.case_id = s.case_id)) END WHERE measured IS NOT NULL"
    )
    op.create_index("case_seen_over", "case_seen", ["over_at", "case_id", "begun_at"])


def downgrade() -> None:
    op.drop_index("case_seen_over", "case_seen")
    op.drop_column("case_seen", "over_at")
    op.drop_column("case_seen", "begun_at")
