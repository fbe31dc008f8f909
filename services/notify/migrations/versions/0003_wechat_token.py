"""WeChat's access token, which all replicas share."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "wechat_token",
        sa.Column("appid", sa.Text, primary_key=True),
        sa.Column("token", sa.Text, comment="sealed; one for all replicas"),
        sa.Column("until", time),
        sa.Column("had_at", time),
        sa.Column("forced_at", time, comment="forced renewals are few a day"),
        sa.CheckConstraint("(token IS NULL) = (until IS NULL)", name="wechat_token_whole"),
    )


def downgrade() -> None:
    op.drop_table("wechat_token")
