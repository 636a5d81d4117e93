"""Data sources, their secrets and schema snapshots."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from chassis import migrations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    migrations.create_chassis_tables(op)
    op.create_table(
        "data_sources",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("display_name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("host", sa.String(253), nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("database", sa.String(128), nullable=False),
        sa.Column("username", sa.String(128), nullable=False),
        sa.Column("tls_mode", sa.String(32), nullable=False),
        sa.Column("secret_ref", sa.String(512), nullable=False),
        sa.Column("has_secret", sa.Boolean, nullable=False),
        sa.Column("owner_id", sa.String(200), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_data_sources"),
        sa.UniqueConstraint("name", name="uq_data_sources_name"),
    )
    op.create_index("ix_data_sources_created_at_id", "data_sources", ["created_at", "id"])
    op.create_table(
        "secrets",
        sa.Column("data_source_id", sa.String(36), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary, nullable=False),
        sa.Column("key_version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("data_source_id", name="pk_secrets"),
        sa.ForeignKeyConstraint(
            ["data_source_id"],
            ["data_sources.id"],
            ondelete="CASCADE",
            name="fk_secrets_data_source_id_data_sources",
        ),
    )
    op.create_index("ix_secrets_key_version", "secrets", ["key_version"])
    op.create_table(
        "schema_snapshots",
        sa.Column("data_source_id", sa.String(36), nullable=False),
        sa.Column("catalogue", postgresql.JSONB, nullable=False),
        sa.Column("server_version", sa.String(200), nullable=False),
        sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("data_source_id", name="pk_schema_snapshots"),
        sa.ForeignKeyConstraint(
            ["data_source_id"],
            ["data_sources.id"],
            ondelete="CASCADE",
            name="fk_schema_snapshots_data_source_id_data_sources",
        ),
    )


def downgrade() -> None:
    """Drops them again."""
    op.drop_table("schema_snapshots")
    op.drop_table("secrets")
    op.drop_table("data_sources")
    migrations.drop_chassis_tables(op)
