"""Invitations and password resets."""

from dataclasses import asdict

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from identity.domain.password_tickets import PasswordTicket
from identity.tables import password_tickets


async def put(tx: Transaction, ticket: PasswordTicket) -> None:
    """Stores a ticket in the place of the one that the user may have."""
    values = asdict(ticket)
    statement = insert(password_tickets).values(values)
    await tx.execute(
        statement.on_conflict_do_update(index_elements=[password_tickets.c.user_id], set_=values)
    )


async def find(tx: Transaction, digest: bytes) -> PasswordTicket | None:
    """The ticket, or None."""
    statement = select(password_tickets).where(password_tickets.c.digest == digest)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else PasswordTicket(**row._mapping)


async def withdraw(tx: Transaction, user_id: str) -> None:
    """Deletes the ticket that the user may have; a new one may follow."""
    await tx.execute(delete(password_tickets).where(password_tickets.c.user_id == user_id))


async def purge(tx: Transaction) -> int:
    """Deletes the tickets that ran out; returns how many."""
    return (await tx.execute(delete(password_tickets).where(password_tickets.c.expires_at < tx.now))).rowcount
