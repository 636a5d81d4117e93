"""What limits count: the live runs under a concurrency key, the runs with a caller's own key, who waits for a place."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, literal_column, or_, select, text

from chassis.database import Transaction
from engine.store.calls import STARTED
from engine.store.runs import Reader
from engine.tables import runs

_LIVE: Final = runs.c.status.in_(["PENDING", "RUNNING", "PAUSED"])
_LIVE_HERE: Final = runs.c.status.in_(
    [literal_column(f"'{one}'") for one in ("PENDING", "RUNNING", "PAUSED")]
)
"""The same in the words of the index of live runs."""
_OWN: Final = ~runs.c.triggered_by.startswith(STARTED)
"""Calls of components count as part of the run that makes them."""
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Keyed:
    """A run with a caller's own key."""

    id: str
    status: str
    is_seen: bool
    """Whether whoever asks may know of it."""


async def lock(tx: Transaction, name: str) -> None:
    """Lets one transaction at a time decide about a name."""
    await tx.execute(_LOCK, {"name": name})


async def with_key(
    tx: Transaction, workflow_id: str, run_key: str, reader: Reader
) -> tuple[Keyed | None, Keyed | None]:
    """The live run with the key, and the newest that ended, or one that succeeded if there is one."""
    mine = (runs.c.workflow_id == workflow_id, runs.c.run_key == run_key, runs.c.run_key != "")
    columns = (runs.c.id, runs.c.status, reader.sees().label("is_seen"))
    live = (await tx.execute(select(*columns).where(*mine, _LIVE).limit(1))).one_or_none()
    best = (runs.c.status == "SUCCESS").desc(), runs.c.id.desc()
    ended = (await tx.execute(select(*columns).where(*mine, ~_LIVE).order_by(*best).limit(1))).one_or_none()
    return _keyed(live), _keyed(ended)


def _keyed(row: Any) -> Keyed | None:
    return None if row is None else Keyed(row.id, row.status, row.is_seen)


async def active_of(tx: Transaction, user_id: str) -> int:
    """How many runs that the user started have not ended."""
    query = select(func.count()).select_from(runs).where(runs.c.started_by == user_id, _LIVE_HERE, _OWN)
    return int(await tx.scalar(query))


async def newest_of(tx: Transaction, user_id: str, number: int) -> datetime | None:
    """When the user started the newest run but so many; None when there are no such ones."""
    mine = (runs.c.started_by == user_id, _OWN)
    query = select(runs.c.created_at).where(*mine).order_by(runs.c.id.desc())
    found: datetime | None = await tx.scalar(query.offset(number).limit(1))
    return found


async def admitted(tx: Transaction, key: str) -> list[str]:
    """The live runs that have a place under the key's limit, the oldest first."""
    query = select(runs.c.id).where(runs.c.limit_key == key, runs.c.limit_key != "", _LIVE, runs.c.admitted)
    return list((await tx.execute(query.order_by(runs.c.id).limit(_MOST))).scalars())


async def waiting(tx: Transaction, key: str, limit: int) -> Sequence[str]:
    """At most `limit` live runs that wait for a place under the key's limit and whose time has come, in order."""
    due = or_(runs.c.start_at.is_(None), runs.c.start_at <= func.now())
    query = select(runs.c.id).where(
        runs.c.limit_key == key, runs.c.limit_key != "", _LIVE, ~runs.c.admitted, due
    )
    return list((await tx.execute(query.order_by(runs.c.priority.desc(), runs.c.id).limit(limit))).scalars())


async def limit_of(tx: Transaction, key: str) -> int:
    """How many runs may run under the key: what the newest of those that wait says."""
    query = select(runs.c.limit_count).where(
        runs.c.limit_key == key, runs.c.limit_key != "", _LIVE, ~runs.c.admitted
    )
    return (await tx.execute(query.order_by(runs.c.id.desc()).limit(1))).scalar_one_or_none() or 0
