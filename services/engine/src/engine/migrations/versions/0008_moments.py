"""A step that a rate limit gave a moment keeps the limit's name, and does not wait at its gate any more."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _index("gate <> '' AND due_at IS NULL")


def downgrade() -> None:
    op.execute("UPDATE run_steps SET gate = '' WHERE gate <> '' AND due_at IS NOT NULL")
    _index("gate <> ''")


def _index(which: str) -> None:
    op.drop_index("ix_run_steps_gate", table_name="run_steps")
    op.create_index("ix_run_steps_gate", "run_steps", ["gate"], postgresql_where=sa.text(which))
