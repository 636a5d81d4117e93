"""Secrets as things of their own: who sees one, and its value, encrypted with a key of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "named_secrets",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("secret_ref", sa.String(512), nullable=False),
        sa.Column("owner_id", sa.String(200), nullable=False),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_named_secrets"),
        sa.UniqueConstraint("name", name="uq_named_secrets_name"),
    )
    op.create_index("ix_named_secrets_created_at_id", "named_secrets", ["created_at", "id"])
    op.create_table(
        "named_secret_values",
        sa.Column("secret_id", sa.String(36), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("key_version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("secret_id", name="pk_named_secret_values"),
        sa.ForeignKeyConstraint(
            ["secret_id"],
            ["named_secrets.id"],
            ondelete="CASCADE",
            name="fk_named_secret_values_secret_id_named_secrets",
        ),
    )
    op.create_index("ix_named_secret_values_key_version", "named_secret_values", ["key_version"])


def downgrade() -> None:
    op.drop_table("named_secret_values")
    op.drop_table("named_secrets")
