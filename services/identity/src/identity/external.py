"""Logging in elsewhere: the flow from the button to the session."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from chassis import outbox
from chassis.database import Database, Transaction
from chassis.errors import ServiceError, Unauthenticated
from chassis.ids import uuid7
from identity import store
from identity.domain import external, users
from identity.domain.external import Claims, Pending, Provider
from identity.domain.users import User
from identity.logins import Entered, Logins, Random
from identity.oidc import Oidc

_WORD: Final = re.compile(r"[a-z_]{1,64}")


class ExternalLogins:
    """Begins and ends logins at providers."""

    def __init__(
        self, db: Database, logins: Logins, random: Random, providers: Mapping[str, Provider], public_url: str
    ) -> None:
        """`public_url` is where browsers reach the edge: the provider sends them back there."""
        self.providers = providers
        self._db = db
        self._logins = logins
        self._random = random
        self._public_url = public_url.rstrip("/")
        self._oidc = Oidc()

    async def begin(self, name: str, redirect_to: str) -> tuple[str, str]:
        """Where to send the browser, and what it has to show when it comes back.

        Raises NotFound LOGIN_PROVIDER_UNKNOWN; Exhausted TOO_MANY_REQUESTS; Unavailable.
        """
        provider = self._provider(name)
        await self._logins.count_external()
        state, binding = (external.secret(self._random(external.RANDOM_BYTES)) for _ in range(2))
        url = await self._oidc.authorization_url(
            provider,
            self._callback(provider),
            state=state,
            nonce=external.nonce(binding, state),
            verifier=external.verifier(binding, state),
        )
        async with self._db.begin(idempotent=False, audited=False) as tx:
            pending = Pending(
                external.digest(state),
                provider.name,
                external.digest(binding),
                redirect_to or "/",
                tx.now + external.LIFE,
            )
            await store.external.begin(tx, pending)
        return url, binding

    async def finish(
        self, name: str, *, code: str, state: str, binding: str, issuer: str, error: str, previous: str = ""
    ) -> tuple[Entered, str]:
        """The session of who came back, and the path to go on at; the session of the cookie `previous` ends.

        Raises NotFound LOGIN_PROVIDER_UNKNOWN; Unauthenticated EXTERNAL_LOGIN_FAILED; Unavailable.
        """
        provider = self._provider(name)
        try:
            pending = await self._take(provider, state, binding)
            if error or not code:
                why = error if _WORD.fullmatch(error) else "no code"
                raise external.failed(f"the provider refused: {why}")
            claims = await self._oidc.claims(
                provider,
                self._callback(provider),
                code=code,
                issuer=issuer,
                nonce=external.nonce(binding, state),
                verifier=external.verifier(binding, state),
            )
            async with self._db.begin() as tx:
                await store.roles.lock_all(tx)
                user = await self._let_in(tx, provider, claims)
                await store.users.note_login(tx, user.id, None)
                entered = await self._logins.enter(
                    tx, user, browser=True, provider=provider.name, previous=previous
                )
        except Unauthenticated as refusal:
            await self._record(provider, refusal)
            raise
        return entered, pending.redirect_to

    def _provider(self, name: str) -> Provider:
        if name not in self.providers:
            raise external.unknown(name)
        return self.providers[name]

    def _callback(self, provider: Provider) -> str:
        return f"{self._public_url}/auth/oidc/{provider.name}/callback"

    async def _take(self, provider: Provider, state: str, binding: str) -> Pending:
        """The login that this browser began. Whatever it is, the state is used up."""
        async with self._db.begin(idempotent=False, audited=False) as tx:
            pending = await store.external.take(tx, external.digest(state))
        if pending is None or not pending.fits(provider.name, binding, tx.now):
            raise external.failed("this login was not begun in this browser, took too long, or is over")
        return pending

    async def _let_in(self, tx: Transaction, provider: Provider, claims: Claims) -> User:
        """The user whom the claims are of: known, linked, or new. Raises EXTERNAL_LOGIN_FAILED."""
        role = external.role_of(provider, claims.groups)
        if role and role not in {one.name for one in await store.roles.every(tx)}:
            raise external.failed(f"the role {role}, which the provider's groups give, does not exist")
        if not role and provider.roles:
            raise external.failed("none of your groups at the provider is let in here")
        user_id = await store.external.user_id(tx, provider.name, claims.subject)
        if user_id is None:
            user = await self._meet(tx, provider, claims, role)
            await store.external.link(tx, provider.name, claims.subject, user.id)
        else:
            user = await store.users.lock(tx, user_id)
        if not user.is_active:
            raise external.failed("the account is off")
        # Where the provider's groups have no say, an administrator here has it.
        return await self._with_role(tx, user, role) if provider.roles else user

    async def _meet(self, tx: Transaction, provider: Provider, claims: Claims, role: str) -> User:
        """The user who logs in there for the first time."""
        if not claims.is_verified:
            raise external.failed("the provider has not verified the email address")
        found = await store.users.find_by_email(tx, users.email_key(claims.email))
        if found is not None:
            if found.invited_at is not None:
                raise external.not_accepted()
            if not provider.link_by_email:
                raise external.failed("a user with this email address exists, and logs in otherwise")
            return await store.users.lock(tx, found.id)
        if not role:
            raise external.failed("nobody is let in here who is not known")
        user = users.new(
            uuid7(tx.now),
            email=claims.email,
            full_name=claims.full_name,
            role_name=role,
            password_hash=users.NO_PASSWORD,
            now=tx.now,
        )
        await store.users.add(tx, user)
        await outbox.add(
            tx,
            action="USER_REGISTERED",
            entity=("user", user.id),
            new=user.facts(),
            details={"provider": provider.name},
            personal=users.PERSONAL,
            actor=outbox.Actor(user.id, "user", user.email),
        )
        return user

    async def _with_role(self, tx: Transaction, user: User, role: str) -> User:
        """The user with the role that the groups give now. The last administrator stays one."""
        after = replace(user, role_name=role, version=user.version + 1, updated_at=tx.now)
        every, administrators = await store.roles.every(tx), await store.users.count_administrators(tx)
        if role == user.role_name or users.is_last_administrator(user, after, every, administrators):
            return user
        await store.users.save(tx, after)
        await store.sessions.end_all(tx, user.id, "role changed")
        await outbox.add(
            tx,
            action="USER_UPDATED",
            entity=("user", user.id),
            old=user.facts(),
            new=after.facts(),
            personal=users.PERSONAL,
            actor=outbox.Actor(user.id, "user", user.email),
        )
        return after

    async def _record(self, provider: Provider, refusal: ServiceError) -> None:
        """Puts the failed login into the action log, in a transaction of its own since the call fails."""
        async with self._db.begin(idempotent=False) as tx:
            await outbox.add(
                tx,
                action="LOGIN_FAILED",
                entity=("login_provider", provider.name),
                details={"provider": provider.name, "why": refusal.message},
                outcome=refusal.reason,
                actor=outbox.Actor("", "anonymous", "anonymous"),
            )
