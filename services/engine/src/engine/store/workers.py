"""Workers, as every replica sees them."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from engine.records import WorkerRecord
from engine.tables import workers

RECENT: Final = timedelta(seconds=60)
"""How long after its last sign of life a worker still counts: longer than a restart takes."""
_KEPT: Final = timedelta(days=1)


async def put(tx: Transaction, worker: WorkerRecord) -> None:
    """Notes a worker that has just connected."""
    values = {
        "kinds": list(worker.kinds),
        "slots": worker.slots,
        "isolation": worker.isolation,
        "host": worker.host,
        "draining": worker.draining,
        "last_seen_at": func.now(),
    }
    statement = insert(workers).values(id=worker.id, connected_at=func.now(), **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=[workers.c.id], set_=values))


async def offered(tx: Transaction) -> set[str]:
    """The component types that some worker, seen recently and not leaving, can run."""
    query = select(func.unnest(workers.c.kinds)).where(
        workers.c.last_seen_at > func.now() - RECENT, ~workers.c.draining
    )
    return set((await tx.execute(query)).scalars())


async def forget_old(tx: Transaction, connected: Collection[str]) -> None:
    """Deletes workers that were last seen a day ago."""
    await tx.execute(
        delete(workers).where(workers.c.last_seen_at < func.now() - _KEPT, workers.c.id.not_in(connected))
    )
