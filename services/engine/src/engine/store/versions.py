"""Component versions, kept so that a run never depends on the registry once it was accepted."""

from sqlalchemy import select

from chassis.database import Transaction
from engine.tables import component_versions


async def body(tx: Transaction, version_id: str) -> bytes | None:
    """The serialized version, or None."""
    found = await tx.scalar(select(component_versions.c.body).where(component_versions.c.id == version_id))
    return None if found is None else bytes(found)
