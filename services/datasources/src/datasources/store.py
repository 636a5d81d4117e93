"""All SQL on this service's own tables."""

import dataclasses
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis import access, filtering, grants
from chassis.access import Level, Resource, Subject
from chassis.database import Transaction
from chassis.errors import AlreadyExists, NotFound
from chassis.filtering import Filter
from chassis.filtering.sql import Columns, Field, one_of, where
from chassis.grants import Target
from chassis.ids import is_uuid
from chassis.vault import Sealed
from datasources.domain import DataSource, Type, Visibility
from datasources.tables import data_sources, schema_snapshots, secrets
from datasources.tables import grants as granted

KIND: Final = "data_source"
"""What grants call data sources."""
_OWNED: Final = access.Columns(
    KIND, data_sources.c.id, data_sources.c.owner_id, data_sources.c.visibility == Visibility.PUBLIC
)
_FILTERED: Final[Columns] = {
    "name": data_sources.c.name,
    "type": Field(data_sources.c.type, one_of([one.value for one in Type])),
    "host": data_sources.c.host,
    "visibility": Field(data_sources.c.visibility, one_of([one.value for one in Visibility])),
    "owner_id": data_sources.c.owner_id,
}


async def get(
    tx: Transaction,
    key: str,
    subject: Subject,
    level: Level = Level.VIEW,
    *,
    scope: frozenset[str] | None = None,
    lock: bool = False,
) -> DataSource:
    """The data source with this id or name, to which the subject may do this. Raises NotFound, Denied NOT_GRANTED.

    Whose credential is for the data sources in `scope` may see and use those, whosever they are.
    """
    column = data_sources.c.id if is_uuid(key) else data_sources.c.name
    statement = select(data_sources).where(column == key)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise not_found(key)
    if level > Level.VIEW or scope is None or row.id not in scope:
        target = Target(KIND, row.id, row.name)
        resource = Resource(row.owner_id, row.visibility == Visibility.PUBLIC)
        hidden = not_found(key)
        await grants.require(tx, granted, subject, level, target=target, resource=resource, hidden=hidden)
    return DataSource(**row._mapping)


async def resources(tx: Transaction, ids: Collection[str]) -> dict[str, Resource]:
    """What counts of the data sources with these ids, by id; those that there are not are left out."""
    columns = (data_sources.c.id, data_sources.c.owner_id, data_sources.c.visibility)
    rows = await tx.execute(select(*columns).where(data_sources.c.id.in_(ids)))
    return {row.id: Resource(row.owner_id, row.visibility == Visibility.PUBLIC) for row in rows}


def not_found(key: str) -> NotFound:
    """The error for a data source that does not exist."""
    return NotFound(
        "DATA_SOURCE_NOT_FOUND", f"data source {key!r} does not exist", resource=("data_source", key)
    )


async def page_after(
    tx: Transaction, subject: Subject, wanted: Filter | None, after: tuple[Any, ...] | None, limit: int
) -> list[DataSource]:
    """The next data sources that the subject may see, newest first, after the one with these (created_at, id)."""
    seen = access.condition(subject, Level.VIEW, _OWNED, granted)
    statement = select(data_sources).where(seen, where(wanted, _FILTERED))
    if after is not None:
        statement = statement.where(tuple_(data_sources.c.created_at, data_sources.c.id) < tuple_(*after))
    statement = statement.order_by(data_sources.c.created_at.desc(), data_sources.c.id.desc()).limit(limit)
    return [DataSource(**row._mapping) for row in await tx.execute(statement)]


def parse_filter(text: str) -> Filter | None:
    """A list's filter. Raises Invalid INVALID_FILTER."""
    found = filtering.parse(text)
    where(found, _FILTERED)
    return found


async def add(tx: Transaction, source: DataSource) -> None:
    """Stores a new data source. Raises AlreadyExists."""
    statement = upsert(data_sources).values(**dataclasses.asdict(source)).on_conflict_do_nothing()
    if (await tx.execute(statement.returning(data_sources.c.id))).scalar() is None:
        raise AlreadyExists(
            "DATA_SOURCE_NAME_TAKEN",
            f"a data source named {source.name!r} exists",
            resource=("data_source", source.name),
        )


async def replace(tx: Transaction, source: DataSource) -> None:
    """Stores a changed data source."""
    values = dataclasses.asdict(source)
    await tx.execute(update(data_sources).where(data_sources.c.id == source.id).values(**values))


async def remove(tx: Transaction, source: DataSource) -> None:
    """Deletes a data source with its secret, its snapshot and its shares."""
    await grants.forget(tx, granted, KIND, source.id)
    await tx.execute(delete(data_sources).where(data_sources.c.id == source.id))


async def find_secret(tx: Transaction, data_source_id: str) -> Sealed | None:
    """The encrypted secret, or None."""
    columns = (secrets.c.ciphertext, secrets.c.wrapped_key, secrets.c.key_version)
    row = (await tx.execute(select(*columns).where(secrets.c.data_source_id == data_source_id))).one_or_none()
    return None if row is None else Sealed(**row._mapping)


async def put_secret(tx: Transaction, data_source_id: str, sealed: Sealed | None) -> None:
    """Stores the encrypted secret instead of whatever was there; None removes it."""
    await tx.execute(delete(secrets).where(secrets.c.data_source_id == data_source_id))
    if sealed is not None:
        values = dataclasses.asdict(sealed)
        await tx.execute(insert(secrets).values(data_source_id=data_source_id, created_at=tx.now, **values))


async def put_snapshot(tx: Transaction, data_source_id: str, catalogue: Sequence[Any], version: str) -> bool:
    """Stores a schema snapshot, read at `tx.now`; False when the data source has been deleted meanwhile."""
    marked = update(data_sources).where(data_sources.c.id == data_source_id).values(scanned_at=func.now())
    if (await tx.execute(marked)).rowcount == 0:
        return False
    values = {"catalogue": list(catalogue), "server_version": version, "scanned_at": tx.now}
    statement = upsert(schema_snapshots).values(data_source_id=data_source_id, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["data_source_id"], set_=values))
    return True


async def find_snapshot(tx: Transaction, data_source_id: str) -> tuple[list[Any], str, datetime] | None:
    """The stored catalogue, the server's version and when it was read; None before the first scan."""
    columns = (schema_snapshots.c.catalogue, schema_snapshots.c.server_version, schema_snapshots.c.scanned_at)
    statement = select(*columns).where(schema_snapshots.c.data_source_id == data_source_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else (list(row.catalogue), str(row.server_version), row.scanned_at)
