"""A reporter who doesn't know whether it is solved can say how satisfied they are."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE rating ALTER COLUMN solved DROP NOT NULL")
    op.execute("COMMENT ON COLUMN rating.solved IS 'null: the reporter doesn''t know'")


def downgrade() -> None:
    op.execute("UPDATE rating SET solved = satisfaction >= 3 WHERE solved IS NULL")
    op.execute("ALTER TABLE rating ALTER COLUMN solved SET NOT NULL")
    op.execute("COMMENT ON COLUMN rating.solved IS NULL")
