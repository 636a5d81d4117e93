"""Users."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Text, delete, func, or_, select, type_coerce, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import IntegrityError

from chassis.database import Transaction
from chassis.errors import AlreadyExists
from chassis.filtering import Comparison, Filter, Not
from chassis.filtering.sql import Columns, Field, one_of, where
from identity.domain.roles import ADMINISTERING
from identity.domain.users import User, email_key, missing
from identity.tables import roles, users


async def find(tx: Transaction, user_id: str) -> User | None:
    """The user, or None."""
    return _one((await tx.execute(select(users).where(users.c.id == user_id))).one_or_none())


async def get(tx: Transaction, user_id: str) -> User:
    """The user. Raises NotFound USER_NOT_FOUND."""
    return await find(tx, user_id) or _missing(user_id)


async def lock(tx: Transaction, user_id: str) -> User:
    """The user, locked until the transaction ends. Raises NotFound USER_NOT_FOUND."""
    return await lock_if_present(tx, user_id) or _missing(user_id)


async def lock_if_present(tx: Transaction, user_id: str) -> User | None:
    """The user, locked until the transaction ends, or None."""
    statement = select(users).where(users.c.id == user_id).with_for_update()
    return _one((await tx.execute(statement)).one_or_none())


async def find_by_email(tx: Transaction, key: str) -> User | None:
    """The user with this `email_key`, or None."""
    return _one((await tx.execute(select(users).where(users.c.email_key == key))).one_or_none())


async def called(tx: Transaction, names: Collection[str]) -> list[User]:
    """The active users with one of these ids or e-mail addresses, in the addresses' own spelling."""
    named = or_(users.c.id.in_(names), users.c.email.in_(names))
    return [User(**row._mapping) for row in await tx.execute(select(users).where(users.c.is_active, named))]


async def any_exists(tx: Transaction) -> bool:
    """Whether there is a user at all."""
    return bool(await tx.scalar(select(select(users.c.id).exists())))


async def count_administrators(tx: Transaction) -> int:
    """How many administrators can log in."""
    counted = (
        select(func.count())
        .select_from(users.join(roles, roles.c.name == users.c.role_name))
        .where(
            users.c.is_active, type_coerce(roles.c.permissions, ARRAY(Text)).contains(sorted(ADMINISTERING))
        )
    )
    return int(await tx.scalar(counted))


async def add(tx: Transaction, user: User) -> None:
    """Stores a new user. Raises AlreadyExists EMAIL_TAKEN."""
    statement = insert(users).values(_values(user)).on_conflict_do_nothing(index_elements=[users.c.email_key])
    if await tx.scalar(statement.returning(users.c.id)) is None:
        raise _taken()


async def save(tx: Transaction, user: User) -> None:
    """Stores a changed user, whose row is locked. Raises AlreadyExists EMAIL_TAKEN."""
    try:
        await tx.execute(update(users).where(users.c.id == user.id).values(_values(user)))
    except IntegrityError as error:
        if "uq_users_email_key" in str(error.orig):
            raise _taken() from None
        raise


async def note_login(tx: Transaction, user_id: str, password_hash: str | None) -> None:
    """Stores that the user logged in now, and the password's hash made anew where its parameters were old."""
    values: dict[str, Any] = {"last_login_at": tx.now}
    if password_hash is not None:
        values["password_hash"] = password_hash
    await tx.execute(update(users).where(users.c.id == user_id).values(values))


async def remove(tx: Transaction, user_id: str) -> None:
    """Deletes the user with its sessions and keys."""
    await tx.execute(delete(users).where(users.c.id == user_id))


async def page(tx: Transaction, wanted: Filter | None, before: str | None, limit: int) -> list[User]:
    """Users that the filter lets through, newest first, from the one before the id `before` on.

    Raises Invalid INVALID_FILTER for a field that cannot be filtered by and for a role that there is not.
    """
    known = (
        () if wanted is None else (await tx.execute(select(roles.c.name).order_by(roles.c.name))).scalars()
    )
    filtered: Columns = {
        "email": users.c.email_key,
        "role_name": Field(users.c.role_name, one_of(known)),
        "is_active": users.c.is_active,
    }
    statement = select(users).where(where(_by_key(wanted), filtered)).order_by(users.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(users.c.id < before)
    return [User(**row._mapping) for row in await tx.execute(statement)]


def _by_key(wanted: Filter | None) -> Filter | None:
    """The filter with its emails spelled as `email_key` spells them."""
    match wanted:
        case None:
            return None
        case Comparison():
            return replace(wanted, value=email_key(wanted.value)) if wanted.field == "email" else wanted
        case Not(part):
            return Not(_by_key(part) or part)
        case _:
            return replace(wanted, parts=tuple(_by_key(part) or part for part in wanted.parts))


def _values(user: User) -> dict[str, Any]:
    return {column.name: getattr(user, column.name) for column in users.columns}


def _one(row: Row[Any] | None) -> User | None:
    return None if row is None else User(**row._mapping)


def _missing(user_id: str) -> User:
    raise missing(user_id)


def _taken() -> AlreadyExists:
    # Without the address: on record it would be whoever's asked for it, and stay when the one who has it is erased.
    return AlreadyExists("EMAIL_TAKEN", "a user with this email address exists; log in, or name another one")
