"""Service accounts: the operator, the services, the worker."""

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from identity.domain.accounts import Account, missing, taken
from identity.tables import service_accounts


async def find(tx: Transaction, account_id: str) -> Account | None:
    """The account, or None."""
    row = (
        await tx.execute(select(service_accounts).where(service_accounts.c.id == account_id))
    ).one_or_none()
    return None if row is None else Account(**row._mapping)


async def get(tx: Transaction, account_id: str) -> Account:
    """The account. Raises NotFound SERVICE_ACCOUNT_NOT_FOUND."""
    found = await find(tx, account_id)
    if found is None:
        raise missing(account_id)
    return found


async def lock(tx: Transaction, account_id: str) -> Account:
    """The account, locked until the transaction ends. Raises NotFound SERVICE_ACCOUNT_NOT_FOUND."""
    statement = select(service_accounts).where(service_accounts.c.id == account_id).with_for_update()
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        raise missing(account_id)
    return Account(**row._mapping)


async def page(tx: Transaction, before: str | None, limit: int) -> list[Account]:
    """Accounts, newest first, from the one before the id `before` on."""
    statement = select(service_accounts).order_by(service_accounts.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(service_accounts.c.id < before)
    return [Account(**row._mapping) for row in await tx.execute(statement)]


async def add(tx: Transaction, account: Account) -> None:
    """Stores a new account. Raises AlreadyExists SERVICE_ACCOUNT_NAME_TAKEN."""
    made = insert(service_accounts).values(asdict(account))
    made = made.on_conflict_do_nothing(index_elements=[service_accounts.c.name])
    if await tx.scalar(made.returning(service_accounts.c.id)) is None:
        raise taken(account.name)


async def save(tx: Transaction, account: Account) -> None:
    """Stores a changed account, whose row is locked."""
    await tx.execute(
        update(service_accounts).where(service_accounts.c.id == account.id).values(asdict(account))
    )


async def remove(tx: Transaction, account_id: str) -> None:
    """Deletes the account with its keys."""
    await tx.execute(delete(service_accounts).where(service_accounts.c.id == account_id))


async def called(tx: Transaction, names: Collection[str]) -> list[Account]:
    """The active accounts with one of these ids or names."""
    named = or_(service_accounts.c.id.in_(names), service_accounts.c.name.in_(names))
    return [
        Account(**row._mapping)
        for row in await tx.execute(select(service_accounts).where(service_accounts.c.is_active, named))
    ]


async def ensure(tx: Transaction, account: Account) -> tuple[Account, bool]:
    """The account of this name, locked until the transaction ends, and whether it was made just now."""
    made = insert(service_accounts).values(asdict(account))
    made = made.on_conflict_do_nothing(index_elements=[service_accounts.c.name])
    is_new = await tx.scalar(made.returning(service_accounts.c.id)) is not None
    named = select(service_accounts).where(service_accounts.c.name == account.name).with_for_update()
    return Account(**(await tx.execute(named)).one()._mapping), is_new
