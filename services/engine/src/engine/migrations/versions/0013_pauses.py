"""A run knows when it was paused and when it went on."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column(
            "pauses",
            sa.ARRAY(sa.DateTime(timezone=True)),
            server_default="{}",
            nullable=False,
            comment="when it was paused and when it went on, in turn",
        ),
    )


def downgrade() -> None:
    op.drop_column("runs", "pauses")
