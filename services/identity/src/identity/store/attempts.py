"""Attempts: how often a subject has tried within its window."""

from sqlalchemy import case, delete, func, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from identity.domain.throttling import Attempts, Limit
from identity.tables import attempts


async def count(tx: Transaction, subject: str, limit: Limit) -> Attempts:
    """Counts one attempt and returns all of the window; a window that has ended starts again with this one."""
    ends = tx.now + limit.window
    over = attempts.c.window_ends_at <= tx.now
    statement = insert(attempts).values(subject=subject, count=1, window_ends_at=ends)
    statement = statement.on_conflict_do_update(
        index_elements=[attempts.c.subject],
        set_={
            "count": case((over, 1), else_=attempts.c.count + 1),
            "window_ends_at": case((over, ends), else_=attempts.c.window_ends_at),
        },
    )
    row = (await tx.execute(statement.returning(attempts))).one()
    return Attempts(**row._mapping)


async def forget(tx: Transaction, subject: str) -> None:
    """Forgets the subject's attempts."""
    await tx.execute(delete(attempts).where(attempts.c.subject == subject))


async def give_back(tx: Transaction, subject: str) -> None:
    """Takes one attempt back: it succeeded."""
    lowered = func.greatest(attempts.c.count - 1, 0)
    await tx.execute(update(attempts).where(attempts.c.subject == subject).values(count=lowered))


async def purge(tx: Transaction) -> int:
    """Deletes windows that have ended; returns how many."""
    return (await tx.execute(delete(attempts).where(attempts.c.window_ends_at < tx.now))).rowcount
