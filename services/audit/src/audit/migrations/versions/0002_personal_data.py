"""What of an entry's second format is new, and the values that its commitments are about."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEW: Final = ("request_id", "session_id", "user_agent", "run_id")


def upgrade() -> None:
    for name in _NEW:
        op.add_column("entries", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.create_index(
        "ix_entries_api_key_id",
        "entries",
        ["api_key_id", "index"],
        postgresql_where=sa.text("api_key_id <> ''"),
    )
    op.create_index(
        "ix_entries_on_behalf_of_id",
        "entries",
        ["on_behalf_of_id", "index"],
        postgresql_where=sa.text("on_behalf_of_id <> ''"),
    )
    op.create_index(
        "ix_entries_request_id", "entries", ["request_id"], postgresql_where=sa.text("request_id <> ''")
    )
    op.create_table(
        "personal",
        sa.Column("commitment", sa.Text, nullable=False),
        sa.Column("subject_id", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("commitment", name="pk_personal"),
    )
    op.create_index("ix_personal_subject_id", "personal", ["subject_id"])
    op.create_index("ix_personal_value", "personal", ["value"], postgresql_using="hash")


def downgrade() -> None:
    op.drop_table("personal")
    op.drop_index("ix_entries_request_id", "entries")
    op.drop_index("ix_entries_on_behalf_of_id", "entries")
    op.drop_index("ix_entries_api_key_id", "entries")
    for name in reversed(_NEW):
        op.drop_column("entries", name)
