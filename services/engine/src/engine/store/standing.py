"""What the stores of schedules and triggers have in common: finding, listing, writing and removing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, Table, delete, false, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.filtering import Filter
from chassis.filtering.sql import Columns, where
from chassis.ids import is_uuid
from engine.standing import Standing
from engine.store.runs import Reader

_FILTERED: Final = ("name", "workflow_id", "workflow_name", "owner_id", "paused", "created_at")


def sees(table: Table, reader: Reader) -> ColumnElement[bool]:
    """What a reader may know of: their own, and what starts a public workflow, one of their own or one that is shared
    with them.
    """
    if reader.only:
        return false()
    if reader.caller_id is None:
        return true()
    mine = or_(table.c.owner_id == reader.caller_id, table.c.workflow_owner_id == reader.caller_id)
    return or_(table.c.is_public, mine, table.c.workflow_id.in_(sorted(reader.given.seen)))


async def find(
    tx: Transaction, table: Table, key: str, reader: Reader, *, lock: bool = False
) -> Row[Any] | None:
    """The row with this id or name, if the reader may know of it."""
    named = table.c.id == key if is_uuid(key) else table.c.name == key
    query: Select[Any] = select(table).where(named, sees(table, reader))
    return (await tx.execute(query.with_for_update() if lock else query)).one_or_none()


async def page_after(
    tx: Transaction,
    table: Table,
    wanted: Filter | None,
    reader: Reader,
    *,
    after: Sequence[Any] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """At most `limit` rows that the reader may know of, newest first, that come after the id `after`."""
    columns: Columns = {name: table.c[name] for name in _FILTERED}
    query = select(table).where(sees(table, reader))
    if wanted is not None:
        query = query.where(where(wanted, columns))
    if after is not None:
        query = query.where(table.c.id < after[0])
    return (await tx.execute(query.order_by(table.c.id.desc()).limit(limit))).all()


async def insert_new(tx: Transaction, table: Table, new: Standing) -> bool:
    """Stores a new one; False when the name is taken."""
    made = insert(table).values(_values(new)).on_conflict_do_nothing(index_elements=[table.c.name])
    return await tx.scalar(made.returning(table.c.id)) is not None


async def save(tx: Transaction, table: Table, changed: Standing) -> None:
    """Stores all of one whose row is locked."""
    await tx.execute(update(table).where(table.c.id == changed.id).values(_values(changed)))


async def remove(tx: Transaction, table: Table, id_: str) -> None:
    """Deletes it."""
    await tx.execute(delete(table).where(table.c.id == id_))


def _values(one: Standing) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(one).items()}


def mapping(row: Row[Any]) -> Mapping[str, Any]:
    """The row's columns; bytes as bytes, lists as tuples."""
    return {
        name: bytes(value)
        if isinstance(value, memoryview)
        else tuple(value)
        if isinstance(value, list)
        else value
        for name, value in row._mapping.items()
    }
