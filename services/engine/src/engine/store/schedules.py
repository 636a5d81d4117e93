"""Schedules, and what became of their fire times."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.filtering import Filter
from engine.schedules import KIND, Schedule
from engine.standing import not_found
from engine.store import standing
from engine.store.runs import Reader
from engine.tables import schedule_fires, schedules

KEPT: Final = timedelta(days=30)
"""How long it is remembered what became of a fire time."""


async def get(tx: Transaction, key: str, reader: Reader, *, lock: bool = False) -> Schedule:
    """The schedule with this id or name. Raises NotFound SCHEDULE_NOT_FOUND."""
    row = await standing.find(tx, schedules, key, reader, lock=lock)
    if row is None:
        raise not_found(KIND, key)
    return Schedule(**standing.mapping(row))


async def page_after(
    tx: Transaction, wanted: Filter | None, reader: Reader, after: Sequence[Any] | None, limit: int
) -> list[Schedule]:
    """At most `limit` schedules, newest first."""
    rows = await standing.page_after(tx, schedules, wanted, reader, after=after, limit=limit)
    return [Schedule(**standing.mapping(row)) for row in rows]


async def insert_new(tx: Transaction, schedule: Schedule) -> bool:
    """Stores a new schedule; False when the name is taken."""
    return await standing.insert_new(tx, schedules, schedule)


async def save(tx: Transaction, schedule: Schedule) -> None:
    """Stores a changed schedule whose row is locked."""
    await standing.save(tx, schedules, schedule)


async def remove(tx: Transaction, schedule: Schedule) -> None:
    """Deletes a schedule."""
    await standing.remove(tx, schedules, schedule.id)


async def due(tx: Transaction, limit: int) -> tuple[list[Schedule], datetime]:
    """At most `limit` schedules whose time has come, the longest ago first, and the database's time."""
    ready = or_(schedules.c.retry_at.is_(None), schedules.c.retry_at <= func.now())
    query = select(schedules).where(schedules.c.next_fire_at <= func.now(), ready)
    rows = (await tx.execute(query.order_by(schedules.c.next_fire_at).limit(limit))).all()
    now: datetime = (await tx.execute(select(func.now()))).scalar_one()
    return [Schedule(**standing.mapping(row)) for row in rows], now


async def seconds_to_next(tx: Transaction) -> float | None:
    """Seconds until the next schedule's time comes; None when there is none."""
    left = func.extract("epoch", func.min(schedules.c.next_fire_at) - func.now())
    query = select(left).where(schedules.c.retry_at.is_(None))
    found = (await tx.execute(query)).scalar_one()
    return None if found is None else float(found)


async def claim(tx: Transaction, schedule_id: str, fire_time: datetime) -> bool:
    """Whether it is this transaction that decides what becomes of a fire time. One ever does."""
    made = insert(schedule_fires).values(schedule_id=schedule_id, fire_time=fire_time, time=func.now())
    made = made.on_conflict_do_nothing()
    return await tx.scalar(made.returning(schedule_fires.c.schedule_id)) is not None


async def settle(
    tx: Transaction, schedule_id: str, fire_time: datetime, run_id: str | None, error: str
) -> None:
    """Writes what became of a claimed fire time."""
    key = (schedule_fires.c.schedule_id == schedule_id, schedule_fires.c.fire_time == fire_time)
    await tx.execute(update(schedule_fires).where(*key).values(run_id=run_id, error=error))


async def move_on(tx: Transaction, schedule: Schedule, following: datetime | None, skipped: int) -> bool:
    """Has the schedule wait for `following`; False when people or another replica were faster."""
    expected = (
        schedules.c.id == schedule.id,
        schedules.c.revision == schedule.revision,
        schedules.c.next_fire_at == schedule.next_fire_at,
    )
    moved = (
        update(schedules)
        .where(*expected)
        .values(
            next_fire_at=following,
            skipped_count=schedules.c.skipped_count + skipped,
            tries=0,
            retry_at=None,
            waiting_for="",
        )
    )
    return await tx.scalar(moved.returning(schedules.c.id)) is not None


async def note(
    tx: Transaction, schedule_id: str, last: dict[str, Any], *, is_public: bool | None = None
) -> None:
    """Writes what the schedule did last, and whether its workflow is public where that was seen."""
    values: dict[str, Any] = {"last": last}
    if is_public is not None:
        values["is_public"] = is_public
    await tx.execute(update(schedules).where(schedules.c.id == schedule_id).values(values))


async def postpone(tx: Transaction, schedule: Schedule, seconds: float, waiting_for: str) -> None:
    """Has a fire time that could not be acted upon be tried again later."""
    expected = (schedules.c.id == schedule.id, schedules.c.next_fire_at == schedule.next_fire_at)
    later = func.now() + timedelta(seconds=seconds)
    values = {"tries": schedule.tries + 1, "retry_at": later, "waiting_for": waiting_for}
    await tx.execute(update(schedules).where(*expected).values(values))


async def forget_old(tx: Transaction) -> None:
    """Forgets what became of fire times long ago."""
    await tx.execute(delete(schedule_fires).where(schedule_fires.c.time < func.now() - KEPT))
