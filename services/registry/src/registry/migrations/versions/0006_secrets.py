"""The secrets that a version names."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("versions", sa.Column("secrets", sa.JSON(), server_default="[]", nullable=False))


def downgrade() -> None:
    op.drop_column("versions", "secrets")
