"""Roles."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from identity.domain.roles import Role
from identity.domain.tokens import SHOWN_REVOKED
from identity.tables import api_keys, roles, service_accounts, sessions, users

_LOCK: Final = 0x726F6C6573  # "roles"


async def every(tx: Transaction) -> list[Role]:
    """All roles, by name."""
    return [_of(row) for row in await tx.execute(select(roles).order_by(roles.c.name))]


async def get(tx: Transaction, name: str) -> Role:
    """The role; the database holds one for every role name it holds."""
    return _of((await tx.execute(select(roles).where(roles.c.name == name))).one())


async def get_to_sign(tx: Transaction, name: str) -> Role:
    """The role, which does not change until the transaction ends: what a token says of it is true when it is issued."""
    return _of((await tx.execute(select(roles).where(roles.c.name == name).with_for_update(read=True))).one())


async def find(tx: Transaction, name: str) -> Role | None:
    """The role, or None."""
    row = (await tx.execute(select(roles).where(roles.c.name == name))).one_or_none()
    return None if row is None else _of(row)


async def add(tx: Transaction, role: Role) -> None:
    """Stores a new role, whose name is free: the roles are locked."""
    made = insert(roles).values(
        name=role.name, description=role.description, permissions=sorted(role.permissions)
    )
    await tx.execute(made)


async def save(tx: Transaction, before: Role, after: Role) -> None:
    """Stores a changed role. Where something was taken away, tokens that were issued until now no longer count.

    Whoever signs one meanwhile reads the role once this is committed, or did before: so the clock's time is taken, not
    the transaction's, and only once nobody reads it any more. Where nobody has logged in yet there are none.
    """
    values = {
        "description": after.description,
        "permissions": sorted(after.permissions),
        "version": after.version,
    }
    await tx.execute(update(roles).where(roles.c.name == after.name).values(values))
    if before.permissions - after.permissions:
        narrowed = update(roles).where(roles.c.name == after.name, exists().select_from(sessions))
        await tx.execute(narrowed.values(narrowed_at=func.clock_timestamp()))


async def remove(tx: Transaction, name: str) -> None:
    """Deletes the role."""
    await tx.execute(delete(roles).where(roles.c.name == name))


async def uses(tx: Transaction, name: str) -> tuple[int, int, int]:
    """How many users, service accounts and API keys have the role."""
    found = [
        int(await tx.scalar(select(func.count()).where(table.c.role_name == name)))
        for table in (users, service_accounts, api_keys)
    ]
    return found[0], found[1], found[2]


async def narrowed_lately(tx: Transaction) -> dict[str, datetime]:
    """The roles from which something was taken away while access tokens may say otherwise, and when."""
    lately = roles.c.narrowed_at > tx.now - SHOWN_REVOKED
    rows = await tx.execute(select(roles.c.name, roles.c.narrowed_at).where(lately))
    return {row.name: row.narrowed_at for row in rows}


async def lock_all(tx: Transaction) -> None:
    """Makes changes of roles, and of who has which, wait for each other until this transaction ends."""
    await tx.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def put(tx: Transaction, role: Role) -> None:
    """Stores a built-in role that there was not."""
    values = {"description": role.description, "permissions": sorted(role.permissions)}
    statement = insert(roles).values(name=role.name, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=[roles.c.name], set_=values))


def of(name: str, description: str, permissions: Any) -> Role:
    """The role of a row's columns."""
    return Role(name, description, frozenset(permissions))


def _of(row: Row[Any]) -> Role:
    return Role(row.name, row.description, frozenset(row.permissions), row.version)
