"""The tables of the action log. All but `personal` are append-only; triggers made by the first migration see to it."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.tables import NAMING

metadata: Final = MetaData(naming_convention=NAMING)

entries: Final = Table(
    "entries",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("format", SmallInteger, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("service", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("on_behalf_of_id", Text, nullable=False),
    Column("on_behalf_of_name", Text, nullable=False),
    Column("client_address", Text, nullable=False),
    Column("api_key_id", Text, nullable=False),
    Column("entity_type", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("request_id", Text, nullable=False, server_default=""),
    Column("session_id", Text, nullable=False, server_default=""),
    Column("user_agent", Text, nullable=False, server_default=""),
    Column("run_id", Text, nullable=False, server_default=""),
    Column("leaf_hash", LargeBinary, nullable=False),
    CheckConstraint("index >= 0", name="index"),
    UniqueConstraint("record_id"),
    Index(None, "action", "index"),
    Index(None, "actor_id", "index"),
    Index(None, "entity_type", "entity_id", "index"),
    Index(None, "trace_id"),
    Index(None, "time"),
    Index("ix_entries_api_key_id", "api_key_id", "index", postgresql_where=text("api_key_id <> ''")),
    Index(
        "ix_entries_on_behalf_of_id",
        "on_behalf_of_id",
        "index",
        postgresql_where=text("on_behalf_of_id <> ''"),
    ),
    Index("ix_entries_request_id", "request_id", postgresql_where=text("request_id <> ''")),
)
"""The log. A leaf hash is over the canonical bytes of all other columns; it is stored here and in `nodes`."""

nodes: Final = Table(
    "nodes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
"""The hashes of all complete subtrees, leaves included, in post-order (`merkle.Subtree.number`)."""

checkpoints: Final = Table(
    "checkpoints",
    metadata,
    Column("tree_size", BigInteger, primary_key=True, autoincrement=False),
    Column("root_hash", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("signed_at", DateTime(timezone=True), nullable=False),
)
"""One signed checkpoint a batch. The frontier folds to the signed root, so the signature vouches for it too."""

personal: Final = Table(
    "personal",
    metadata,
    Column("commitment", Text, primary_key=True),
    Column("subject_id", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("value", Text, nullable=False),
    Index(None, "subject_id"),
    Index("ix_personal_value", "value", postgresql_using="hash"),
)
"""What the commitments in entries are about, once for each subject and value. What is deleted here is forgotten."""

segments: Final = Table(
    "segments",
    metadata,
    Column("first_index", BigInteger, primary_key=True, autoincrement=False),
    Column("end_index", BigInteger, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("place", Text, nullable=False),
    Column("archived_at", DateTime(timezone=True), nullable=False),
    CheckConstraint("first_index < end_index", name="range"),
)
"""What was archived, from the first entry on without gaps: its entries are in files, its hashes still here."""

PROTECTED: Final = (entries, nodes, checkpoints)
