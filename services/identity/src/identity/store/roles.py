"""Roles."""

from typing import Any

from sqlalchemy import select

from chassis.database import Transaction
from identity.domain.roles import ADMIN, Role
from identity.tables import roles


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


async def lock_administrators(tx: Transaction) -> None:
    """Makes changes of who is an administrator wait for each other until this transaction ends."""
    await tx.execute(select(roles.c.name).where(roles.c.name == ADMIN).with_for_update(key_share=True))


def of(name: str, description: str, permissions: Any) -> Role:
    """The role of a row's columns."""
    return Role(name, description, frozenset(permissions))
