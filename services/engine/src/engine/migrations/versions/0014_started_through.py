"""A run knows the key, the session, the client and the request that started it, for the records of its transitions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "runs",
        sa.Column(
            "started_through",
            postgresql.JSONB(),
            server_default="{}",
            nullable=False,
            comment="the key, session, client and request that started it, as audit's Actor names them",
        ),
    )


def downgrade() -> None:
    op.drop_column("runs", "started_through")
