"""Service accounts: the operator, the services, the worker."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from identity.domain.api_keys import Kind
from identity.tables import service_accounts


@dataclass(frozen=True, slots=True)
class Account:
    """A principal that is no person."""

    id: str
    name: str
    kind: Kind
    role_name: str | None
    created_at: datetime


async def find(tx: Transaction, account_id: str) -> Account | None:
    """The account, or None."""
    row = (
        await tx.execute(select(service_accounts).where(service_accounts.c.id == account_id))
    ).one_or_none()
    return None if row is None else Account(**row._mapping)


async def called(tx: Transaction, names: Collection[str]) -> list[Account]:
    """The accounts with one of these ids or names."""
    named = or_(service_accounts.c.id.in_(names), service_accounts.c.name.in_(names))
    return [Account(**row._mapping) for row in await tx.execute(select(service_accounts).where(named))]


async def ensure(tx: Transaction, account: Account) -> tuple[Account, bool]:
    """The account of this name, locked until the transaction ends, and whether it was made just now."""
    made = insert(service_accounts).values(
        id=account.id,
        name=account.name,
        kind=account.kind,
        role_name=account.role_name,
        created_at=account.created_at,
    )
    made = made.on_conflict_do_nothing(index_elements=[service_accounts.c.name])
    is_new = await tx.scalar(made.returning(service_accounts.c.id)) is not None
    named = select(service_accounts).where(service_accounts.c.name == account.name).with_for_update()
    return Account(**(await tx.execute(named)).one()._mapping), is_new
