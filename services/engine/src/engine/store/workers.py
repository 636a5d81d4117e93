"""Workers, as every replica sees them."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from engine.records import WorkerRecord
from engine.tables import attempts, workers

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
        "pool": worker.pool,
        "labels": sorted(worker.labels),
        "cpus": worker.cpus,
        "memory_bytes": worker.memory_bytes,
        "last_seen_at": func.now(),
    }
    statement = insert(workers).values(id=worker.id, connected_at=func.now(), **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=[workers.c.id], set_=values))


async def recent(tx: Transaction) -> list[WorkerRecord]:
    """The workers that were seen recently and are not leaving."""
    query = select(workers).where(workers.c.last_seen_at > func.now() - RECENT, ~workers.c.draining)
    return [_worker(row) for row in await tx.execute(query)]


async def busy(tx: Transaction) -> dict[str, int]:
    """How many attempts each worker holds."""
    query = select(attempts.c.worker_id, func.count().label("busy")).where(attempts.c.ended_at.is_(None))
    rows = await tx.execute(query.group_by(attempts.c.worker_id))
    return {row.worker_id: row.busy for row in rows}


def _worker(row: Any) -> WorkerRecord:
    return WorkerRecord(
        row.id,
        tuple(row.kinds),
        row.slots,
        row.isolation,
        row.host,
        draining=row.draining,
        pool=row.pool,
        labels=frozenset(row.labels),
        cpus=row.cpus,
        memory_bytes=row.memory_bytes,
    )


async def forget_old(tx: Transaction, connected: Collection[str]) -> None:
    """Deletes workers that were last seen a day ago."""
    await tx.execute(
        delete(workers).where(workers.c.last_seen_at < func.now() - _KEPT, workers.c.id.not_in(connected))
    )
