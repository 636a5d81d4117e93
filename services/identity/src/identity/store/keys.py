"""API keys."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, bindparam, func, insert, or_, select, update

from chassis.database import Transaction
from identity.domain.api_keys import (
    ApiKey,
    Principal,
    missing,
    principal_of_account_key,
    principal_of_owned_key,
)
from identity.store import roles as role_store
from identity.tables import api_keys, roles, service_accounts, users

_LINEAGE: Final = 0x6B657973  # "keys"


@dataclass(frozen=True, slots=True)
class Found:
    """A key and what it may do; None when its user may not log in, or its account is off."""

    key: ApiKey
    principal: Principal | None


async def find_by_lookup(tx: Transaction, lookup: str) -> Found | None:
    """The key with this lookup id and whom it acts for, or None."""
    granted, own = roles.alias("granted"), roles.alias("own")
    statement = (
        select(
            *(column.label(f"key_{column.name}") for column in api_keys.columns),
            users.c.email,
            func.coalesce(users.c.is_active, service_accounts.c.is_active).label("is_active"),
            service_accounts.c.name.label("account_name"),
            service_accounts.c.kind.label("account_kind"),
            own.c.name.label("own_name"),
            own.c.permissions.label("own_permissions"),
            granted.c.name.label("granted_name"),
            granted.c.permissions.label("granted_permissions"),
        )
        .select_from(api_keys)
        .outerjoin(users, users.c.id == api_keys.c.user_id)
        .outerjoin(service_accounts, service_accounts.c.id == api_keys.c.account_id)
        .outerjoin(own, own.c.name == func.coalesce(users.c.role_name, service_accounts.c.role_name))
        .outerjoin(granted, granted.c.name == api_keys.c.role_name)
        .where(api_keys.c.lookup == lookup)
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return None
    key = ApiKey(**{column.name: row._mapping[f"key_{column.name}"] for column in api_keys.columns})
    return Found(key, _principal(key, row))


async def find(tx: Transaction, key_id: str | None) -> ApiKey | None:
    """The key, or None."""
    row = (await tx.execute(select(api_keys).where(api_keys.c.id == key_id))).one_or_none()
    return None if row is None else ApiKey(**row._mapping)


async def works(tx: Transaction, key_id: str) -> bool:
    """Whether the key is good, and whoever it acts for may act."""
    lookup = await tx.scalar(select(api_keys.c.lookup).where(api_keys.c.id == key_id))
    found = await find_by_lookup(tx, lookup) if lookup else None
    return found is not None and found.principal is not None and found.key.works(tx.now)


async def lock(tx: Transaction, key_id: str, owner_id: str | None) -> ApiKey:
    """The key, locked until the transaction ends; with `owner_id` only when it is that one's.

    Raises NotFound API_KEY_NOT_FOUND.
    """
    statement = select(api_keys).where(api_keys.c.id == key_id).with_for_update()
    if owner_id is not None:
        statement = statement.where(_owned_by(owner_id))
    return _one(key_id, (await tx.execute(statement)).one_or_none())


async def add(tx: Transaction, key: ApiKey) -> None:
    """Stores a new key."""
    await tx.execute(
        insert(api_keys).values({column.name: getattr(key, column.name) for column in api_keys.columns})
    )


async def save(tx: Transaction, key: ApiKey) -> None:
    """Stores when the key, which is locked, ends."""
    ends = {"expires_at": key.expires_at, "revoked_at": key.revoked_at}
    await tx.execute(update(api_keys).where(api_keys.c.id == key.id).values(ends))


async def revoke(tx: Transaction, key: ApiKey) -> ApiKey:
    """The key, which is locked, revoked now."""
    await tx.execute(update(api_keys).where(api_keys.c.id == key.id).values(revoked_at=tx.now))
    return replace(key, revoked_at=tx.now)


async def revoke_all(tx: Transaction, user_id: str) -> list[str]:
    """Revokes every key of the user now; returns the ids of those that were not revoked yet."""
    theirs = update(api_keys).where(api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
    return list((await tx.execute(theirs.values(revoked_at=tx.now).returning(api_keys.c.id))).scalars())


async def lock_lineage(tx: Transaction) -> None:
    """Makes the making of keys with keys, and what ends keys, wait for each other until this transaction ends.

    Before any row is locked: whoever makes a key holds this when it waits for the key's owner.
    """
    await tx.execute(select(func.pg_advisory_xact_lock(_LINEAGE)))


async def made_with(tx: Transaction, key_ids: Collection[str]) -> list[ApiKey]:
    """The keys made with one of these, with those that were made with them, and so on, that are not revoked."""
    made = select(api_keys.c.id).where(api_keys.c.made_with.in_(key_ids)).cte("made", recursive=True)
    made = made.union(select(api_keys.c.id).where(api_keys.c.made_with == made.c.id))
    wanted = select(api_keys).where(api_keys.c.id.in_(select(made.c.id)), api_keys.c.revoked_at.is_(None))
    return [ApiKey(**row._mapping) for row in await tx.execute(wanted.order_by(api_keys.c.id))]


async def lock_working_of_account(tx: Transaction, account_id: str, name: str) -> list[ApiKey]:
    """The account's keys of this name that are not revoked, locked until the transaction ends."""
    statement = select(api_keys).where(
        api_keys.c.account_id == account_id, api_keys.c.name == name, api_keys.c.revoked_at.is_(None)
    )
    statement = statement.with_for_update()
    return [ApiKey(**row._mapping) for row in await tx.execute(statement)]


async def page(tx: Transaction, owner_id: str | None, before: str | None, limit: int) -> list[ApiKey]:
    """Keys, newest first, from the one before the id `before` on; with `owner_id` only that one's."""
    statement = select(api_keys).order_by(api_keys.c.id.desc()).limit(limit)
    if owner_id is not None:
        statement = statement.where(_owned_by(owner_id))
    if before is not None:
        statement = statement.where(api_keys.c.id < before)
    return [ApiKey(**row._mapping) for row in await tx.execute(statement)]


async def note_used(tx: Transaction, used: Mapping[str, datetime]) -> None:
    """Stores when keys were last used, by their ids; an older time never replaces a newer one."""
    statement = (
        update(api_keys)
        .where(
            api_keys.c.id == bindparam("key"),
            _older_than(bindparam("at", type_=api_keys.c.last_used_at.type)),
        )
        .values(last_used_at=bindparam("at", type_=api_keys.c.last_used_at.type))
    )
    rows: Sequence[Mapping[str, Any]] = [{"key": key, "at": at} for key, at in sorted(used.items())]
    await tx.execute(statement, rows)


def _one(key_id: str, row: Row[Any] | None) -> ApiKey:
    if row is None:
        raise missing(key_id)
    return ApiKey(**row._mapping)


def _older_than(at: Any) -> ColumnElement[bool]:
    return or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < at)


def _owned_by(owner_id: str) -> ColumnElement[bool]:
    return or_(api_keys.c.user_id == owner_id, api_keys.c.account_id == owner_id)


def _principal(key: ApiKey, row: Row[Any]) -> Principal | None:
    if not row.is_active:
        return None
    granted = role_store.of(row.granted_name, "", row.granted_permissions) if row.granted_name else None
    if row.own_name is None:
        return principal_of_account_key(key, row.account_kind, row.account_name, granted)
    own = role_store.of(row.own_name, "", row.own_permissions)
    return principal_of_owned_key(key, row.email or row.account_name, own, granted or own)
