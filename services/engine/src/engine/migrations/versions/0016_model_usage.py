"""Attempts know what they used of language models, and runs what that cost."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "attempts",
        sa.Column(
            "usage",
            postgresql.JSONB(),
            comment="of a language model: model, input_tokens, output_tokens, cost",
        ),
    )
    op.create_index(
        "ix_attempts_usage", "attempts", ["run_id"], postgresql_where=sa.text("usage IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_attempts_usage", "attempts")
    op.drop_column("attempts", "usage")
