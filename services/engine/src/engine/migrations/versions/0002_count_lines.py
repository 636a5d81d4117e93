"""How many lines of a step's newest attempt are recorded, so that repeated ones are known."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "run_steps",
        sa.Column(
            "lines",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="recorded of its newest attempt",
        ),
    )


def downgrade() -> None:
    op.drop_column("run_steps", "lines")
