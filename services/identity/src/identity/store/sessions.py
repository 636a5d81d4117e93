"""Sessions and their refresh tokens."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from chassis.database import Transaction
from identity.domain.sessions import REFRESH_LIFE, RefreshToken, Session
from identity.tables import refresh_tokens, sessions, users

_KEPT: timedelta = timedelta(days=1)
_SESSION = (
    sessions.c.id,
    sessions.c.user_id,
    sessions.c.created_at,
    sessions.c.client_address,
    sessions.c.user_agent,
    sessions.c.ended_at,
    sessions.c.end_reason,
)


async def open_(tx: Transaction, session: Session, first: bytes) -> None:
    """Stores a new session and the digest of its first refresh token."""
    await tx.execute(
        insert(sessions).values(
            id=session.id,
            user_id=session.user_id,
            client_address=session.client_address,
            user_agent=session.user_agent,
            created_at=session.created_at,
            expires_at=session.created_at + REFRESH_LIFE,
        )
    )
    await _add_token(tx, session.id, first)


async def lock_by_token(tx: Transaction, digest: bytes) -> tuple[Session, RefreshToken] | None:
    """The token and its session, which stays locked until the transaction ends; None for an unknown token."""
    of_token = select(refresh_tokens.c.session_id).where(refresh_tokens.c.digest == digest).scalar_subquery()
    session = _one(
        (await tx.execute(select(*_SESSION).where(sessions.c.id == of_token).with_for_update())).one_or_none()
    )
    if session is None:
        return None
    # A statement of its own, begun once the lock is held: it sees what the holder before wrote.
    token = (await tx.execute(select(refresh_tokens).where(refresh_tokens.c.digest == digest))).one()
    return session, RefreshToken(**token._mapping)


async def lock_own(tx: Transaction, user_id: str, token: bytes | None, session_id: str) -> Session | None:
    """The user's session that the refresh token with the digest `token` belongs to, or without one `session_id`.

    Locked until the transaction ends; None when there is none.
    """
    wanted = (
        select(refresh_tokens.c.session_id).where(refresh_tokens.c.digest == token).scalar_subquery()
        if token is not None
        else session_id
    )
    statement = select(*_SESSION).where(sessions.c.id == wanted, sessions.c.user_id == user_id)
    return _one((await tx.execute(statement.with_for_update())).one_or_none())


async def is_live(tx: Transaction, session_id: str) -> bool:
    """Whether the session goes on and its user may log in."""
    found = (
        select(sessions.c.id)
        .join(users, users.c.id == sessions.c.user_id)
        .where(sessions.c.id == session_id, sessions.c.ended_at.is_(None), users.c.is_active)
    )
    return await tx.scalar(found) is not None


async def rotate(tx: Transaction, token: RefreshToken, successor: bytes) -> None:
    """Uses `token` up and stores its successor; the session lives on for seven days from now."""
    await tx.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.digest == token.digest)
        .values(used_at=tx.now, successor=successor)
    )
    await _add_token(tx, token.session_id, successor)
    await tx.execute(
        update(sessions).where(sessions.c.id == token.session_id).values(expires_at=tx.now + REFRESH_LIFE)
    )


async def end(tx: Transaction, session_id: str, reason: str) -> None:
    """Ends the session, which is locked and goes on."""
    statement = update(sessions).where(sessions.c.id == session_id)
    await tx.execute(statement.values(ended_at=tx.now, end_reason=reason))


async def end_all(tx: Transaction, user_id: str, reason: str) -> int:
    """Ends every session of the user; returns how many."""
    statement = update(sessions).where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
    return (await tx.execute(statement.values(ended_at=tx.now, end_reason=reason))).rowcount


async def purge(tx: Transaction) -> int:
    """Deletes sessions and refresh tokens that ran out a day ago; returns how many sessions."""
    await tx.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at < tx.now - _KEPT))
    return (await tx.execute(delete(sessions).where(sessions.c.expires_at < tx.now - _KEPT))).rowcount


async def _add_token(tx: Transaction, session_id: str, digest: bytes) -> None:
    await tx.execute(
        insert(refresh_tokens).values(
            digest=digest, session_id=session_id, created_at=tx.now, expires_at=tx.now + REFRESH_LIFE
        )
    )


def _one(row: Row[Any] | None) -> Session | None:
    return None if row is None else Session(**row._mapping)
