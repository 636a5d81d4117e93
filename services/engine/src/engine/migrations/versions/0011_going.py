"""Runs that are going are found past any number that wait."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_runs_going", "runs", ["id"], postgresql_where=sa.text("status IN ('RUNNING', 'PAUSED')")
    )


def downgrade() -> None:
    op.drop_index("ix_runs_going", table_name="runs")
