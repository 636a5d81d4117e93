"""What the recovery loop asks for: attempts whose time is over, cancels nobody confirmed, runs that stand still."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import and_, exists, func, or_, select

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
    """Runs with an attempt that is far past its timeout."""
    query = select(attempts.c.run_id).where(
        attempts.c.ended_at.is_(None), attempts.c.deadline_at < func.now()
    )
    return list((await tx.execute(query.distinct().limit(_LIMIT))).scalars())


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
    """Live runs without a READY or RUNNING step. There should be none."""
    moving = exists().where(
        and_(run_steps.c.run_id == runs.c.id, run_steps.c.status.in_(["READY", "RUNNING"]))
    )
    live = or_(runs.c.status == "PENDING", runs.c.status == "RUNNING")
    query = select(runs.c.id).where(live, ~moving).limit(_LIMIT)
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
