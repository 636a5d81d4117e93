"""The tools of assistants: the components that they may call."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("versions", sa.Column("tools", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("versions", "tools")
