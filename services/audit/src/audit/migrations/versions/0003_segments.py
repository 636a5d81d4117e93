"""Which part of the log was archived, and is no longer here."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("first_index", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("end_index", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("first_index", name="pk_segments"),
        sa.CheckConstraint("first_index < end_index", name="ck_segments_range"),
    )


def downgrade() -> None:
    op.drop_table("segments")
