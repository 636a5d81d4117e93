"""The two tables every service with a database has: what is still to be audited, and what was already
answered.
"""

from typing import Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Names for constraints and indexes, so that migrations can name what they change:
`MetaData(naming_convention=NAMING)`.
"""


class ChassisTables(NamedTuple):
    """The tables `chassis_tables` added."""

    outbox: Table
    idempotency: Table


def chassis_tables(metadata: MetaData) -> ChassisTables:
    """Adds `outbox` and `idempotency` to a service's metadata, or returns them when they are there already."""
    if "outbox" in metadata.tables:
        return ChassisTables(metadata.tables["outbox"], metadata.tables["idempotency"])
    outbox = Table(
        "outbox",
        metadata,
        Column("seq", BigInteger, Identity(always=True), nullable=False),
        Column("record_id", String(36), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("record", JSONB, nullable=False),
        Column(
            "refused", Text, nullable=True, comment="why audit will never take this record; NULL while it may"
        ),
        PrimaryKeyConstraint("seq", name="pk_outbox"),
        UniqueConstraint("record_id", name="uq_outbox_record_id"),
    )
    idempotency = Table(
        "idempotency",
        metadata,
        Column("caller_id", String(200), nullable=False),
        Column("method", String(200), nullable=False),
        Column("request_id", String(200), nullable=False),
        Column("request_hash", LargeBinary, nullable=False),
        Column("response", LargeBinary, nullable=True),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        PrimaryKeyConstraint("caller_id", "method", "request_id", name="pk_idempotency"),
        Index("ix_idempotency_created_at", "created_at"),
    )
    return ChassisTables(outbox, idempotency)
