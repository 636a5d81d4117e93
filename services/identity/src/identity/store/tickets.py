"""Stream tickets."""

from dataclasses import asdict

from sqlalchemy import delete, insert

from chassis.database import Transaction
from identity.domain.tickets import Ticket
from identity.tables import stream_tickets


async def add(tx: Transaction, ticket: Ticket) -> None:
    """Stores a new ticket."""
    await tx.execute(insert(stream_tickets).values(asdict(ticket)))


async def take(tx: Transaction, digest: bytes) -> Ticket | None:
    """The ticket, which is gone with this; None when there is none. Of two who take it at once one gets it."""
    statement = delete(stream_tickets).where(stream_tickets.c.digest == digest)
    row = (await tx.execute(statement.returning(stream_tickets))).one_or_none()
    return None if row is None else Ticket(**row._mapping)


async def purge(tx: Transaction) -> int:
    """Deletes the tickets that ran out; returns how many."""
    return (await tx.execute(delete(stream_tickets).where(stream_tickets.c.expires_at < tx.now))).rowcount
