"""The public halves of the keys that sign access tokens."""

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from identity.domain.tokens import KEPT_AFTER_RETIREMENT, PublicKey
from identity.tables import signing_keys

_LOCK = 0x6D63_7073_6967  # "mcpsig"


async def lock(tx: Transaction) -> None:
    """Makes changes of the signing key wait for each other until this transaction ends."""
    await tx.execute(select(func.pg_advisory_xact_lock(_LOCK)))


async def published(tx: Transaction) -> list[PublicKey]:
    """The keys that verify tokens still in use, the newest first."""
    retired = signing_keys.c.retired_at
    statement = (
        select(signing_keys.c.kid, signing_keys.c.x)
        .where(or_(retired.is_(None), retired > tx.now - KEPT_AFTER_RETIREMENT))
        .order_by(signing_keys.c.created_at.desc())
    )
    return [PublicKey(**row._mapping) for row in await tx.execute(statement)]


async def is_current(tx: Transaction, kid: str) -> bool:
    """Whether this key is known and not retired."""
    statement = select(signing_keys.c.kid).where(
        signing_keys.c.kid == kid, signing_keys.c.retired_at.is_(None)
    )
    return await tx.scalar(statement) is not None


async def publish(tx: Transaction, key: PublicKey) -> None:
    """Lets tokens that `key` will sign be verified; who signs stays the same."""
    statement = insert(signing_keys).values(kid=key.kid, x=key.x, created_at=tx.now)
    await tx.execute(statement.on_conflict_do_nothing())


async def replace_by(tx: Transaction, key: PublicKey) -> None:
    """Makes `key` the one that signs; the others retire."""
    others = update(signing_keys).where(signing_keys.c.kid != key.kid, signing_keys.c.retired_at.is_(None))
    await tx.execute(others.values(retired_at=tx.now))
    statement = insert(signing_keys).values(kid=key.kid, x=key.x, created_at=tx.now)
    await tx.execute(
        statement.on_conflict_do_update(index_elements=[signing_keys.c.kid], set_={"retired_at": None})
    )
