"""Of a large output it is known what its parts are, so that a field that is not there is missed before it is read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "artifacts",
        sa.Column(
            "kinds",
            postgresql.JSONB(),
            nullable=True,
            comment="of a step's output: what its parts are by JSON Pointer",
        ),
    )


def downgrade() -> None:
    op.drop_column("artifacts", "kinds")
