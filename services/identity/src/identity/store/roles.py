"""Roles."""

from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from identity.domain.roles import ADMIN, Role
from identity.tables import roles

_LOCK: Final = 0x726F6C6573  # "roles"


async def every(tx: Transaction) -> list[Role]:
    """All roles, by name."""
    return [
        of(row.name, row.description, row.permissions)
        for row in await tx.execute(select(roles).order_by(roles.c.name))
    ]


async def get(tx: Transaction, name: str) -> Role:
    """The role; the database holds one for every role name it holds."""
    row = (await tx.execute(select(roles).where(roles.c.name == name))).one()
    return of(row.name, row.description, row.permissions)


async def lock_all(tx: Transaction) -> None:
    """Makes changes of roles wait for each other until this transaction ends; who only names a role goes on."""
    await tx.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def put(tx: Transaction, role: Role) -> None:
    """Stores the role, new or changed."""
    values = {"description": role.description, "permissions": sorted(role.permissions)}
    statement = insert(roles).values(name=role.name, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=[roles.c.name], set_=values))


async def lock_administrators(tx: Transaction) -> None:
    """Makes changes of who is an administrator wait for each other until this transaction ends."""
    await tx.execute(select(roles.c.name).where(roles.c.name == ADMIN).with_for_update(key_share=True))


def of(name: str, description: str, permissions: Any) -> Role:
    """The role of a row's columns."""
    return Role(name, description, frozenset(permissions))
