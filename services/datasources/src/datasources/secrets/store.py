"""All SQL on secrets."""

import dataclasses
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import delete, insert, select, tuple_, update
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
from datasources.domain import Visibility
from datasources.secrets.domain import KIND, Secret
from datasources.tables import grants as granted
from datasources.tables import named_secret_values as values_of
from datasources.tables import named_secrets as table

_OWNED: Final = access.Columns(KIND, table.c.id, table.c.owner_id, table.c.visibility == Visibility.PUBLIC)
_FILTERED: Final[Columns] = {
    "name": table.c.name,
    "visibility": Field(table.c.visibility, one_of([one.value for one in Visibility])),
    "owner_id": table.c.owner_id,
}


async def get(
    tx: Transaction, key: str, subject: Subject, level: Level = Level.VIEW, *, lock: bool = False
) -> Secret:
    """The secret with this id or name, to which the subject may do this. Raises NotFound, Denied NOT_GRANTED."""
    secret = await find(tx, key, lock=lock)
    if secret is None:
        raise not_found(key)
    resource = Resource(secret.owner_id, secret.visibility == Visibility.PUBLIC)
    await grants.require(
        tx, granted, subject, level, target=target(secret), resource=resource, hidden=not_found(key)
    )
    return secret


async def find(tx: Transaction, key: str, *, lock: bool = False) -> Secret | None:
    """The secret with this id or name, whosever it is, or None."""
    statement = select(table).where((table.c.id if is_uuid(key) else table.c.name) == key)
    row = (await tx.execute(statement.with_for_update() if lock else statement)).one_or_none()
    return None if row is None else Secret(**row._mapping)


def target(secret: Secret) -> Target:
    """What grants are about."""
    return Target(KIND, secret.id, secret.name)


def not_found(key: str) -> NotFound:
    """The error for a secret that does not exist."""
    return NotFound("SECRET_NOT_FOUND", f"secret {key!r} does not exist", resource=(KIND, key))


async def resources(tx: Transaction, ids: Collection[str]) -> dict[str, Resource]:
    """What counts of the secrets with these ids, by id; those that there are not are left out."""
    rows = await tx.execute(
        select(table.c.id, table.c.owner_id, table.c.visibility).where(table.c.id.in_(ids))
    )
    return {row.id: Resource(row.owner_id, row.visibility == Visibility.PUBLIC) for row in rows}


async def page_after(
    tx: Transaction, subject: Subject, wanted: Filter | None, after: tuple[Any, ...] | None, limit: int
) -> list[Secret]:
    """The next secrets that the subject may see, newest first, after the one with these (created_at, id)."""
    seen = access.condition(subject, Level.VIEW, _OWNED, granted)
    statement = select(table).where(seen, where(wanted, _FILTERED))
    if after is not None:
        statement = statement.where(tuple_(table.c.created_at, table.c.id) < tuple_(*after))
    statement = statement.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
    return [Secret(**row._mapping) for row in await tx.execute(statement)]


def parse_filter(text: str) -> Filter | None:
    """A list's filter. Raises Invalid INVALID_FILTER."""
    found = filtering.parse(text)
    where(found, _FILTERED)
    return found


async def add(tx: Transaction, secret: Secret, sealed: Sealed | None) -> None:
    """Stores a new secret, and its encrypted value where it is kept here. Raises AlreadyExists."""
    statement = upsert(table).values(**dataclasses.asdict(secret)).on_conflict_do_nothing()
    if (await tx.execute(statement.returning(table.c.id))).scalar() is None:
        raise AlreadyExists(
            "SECRET_NAME_TAKEN", f"a secret named {secret.name!r} exists", resource=(KIND, secret.name)
        )
    await put_value(tx, secret.id, sealed)


async def replace(tx: Transaction, secret: Secret) -> None:
    """Stores a changed secret; its value stays."""
    values = dataclasses.asdict(secret)
    await tx.execute(update(table).where(table.c.id == secret.id).values(**values))


async def remove(tx: Transaction, secret: Secret) -> None:
    """Deletes a secret with its value and its shares."""
    await grants.forget(tx, granted, KIND, secret.id)
    await tx.execute(delete(table).where(table.c.id == secret.id))


async def find_value(tx: Transaction, secret_id: str) -> Sealed | None:
    """The encrypted value; None where a reference says where it is."""
    columns = (values_of.c.ciphertext, values_of.c.wrapped_key, values_of.c.key_version)
    row = (await tx.execute(select(*columns).where(values_of.c.secret_id == secret_id))).one_or_none()
    return None if row is None else Sealed(**row._mapping)


async def put_value(tx: Transaction, secret_id: str, sealed: Sealed | None) -> None:
    """Stores the encrypted value instead of whatever was there; None removes it."""
    await tx.execute(delete(values_of).where(values_of.c.secret_id == secret_id))
    if sealed is not None:
        values = dataclasses.asdict(sealed)
        await tx.execute(insert(values_of).values(secret_id=secret_id, created_at=tx.now, **values))
