"""The partitions of `run_events`, a week each: of the runs that were made in it, for a run's id begins with its time.

A week goes as a whole, when none of its runs is needed any more: then its steps, attempts and artifacts go as well.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, any_, delete, func, literal_column, select, text

from chassis.database import Transaction
from engine.tables import artifacts, attempts, component_calls, run_steps

WEEK: Final = timedelta(days=7)
_LOCK: Final = 0x7765_656B  # "week": one replica at a time looks after them
_PATIENCE: Final = "500ms"
"""How long everybody else may have to wait behind a change of the table."""
_NAME: Final = re.compile(r"run_events_[a-z0-9]+")
_BOUND: Final = re.compile(r"FOR VALUES FROM \((?:MINVALUE|'([0-9a-f-]{36})')\) TO \('([0-9a-f-]{36})'\)")
_FIRST: Final = "00000000-0000-0000-0000-000000000000"

_LISTED: Final = text("""
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'run_events'::regclass""")
_NEEDED: Final = text("""
SELECT EXISTS (SELECT FROM runs WHERE id >= CAST(:first AS uuid) AND id < CAST(:last AS uuid)
    AND (ended_at IS NULL OR ended_at >= :before OR unaudited))""")
_OF_RUNS: Final = (attempts, run_steps, artifacts, component_calls)
"""What goes with the events of a run."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The events of the runs from the id `first` to before `last`."""

    name: str
    first: str
    last: str

    @property
    def ends(self) -> datetime:
        """When the last of its runs was made."""
        milliseconds = int(self.last.replace("-", "")[:12], 16)
        return datetime.fromtimestamp(milliseconds / 1000, UTC)


def week_of(moment: datetime) -> Partition:
    """The week that a moment is in."""
    number = int(moment.timestamp() // WEEK.total_seconds())
    begins = datetime.fromtimestamp(number * WEEK.total_seconds(), UTC)
    return Partition(f"run_events_{begins:%Y%m%d}", _id_at(begins), _id_at(begins + WEEK))


def _id_at(moment: datetime) -> str:
    """The smallest id of a run made at a moment."""
    digits = f"{int(moment.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-0000-0000-000000000000"


async def locked(tx: Transaction) -> bool:
    """Takes the lock of whoever looks after the partitions, until the transaction's end; False if another has it."""
    taken: bool = await tx.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK})
    return taken


async def listed(tx: Transaction) -> list[Partition]:
    """The partitions that have bounds, the oldest first."""
    found = [
        Partition(row.name, bound[1] or _FIRST, bound[2])
        for row in await tx.execute(_LISTED)
        if (bound := _BOUND.fullmatch(row.bound)) is not None
    ]
    return sorted(found, key=lambda one: one.first)


async def create(tx: Transaction, week: Partition) -> None:
    """Makes a partition. Raises DBAPIError when the table is busy for too long."""
    await _impatient(tx)
    bounds = f"FROM ('{week.first}') TO ('{week.last}')"
    await tx.execute(text(f"CREATE TABLE {_safe(week.name)} PARTITION OF run_events FOR VALUES {bounds}"))


async def is_needed(tx: Transaction, one: Partition, before: datetime) -> bool:
    """Whether a run in it has not ended before a moment, or has events that audit does not have yet."""
    values = {"first": one.first, "last": one.last, "before": before}
    needed: bool = await tx.scalar(_NEEDED, values)
    return needed


async def forget_some(tx: Transaction, one: Partition, most: int) -> int:
    """Deletes at most `most` rows of each kind that belong to its runs, and counts them."""
    count = 0
    for table in _OF_RUNS:
        place: ColumnElement[Any] = literal_column("ctid")
        of_the_week = table.c.run_id >= one.first, table.c.run_id < one.last
        some = select(place).select_from(table).where(*of_the_week).limit(most)
        count += (
            await tx.execute(delete(table).where(place == any_(func.array(some.scalar_subquery()))))
        ).rowcount
    return count


async def drop(tx: Transaction, one: Partition) -> None:
    """Drops a partition with its events. Raises DBAPIError when the table is busy for too long."""
    await _impatient(tx)
    await tx.execute(text(f"DROP TABLE {_safe(one.name)}"))


async def _impatient(tx: Transaction) -> None:
    await tx.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))


def _safe(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is no partition's name")
    return name
