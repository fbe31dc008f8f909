"""Photos and voice notes, and the reports that they belong to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "media",
        sa.Column(
            "digest",
            sa.Text(),
            primary_key=True,
            comment="SHA-256 of the kept file, and its name in the store",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="photo or voice"),
        sa.Column("type", sa.Text(), nullable=False, comment="media type, by content"),
        sa.Column("size", sa.Integer(), nullable=False, comment="bytes"),
        sa.Column("width", sa.Integer(), nullable=False, comment="pixels; 0 for voice"),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False, comment="of a voice note; 0 where unknown"),
        sa.Column("taken_at", _TIME, comment="of the EXIF that was taken out"),
        sa.Column("lat", sa.Float(), comment="WGS-84 degrees, of the EXIF that was taken out"),
        sa.Column("long", sa.Float()),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="arriving: the file may not be there yet; kept; leaving: the file may be gone already",
        ),
        sa.Column("touched_at", _TIME, nullable=False, comment="last upload or last loss of a report"),
        sa.CheckConstraint("state IN ('arriving', 'kept', 'leaving')", name="media_state"),
        comment="Photos and voice notes; the files are in the media store",
    )
    op.create_index("media_touched_at", "media", ["touched_at"])
    op.create_table(
        "attachment",
        sa.Column("report", sa.Uuid(), sa.ForeignKey("report.id"), nullable=False),
        sa.Column("digest", sa.Text(), sa.ForeignKey("media.digest"), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False, comment="from 0, in the reporter's order"),
        sa.PrimaryKeyConstraint("report", "digest", name="attachment_pkey"),
        comment="Which report has which media",
    )
    op.create_index("attachment_digest", "attachment", ["digest"])


def downgrade() -> None:
    op.drop_table("attachment")
    op.drop_table("media")
