"""Keys that were made with a key, and which: none outlives it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "api_keys",
        sa.Column("made_with", sa.String(36), nullable=True, comment="the id of the key that made it"),
    )
    op.create_index(op.f("ix_api_keys_made_with"), "api_keys", ["made_with"])


def downgrade() -> None:
    op.drop_index(op.f("ix_api_keys_made_with"), "api_keys")
    op.drop_column("api_keys", "made_with")
