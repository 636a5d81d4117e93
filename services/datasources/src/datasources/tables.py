"""The tables of this service."""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis import access
from chassis.tables import NAMING, chassis_tables

metadata: Final = MetaData(naming_convention=NAMING)
chassis_tables(metadata)
grants: Final = access.tables(metadata)

data_sources: Final = Table(
    "data_sources",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(63), nullable=False),
    Column("display_name", String(200), nullable=False),
    Column("description", Text, nullable=False),
    Column("type", String(32), nullable=False),
    Column("host", String(253), nullable=False),
    Column("port", Integer, nullable=False),
    Column("database", String(128), nullable=False),
    Column("username", String(128), nullable=False),
    Column("tls_mode", String(32), nullable=False),
    Column("secret_ref", String(512), nullable=False),
    Column("has_secret", Boolean, nullable=False),
    Column("owner_id", String(200), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("scanned_at", DateTime(timezone=True), nullable=True),
    Column("visibility", String(16), nullable=False, server_default="PRIVATE"),
    Column("allow_writes", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("name"),
    Index("ix_data_sources_created_at_id", "created_at", "id"),
)

secrets: Final = Table(
    "secrets",
    metadata,
    Column("data_source_id", String(36), ForeignKey("data_sources.id", ondelete="CASCADE"), primary_key=True),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("key_version", Integer, nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

named_secrets: Final = Table(
    "named_secrets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(63), nullable=False),
    Column("description", Text, nullable=False),
    Column("secret_ref", String(512), nullable=False),
    Column("owner_id", String(200), nullable=False),
    Column("visibility", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("name"),
    Index("ix_named_secrets_created_at_id", "created_at", "id"),
)
"""Secrets that steps ask for by name; `secrets` are those of data sources."""

named_secret_values: Final = Table(
    "named_secret_values",
    metadata,
    Column("secret_id", String(36), ForeignKey("named_secrets.id", ondelete="CASCADE"), primary_key=True),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("key_version", Integer, nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
)

schema_snapshots: Final = Table(
    "schema_snapshots",
    metadata,
    Column("data_source_id", String(36), ForeignKey("data_sources.id", ondelete="CASCADE"), primary_key=True),
    Column("catalogue", JSONB, nullable=False),
    Column("server_version", String(200), nullable=False),
    Column("scanned_at", DateTime(timezone=True), nullable=False),
)
