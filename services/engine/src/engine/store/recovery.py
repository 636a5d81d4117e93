"""What the recovery loop asks for: attempts whose time is over, cancels nobody confirmed, runs that stand still."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import and_, exists, func, select, text

from chassis.database import Transaction
from engine.domain import Ref
from engine.tables import attempts, run_steps, runs

_LIMIT: Final = 500


async def expired(tx: Transaction) -> list[Ref]:
    """Running attempts whose lease has ended, by the database's clock."""
    query = select(attempts.c.run_id, attempts.c.step_id, attempts.c.number, attempts.c.epoch).where(
        attempts.c.ended_at.is_(None), attempts.c.lease_expires_at < func.now()
    )
    return [Ref(*tuple(row)) for row in await tx.execute(query.limit(_LIMIT))]


async def overdue(tx: Transaction) -> list[str]:
    """Runs with an attempt that is far past its timeout, and those that time alone moves on."""
    late = select(attempts.c.run_id).where(attempts.c.ended_at.is_(None), attempts.c.deadline_at < func.now())
    due = select(runs.c.id).where(runs.c.wake_at <= func.now(), runs.c.wake_at.is_not(None))
    query = late.distinct().limit(_LIMIT).union(due.limit(_LIMIT))
    return list((await tx.execute(query)).scalars())


async def ready_lanes(tx: Transaction) -> list[str]:
    """The lanes in which a step is READY. One look into the index for each lane, however many steps there are."""
    return list((await tx.execute(_READY_LANES)).scalars())


async def ready_counts(tx: Transaction, lanes: Collection[str]) -> dict[str, int]:
    """How many steps are READY in each of the lanes."""
    query = select(run_steps.c.lane, func.count().label("ready")).where(
        run_steps.c.status == "READY", run_steps.c.due_at <= func.now(), run_steps.c.lane.in_(lanes)
    )
    return {row.lane: row.ready for row in await tx.execute(query.group_by(run_steps.c.lane))}


_READY_LANES: Final = text("""
WITH RECURSIVE lanes AS (
    (SELECT lane FROM run_steps WHERE status = 'READY' AND due_at IS NOT NULL ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (SELECT lane FROM run_steps
            WHERE status = 'READY' AND due_at IS NOT NULL AND lane > lanes.lane ORDER BY lane LIMIT 1)
    FROM lanes WHERE lanes.lane IS NOT NULL)
SELECT lane FROM lanes WHERE lane IS NOT NULL""")


async def stopping(tx: Transaction, worker_ids: Sequence[str]) -> list[tuple[str, Ref]]:
    """Attempts on these workers that were told to stop and run on, each with its worker."""
    if not worker_ids:
        return []
    columns = (
        run_steps.c.worker_id,
        run_steps.c.run_id,
        run_steps.c.step_id,
        run_steps.c.attempt,
        run_steps.c.epoch,
    )
    query = select(*columns).where(run_steps.c.stopping, run_steps.c.worker_id.in_(worker_ids))
    return [(row[0], Ref(*tuple(row)[1:])) for row in await tx.execute(query.limit(_LIMIT))]


async def standing_still(tx: Transaction) -> list[str]:
    """Live runs that have begun and have nothing that may move them on. There should be none."""
    moving = exists().where(
        and_(
            run_steps.c.run_id == runs.c.id,
            run_steps.c.status.in_(["READY", "RUNNING", "WAITING_APPROVAL"]),
        )
    )
    live = runs.c.status.in_(["PENDING", "RUNNING", "PAUSED"])
    query = select(runs.c.id).where(live, runs.c.begun, ~moving).limit(_LIMIT)
    return list((await tx.execute(query)).scalars())


async def held(tx: Transaction, worker_ids: Sequence[str]) -> list[tuple[str, Ref]]:
    """Attempts that run on these workers as far as is recorded, begun at least two seconds ago."""
    if not worker_ids:
        return []
    columns = (
        attempts.c.worker_id,
        attempts.c.run_id,
        attempts.c.step_id,
        attempts.c.number,
        attempts.c.epoch,
    )
    settled = attempts.c.started_at < func.now() - timedelta(seconds=2)
    query = select(*columns).where(
        attempts.c.ended_at.is_(None), attempts.c.worker_id.in_(worker_ids), settled
    )
    return [(row[0], Ref(*tuple(row)[1:])) for row in await tx.execute(query)]
