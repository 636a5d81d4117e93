"""Logging in and staying so: the flows that take more than one transaction."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from chassis import errors, outbox
from chassis.context import Call, current
from chassis.database import Database, Transaction
from chassis.ids import uuid7
from identity import store
from identity.domain import sessions, throttling, tokens, users
from identity.domain.sessions import Session, Verdict
from identity.domain.throttling import Limit
from identity.domain.tokens import Issued
from identity.domain.users import User
from identity.passwords import Passwords
from identity.signing import Signer

Random = Callable[[int], bytes]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many attempts there are."""

    logins_per_email: Limit = throttling.LOGINS_PER_EMAIL
    logins_per_address: Limit = throttling.LOGINS_PER_ADDRESS
    registrations_per_address: Limit = throttling.REGISTRATIONS_PER_ADDRESS
    tickets_per_address: Limit = throttling.TICKETS_PER_ADDRESS


@dataclass(frozen=True, slots=True)
class Entered:
    """A session that was just opened."""

    session: Session
    user: User
    secret: str = field(repr=False)
    """Its first refresh token, or what its cookie holds."""


class Logins:
    """Opens sessions and carries them on."""

    def __init__(
        self, db: Database, passwords: Passwords, signer: Signer, random: Random, limits: Limits
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._signer = signer
        self._random = random
        self._limits = limits

    async def login(self, email: str, password: str) -> Issued:
        """Tokens for the user with this email and password. Raises as `_with_password` does."""

        return await self._with_password(email, password, self.enter_with_tokens)

    async def enter_with_tokens(self, tx: Transaction, user: User) -> Issued:
        """Tokens of a session that is opened for the user, as `enter` does."""
        entered = await self.enter(tx, user)
        return await self._issue(tx, user, entered.session.id, entered.secret)

    async def login_at_browser(self, email: str, password: str, previous: str = "") -> Entered:
        """A session with a cookie for the user with this email and password; that of the cookie `previous` ends.

        Raises as `_with_password` does.
        """

        async def open_(tx: Transaction, user: User) -> Entered:
            return await self.enter(tx, user, browser=True, previous=previous)

        return await self._with_password(email, password, open_)

    async def _with_password(
        self, email: str, password: str, open_: Callable[[Transaction, User], Awaitable[T]]
    ) -> T:
        """What `open_` makes for the user with this email and password, in the transaction that lets it in.

        The attempt is counted before the password is looked at, so that attempts made at once are counted too, and
        one password is checked whoever is asked for. Raises Unauthenticated LOGIN_FAILED; Exhausted TOO_MANY_REQUESTS.
        """
        key = users.email_key(email)
        user = await self._count_login(key)
        proved = await self._passwords.verify((user and user.password_hash) or None, password)
        opened = None
        if user is not None and proved:
            fresh = (
                await self._passwords.hash(password) if self._passwords.is_dated(user.password_hash) else None
            )
            opened = await self._open(user, fresh, open_)
        if opened is None:
            await self._record_failure(email, user)
            raise users.login_failed()
        return opened

    async def check_password(self, user: User, password: str) -> bool:
        """Whether this is the user's present password; counted like a login. Raises Exhausted TOO_MANY_REQUESTS."""
        await self._count_login(user.email_key)
        return await self._passwords.verify(user.password_hash or None, password)

    async def count_registration(self) -> None:
        """Counts a self-registration from the client's address. Raises Exhausted TOO_MANY_REQUESTS."""
        subject = throttling.address_subject("registration", current().client_address)
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await _count(tx, subject, self._limits.registrations_per_address)

    async def count_external(self) -> None:
        """Counts a login elsewhere that is begun from the client's address. Raises Exhausted TOO_MANY_REQUESTS."""
        subject = throttling.address_subject("external", current().client_address)
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await _count(tx, subject, self._limits.logins_per_address)

    async def count_ticket(self) -> None:
        """Counts an invitation or reset that is shown from the client's address. Raises Exhausted TOO_MANY_REQUESTS."""
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await _count(tx, _ticket_subject(), self._limits.tickets_per_address)

    async def forgive_ticket(self, tx: Transaction) -> None:
        """Takes back the attempt that turned out to be a ticket that works."""
        await store.attempts.give_back(tx, _ticket_subject())

    async def refresh(self, token: str) -> Issued:
        """Fresh tokens for a refresh token. Raises Unauthenticated REFRESH_TOKEN_INVALID."""
        following = sessions.next_token(token, self._signer.refresh_secret)
        issued = None
        async with self._db.begin() as tx:
            found = await store.sessions.lock_by_token(tx, sessions.digest(token))
            if found is not None:
                session, shown = found
                successor = sessions.digest(following)
                verdict = sessions.judge(session, shown, successor, tx.now)
                if verdict is Verdict.REVOKE:
                    await self._revoke_family(tx, session)
                elif verdict is not Verdict.REFUSE:
                    user = await store.users.get(tx, session.user_id)
                    if verdict is Verdict.ROTATE:
                        await store.sessions.rotate(tx, shown, successor)
                    issued = await self._issue(tx, user, session.id, following)
                    await outbox.add(
                        tx,
                        entity=("session", session.id),
                        new={"user_id": user.id, "repeated": verdict is Verdict.REPLAY},
                        actor=_as(user),
                    )
        if issued is None:
            raise errors.Unauthenticated(
                "REFRESH_TOKEN_INVALID", "the refresh token is unknown, used or expired; log in again"
            )
        return issued

    async def _count_login(self, key: str) -> User | None:
        """Counts an attempt for the email and the address; returns the user with the email."""
        call = current()
        async with self._db.begin(idempotent=False, audited=False) as tx:
            address = throttling.address_subject("address", call.client_address)
            await _count(tx, address, self._limits.logins_per_address)
            await _count(tx, throttling.email_subject(key), self._limits.logins_per_email)
            return await store.users.find_by_email(tx, key)

    async def _open(
        self,
        proved: User,
        fresh_hash: str | None,
        open_: Callable[[Transaction, User], Awaitable[T]],
    ) -> T | None:
        """Lets the user in; None when it may not log in, or changed while its password was checked."""
        async with self._db.begin() as tx:
            user = await store.users.lock_if_present(tx, proved.id)
            if user is None or not user.is_active or users.has_new_password(proved, user):
                return None
            await store.users.note_login(tx, user.id, fresh_hash)
            await self.forgive(tx, user, current())
            return await open_(tx, user)

    async def enter(
        self, tx: Transaction, user: User, *, browser: bool = False, provider: str = "", previous: str = ""
    ) -> Entered:
        """Opens a session for the user, who is locked and has proved who it is, and records the login.

        `provider` is where, if it was elsewhere; `previous` what the browser's cookie held, whose session is left.
        """
        if previous:
            await self._leave(tx, previous)
        random = self._random(sessions.RANDOM_BYTES)
        secret = sessions.new_cookie(random) if browser else sessions.first_token(random)
        session = sessions.opened(
            uuid7(tx.now),
            user.id,
            tx.now,
            client_address=current().client_address,
            user_agent=current().user_agent,
            cookie=secret if browser else "",
        )
        await store.sessions.open_(tx, session, None if browser else sessions.digest(secret))
        await outbox.add(
            tx,
            action="USER_LOGGED_IN",
            entity=("user", user.id),
            new={
                "session_id": session.id,
                "kind": session.kind,
                "user_agent": session.user_agent,
                **({"provider": provider} if provider else {}),
            },
            personal=("user_agent",),
            actor=_as(user),
        )
        return Entered(session, user, secret)

    async def _leave(self, tx: Transaction, cookie: str) -> None:
        """Ends the session that goes by the cookie, whosever it is, if it goes on."""
        session = await store.sessions.lock_by_cookie(tx, sessions.digest(cookie))
        if session is None:
            return
        user = await store.users.get(tx, session.user_id)
        await store.sessions.end(tx, session.id, "logged in anew")
        await outbox.add(
            tx,
            action="USER_LOGGED_OUT",
            entity=("session", session.id),
            new={"user_id": user.id, "ended": True},
            actor=_as(user),
        )

    async def forgive(self, tx: Transaction, user: User, call: Call) -> None:
        """Takes back the attempt that turned out to be the right password."""
        await store.attempts.give_back(tx, throttling.address_subject("address", call.client_address))
        await store.attempts.forget(tx, throttling.email_subject(user.email_key))

    async def _issue(self, tx: Transaction, user: User, session_id: str, refresh_token: str) -> Issued:
        role = await store.roles.get_to_sign(tx, user.role_name)
        claims = tokens.access_claims(user, role, session_id, uuid7(tx.now), tx.now)
        return Issued(self._signer.key.sign(claims), refresh_token, int(tokens.ACCESS_LIFE.total_seconds()))

    async def _revoke_family(self, tx: Transaction, session: Session) -> None:
        await store.sessions.end(tx, session.id, "refresh token reused")
        await outbox.add(
            tx,
            action="SESSION_REVOKED",
            entity=("session", session.id),
            new={"user_id": session.user_id, "reason": "refresh token reused"},
        )

    async def _record_failure(self, email: str, user: User | None) -> None:
        """Puts the failed login into the action log, in a transaction of its own since the call fails."""
        call = current()
        # Some people type their password where the email belongs: what cannot be an email is not written down.
        shown = email if "@" in email else "(not an email)"
        async with self._db.begin(idempotent=False) as tx:
            entry = outbox.record(
                "LOGIN_FAILED",
                tx.now,
                call,
                entity=("user", user.id if user else ""),
                details={"email": shown, "user_agent": call.user_agent[:256]},
                outcome="LOGIN_FAILED",
                personal=("email", "user_agent"),
            )
            await tx.execute(outbox.add_statement(entry, tx.tables.outbox))
            tx.outboxed += 1
            outbox.covered(tx)


async def _count(tx: Transaction, subject: str, limit: Limit) -> None:
    throttling.check(await store.attempts.count(tx, subject, limit), limit, tx.now)


def _ticket_subject() -> str:
    return throttling.address_subject("ticket", current().client_address)


def _as(user: User) -> outbox.Actor:
    return outbox.Actor(user.id, "user", user.email)
