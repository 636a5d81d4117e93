"""What attempts were held to."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "attempts",
        sa.Column(
            "limits", sa.LargeBinary(), nullable=True, comment="what it was held to, mcpanel.engine.v1.Limits"
        ),
    )


def downgrade() -> None:
    op.drop_column("attempts", "limits")
