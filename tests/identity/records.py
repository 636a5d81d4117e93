"""Reading what waits for the action log, and moving time for what is stored."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Table, select, update

from chassis.database import Database


async def records(db: Database, action: str = "") -> list[dict[str, Any]]:
    """The outbox's records, oldest first; with `action` only its."""
    table = db.tables.outbox
    async with db.read() as tx:
        rows = (await tx.execute(select(table.c.record).order_by(table.c.seq))).scalars()
        return [row for row in rows if not action or row["action"] == action]


async def move(db: Database, table: Table, column: str, by: timedelta) -> None:
    """Moves a time that is stored in every row of the table."""
    async with db.begin() as tx:
        await tx.execute(update(table).values({column: table.c[column] + by}))
