"""Workers, as every replica sees them."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.filtering import Filter
from chassis.filtering.sql import Columns, where
from engine.records import SeenWorker, WorkerRecord
from engine.tables import attempts, workers

RECENT: Final = timedelta(seconds=60)
"""How long after its last sign of life a worker still counts: longer than a restart takes."""
_KEPT: Final = timedelta(days=1)
FILTERED: Final[Columns] = {
    "id": workers.c.id,
    "pool": workers.c.pool,
    "host": workers.c.host,
    "types": workers.c.kinds,
    "labels": workers.c.labels,
    "drained": workers.c.drained,
    "leaving": workers.c.draining,
}
"""What lists of workers may be filtered by."""


async def put(tx: Transaction, worker: WorkerRecord, engine_version: str) -> bool:
    """Notes a worker that has just connected, to an engine of that version; returns whether it is drained."""
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
        "version": worker.version,
        "engine_version": engine_version,
        "connected_at": func.now(),
        "last_seen_at": func.now(),
    }
    statement = insert(workers).values(id=worker.id, **values)
    stored = statement.on_conflict_do_update(index_elements=[workers.c.id], set_=values)
    return bool((await tx.execute(stored.returning(workers.c.drained))).scalar_one())


async def drain(tx: Transaction, worker_id: str, *, drained: bool) -> bool:
    """Has a worker take nothing new, or take steps again; returns whether it was drained before.

    Raises NotFound WORKER_NOT_FOUND.
    """
    known = select(workers.c.drained).where(workers.c.id == worker_id).with_for_update()
    before = (await tx.execute(known)).scalar_one_or_none()
    if before is None:
        raise NotFound(
            "WORKER_NOT_FOUND",
            f"no worker '{worker_id}' is known; ListWorkers lists those there are",
            resource=("worker", worker_id),
        )
    await tx.execute(update(workers).where(workers.c.id == worker_id).values(drained=drained))
    return bool(before)


async def seen(tx: Transaction, worker_id: str, lease: timedelta) -> SeenWorker:
    """The worker, which exists; it is alive when it was seen within a lease."""
    query = _seen(lease).where(workers.c.id == worker_id)
    return _seen_worker((await tx.execute(query)).one())


async def page_after(
    tx: Transaction, wanted: Filter | None, lease: timedelta, after: str | None, limit: int
) -> list[SeenWorker]:
    """At most `limit` workers that were seen recently, by id, beginning after the worker `after`."""
    query = _seen(lease).where(workers.c.last_seen_at > func.now() - RECENT)
    if wanted is not None:
        query = query.where(where(wanted, FILTERED))
    if after is not None:
        query = query.where(workers.c.id > after)
    return [_seen_worker(row) for row in await tx.execute(query.order_by(workers.c.id).limit(limit))]


def _seen(lease: timedelta) -> Select[Any]:
    held = select(func.count()).where(attempts.c.worker_id == workers.c.id, attempts.c.ended_at.is_(None))
    alive = workers.c.last_seen_at > func.now() - lease
    return select(workers, held.scalar_subquery().label("busy"), alive.label("alive"))


def _seen_worker(row: Any) -> SeenWorker:
    return SeenWorker(
        _worker(row), row.busy, row.alive, row.engine_version, row.connected_at, row.last_seen_at
    )


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
        drained=row.drained,
        version=row.version,
    )


async def forget_old(tx: Transaction, connected: Collection[str]) -> None:
    """Deletes workers that were last seen a day ago."""
    await tx.execute(
        delete(workers).where(workers.c.last_seen_at < func.now() - _KEPT, workers.c.id.not_in(connected))
    )
