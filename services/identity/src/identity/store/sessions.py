"""Sessions and their refresh tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Update, and_, bindparam, delete, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.database import Transaction
from identity.domain.api_keys import Principal, principal_of_user
from identity.domain.sessions import BROWSER_IDLE, BROWSER_LIFE, REFRESH_LIFE, RefreshToken, Session, missing
from identity.domain.tokens import SHOWN_REVOKED
from identity.store import roles as role_store
from identity.tables import ended_sessions, refresh_tokens, roles, sessions, users

_KEPT: timedelta = timedelta(days=1)


async def open_(tx: Transaction, session: Session, first: bytes | None = None) -> None:
    """Stores a new session and, where it goes by tokens, the digest of its first refresh token."""
    await tx.execute(insert(sessions).values(asdict(session)))
    if first is not None:
        await _add_token(tx, session.id, first)


async def find_by_cookie(tx: Transaction, digest: bytes) -> tuple[str, Principal | None] | None:
    """The id of the session that a browser's cookie belongs to, and whose it is: None when it is over or its user may
    not log in. None for a cookie of no session.
    """
    is_live = and_(sessions.c.ended_at.is_(None), sessions.c.expires_at > tx.now, users.c.is_active)
    statement = (
        select(
            sessions.c.id,
            sessions.c.user_id,
            users.c.email,
            roles.c.name,
            roles.c.permissions,
            is_live.label("is_live"),
        )
        .join(users, users.c.id == sessions.c.user_id)
        .join(roles, roles.c.name == users.c.role_name)
        .where(sessions.c.cookie_digest == digest)
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return None
    if not row.is_live:
        return row.id, None
    user = principal_of_user(row.user_id, row.email, role_store.of(row.name, "", row.permissions))
    return row.id, replace(user, session_id=row.id)


async def lock_by_cookie(tx: Transaction, digest: bytes) -> Session | None:
    """The session that a browser's cookie belongs to, locked until the transaction ends; None when it is over."""
    statement = select(sessions).where(
        sessions.c.cookie_digest == digest, sessions.c.ended_at.is_(None), sessions.c.expires_at > tx.now
    )
    return _one((await tx.execute(statement.with_for_update())).one_or_none())


async def note_used(tx: Transaction, used: Mapping[str, datetime]) -> None:
    """Stores when browsers' sessions were last used, by their ids, and that they go on from then.

    An older time never replaces a newer one.
    """
    at = bindparam("at", type_=sessions.c.last_used_at.type)
    statement = (
        update(sessions)
        .where(sessions.c.id == bindparam("session"), sessions.c.last_used_at < at)
        .values(
            last_used_at=at,
            expires_at=func.least(sessions.c.created_at + BROWSER_LIFE, at + literal(BROWSER_IDLE)),
        )
    )
    rows: Sequence[Mapping[str, Any]] = [{"session": one, "at": time} for one, time in sorted(used.items())]
    await tx.execute(statement, rows)


async def lock_by_token(tx: Transaction, digest: bytes) -> tuple[Session, RefreshToken] | None:
    """The token and its session, which stays locked until the transaction ends; None for an unknown token."""
    of_token = select(refresh_tokens.c.session_id).where(refresh_tokens.c.digest == digest).scalar_subquery()
    session = _one(
        (await tx.execute(select(sessions).where(sessions.c.id == of_token).with_for_update())).one_or_none()
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
    statement = select(sessions).where(sessions.c.id == wanted, sessions.c.user_id == user_id)
    return _one((await tx.execute(statement.with_for_update())).one_or_none())


async def lock(tx: Transaction, session_id: str, user_id: str | None) -> Session:
    """The session, locked until the transaction ends; with `user_id` only when it is that one's.

    Raises NotFound SESSION_NOT_FOUND.
    """
    statement = select(sessions).where(sessions.c.id == session_id).with_for_update()
    if user_id is not None:
        statement = statement.where(sessions.c.user_id == user_id)
    found = _one((await tx.execute(statement)).one_or_none())
    if found is None:
        raise missing(session_id)
    return found


async def page(
    tx: Transaction, user_id: str | None, before: str | None, limit: int, *, include_ended: bool
) -> list[Session]:
    """Sessions, newest first, from the one before the id `before` on; with `user_id` only that one's."""
    statement = select(sessions).order_by(sessions.c.id.desc()).limit(limit)
    if user_id is not None:
        statement = statement.where(sessions.c.user_id == user_id)
    if not include_ended:
        statement = statement.where(sessions.c.ended_at.is_(None), sessions.c.expires_at > tx.now)
    if before is not None:
        statement = statement.where(sessions.c.id < before)
    return [Session(**row._mapping) for row in await tx.execute(statement)]


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
        update(sessions)
        .where(sessions.c.id == token.session_id)
        .values(expires_at=tx.now + REFRESH_LIFE, last_used_at=tx.now)
    )


async def end(tx: Transaction, session_id: str, reason: str) -> None:
    """Ends the session, which is locked and goes on."""
    await _end(tx, update(sessions).where(sessions.c.id == session_id), reason)


async def end_all(tx: Transaction, user_id: str, reason: str, *, but: str = "") -> int:
    """Ends every session of the user except the one with the id `but`; returns how many."""
    statement = update(sessions).where(
        sessions.c.user_id == user_id, sessions.c.ended_at.is_(None), sessions.c.id != but
    )
    return await _end(tx, statement, reason)


async def ended_lately(tx: Transaction) -> list[str]:
    """The ids of the sessions that ended while access tokens of theirs may not have run out."""
    statement = select(ended_sessions.c.session_id).where(ended_sessions.c.ended_at > tx.now - SHOWN_REVOKED)
    return list((await tx.execute(statement)).scalars())


async def purge(tx: Transaction) -> int:
    """Deletes sessions and refresh tokens that ran out a day ago; returns how many sessions."""
    await tx.execute(delete(ended_sessions).where(ended_sessions.c.ended_at < tx.now - _KEPT))
    await tx.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at < tx.now - _KEPT))
    return (await tx.execute(delete(sessions).where(sessions.c.expires_at < tx.now - _KEPT))).rowcount


async def _end(tx: Transaction, these: Update, reason: str) -> int:
    """Ends sessions, and notes which: that outlives them when their user is deleted."""
    ended = these.values(ended_at=tx.now, end_reason=reason).returning(sessions.c.id).cte("ended")
    noted = upsert(ended_sessions).from_select(
        ["session_id", "ended_at"], select(ended.c.id, literal(tx.now, ended_sessions.c.ended_at.type))
    )
    noted = noted.on_conflict_do_nothing()
    return len((await tx.execute(noted.returning(ended_sessions.c.session_id))).all())


async def _add_token(tx: Transaction, session_id: str, digest: bytes) -> None:
    await tx.execute(
        insert(refresh_tokens).values(
            digest=digest, session_id=session_id, created_at=tx.now, expires_at=tx.now + REFRESH_LIFE
        )
    )


def _one(row: Row[Any] | None) -> Session | None:
    return None if row is None else Session(**row._mapping)
