"""The runs that are calls know what their callers have left for models."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column(
            "budget", postgresql.JSONB(), comment="of a call: tokens and cost, what its caller has left"
        ),
    )


def downgrade() -> None:
    op.drop_column("runs", "budget")
