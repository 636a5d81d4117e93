"""Apps: which attempt runs one, and what people were given to reach it."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from chassis.database import Transaction
from engine.store.runs import Reader
from engine.tables import app_visits, run_steps, runs
from engine.visits import RunningApp, Visit


async def find(tx: Transaction, run_id: str, step_id: str, reader: Reader) -> RunningApp | None:
    """The step as it is now; None when there is no such step in a run that the reader may see, or not yet."""
    columns = [run_steps.c[name] for name in ("kind", "status", "attempt", "epoch", "worker_id")]
    query = select(*columns).join(runs, runs.c.id == run_steps.c.run_id)
    query = query.where(run_steps.c.run_id == run_id, run_steps.c.step_id == step_id, reader.sees())
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else RunningApp(**row._mapping)


async def add(tx: Transaction, visit: Visit) -> None:
    """Stores a new visit, and deletes those that ran out."""
    await tx.execute(delete(app_visits).where(app_visits.c.expires_at < tx.now))
    await tx.execute(insert(app_visits).values(asdict(visit)))


async def take(tx: Transaction, digest: bytes) -> Visit | None:
    """The ticket, which is gone with this; None when there is none. Of two who take it at once one gets it."""
    statement = delete(app_visits).where(app_visits.c.digest == digest, app_visits.c.is_ticket)
    row = (await tx.execute(statement.returning(app_visits))).one_or_none()
    return None if row is None or row.expires_at <= tx.now else Visit(**row._mapping)


async def prolong(tx: Transaction, digest: bytes, expires_at: datetime) -> None:
    """Lets a ticket be good until then, unless it is gone."""
    statement = update(app_visits).where(app_visits.c.digest == digest, app_visits.c.is_ticket)
    await tx.execute(statement.values(expires_at=expires_at))


async def get(tx: Transaction, digest: bytes, *, is_ticket: bool = False) -> Visit | None:
    """The visit that goes on, or the ticket that is good; None when there is none."""
    query = select(app_visits).where(
        app_visits.c.digest == digest,
        app_visits.c.is_ticket == is_ticket,
        app_visits.c.expires_at > tx.now,
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Visit(**row._mapping)
