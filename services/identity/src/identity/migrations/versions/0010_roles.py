"""Roles that change, and when something was last taken away from one."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("roles", sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("roles", sa.Column("narrowed_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("roles", "narrowed_at")
    op.drop_column("roles", "version")
