"""Logins elsewhere that are under way, and who is who."""

from dataclasses import asdict

from sqlalchemy import delete, insert, select

from chassis.database import Transaction
from identity.domain.external import Pending
from identity.tables import external_identities, external_logins


async def begin(tx: Transaction, pending: Pending) -> None:
    """Stores a login that is under way."""
    await tx.execute(insert(external_logins).values(asdict(pending)))


async def take(tx: Transaction, state_digest: bytes) -> Pending | None:
    """The login that was under way with this state, which is gone with this; None when there is none."""
    statement = delete(external_logins).where(external_logins.c.state_digest == state_digest)
    row = (await tx.execute(statement.returning(external_logins))).one_or_none()
    return None if row is None else Pending(**row._mapping)


async def user_id(tx: Transaction, provider: str, subject: str) -> str | None:
    """The id of the user whom the provider calls `subject`, or None."""
    statement = select(external_identities.c.user_id).where(
        external_identities.c.provider == provider, external_identities.c.subject == subject
    )
    found: str | None = await tx.scalar(statement)
    return found


async def link(tx: Transaction, provider: str, subject: str, user_id: str) -> None:
    """Stores that the provider's `subject` is this user."""
    await tx.execute(
        insert(external_identities).values(
            provider=provider, subject=subject, user_id=user_id, created_at=tx.now
        )
    )


async def purge(tx: Transaction) -> int:
    """Deletes the logins that were not ended in time; returns how many."""
    return (await tx.execute(delete(external_logins).where(external_logins.c.expires_at < tx.now))).rowcount
