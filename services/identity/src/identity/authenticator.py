"""Proving credentials inside identity itself, where everyone else asks."""

from collections.abc import Callable, Mapping, Sequence

from chassis.authentication import Jwks, TokenVerifier
from chassis.authentication.guesses import Guesses
from chassis.authentication.revocations import is_outdated
from chassis.authentication.tokens import invalid, looks_like_token
from chassis.context import Caller, current_or_none
from chassis.database import Database
from chassis.errors import Unauthenticated
from identity import store
from identity.domain import api_keys, sessions
from identity.domain.api_keys import Principal
from identity.domain.sessions import COOKIE_PREFIX

UsedHook = Callable[[str], None]
"""Told the id of every key, or of every browser's session, that was used; must return at once."""
_NOTHING = bytes(32)
_NO_KEY = "the API key is unknown, expired or revoked"
"""Said of every key that does not count; which one it was, only of one whose secret was right."""


class LocalAuthenticator:
    """The chassis's Authenticator over identity's own tables. A revocation works here at once."""

    def __init__(self, db: Database, used: UsedHook, session_used: UsedHook) -> None:
        self._db = db
        self._used = used
        self._session_used = session_used
        self._tokens = TokenVerifier(Jwks(self._jwks))
        self._guesses = Guesses()

    async def authenticate(self, credential: str) -> Caller:
        """The caller this JWT or key belongs to.

        Raises Unauthenticated CREDENTIALS_INVALID, and Exhausted TOO_MANY_REQUESTS when too many keys that do not exist
        came from the call's address.
        """
        if looks_like_token(credential):
            return await self._unrevoked(await self._tokens.verify(credential))
        try:
            principal = await self.by_secret(credential)
        except Unauthenticated:
            call = current_or_none()
            address = call.client_address if call else ""
            self._guesses.check(address)
            self._guesses.note(address)
            raise
        return Caller(
            id=principal.id,
            kind=principal.kind,
            name=principal.name,
            roles=principal.roles,
            permissions=principal.permissions,
            credential=credential,
            credential_id=principal.api_key_id,
            session_id=principal.session_id,
            scopes=principal.scopes,
        )

    async def confirm(self, caller: Caller) -> Caller:
        """The caller as it is by now. Raises Unauthenticated CREDENTIALS_INVALID."""
        if looks_like_token(caller.credential):
            return await self._unrevoked(caller)
        return await self.authenticate(caller.credential)

    async def _unrevoked(self, caller: Caller) -> Caller:
        async with self._db.read() as tx:
            if not await store.sessions.is_live(tx, caller.session_id):
                raise invalid("the session of the access token is over", session_id=caller.session_id)
            narrowed = await store.roles.narrowed_lately(tx)
        if is_outdated(caller, {name: at.timestamp() for name, at in narrowed.items()}):
            raise invalid(
                "the role of the access token holds less by now; refresh it", session_id=caller.session_id
            )
        return caller

    async def by_secret(self, credential: str) -> Principal:
        """Whoever this API key, or content of a browser's cookie, belongs to.

        Raises Unauthenticated CREDENTIALS_INVALID.
        """
        if not credential.startswith(COOKIE_PREFIX):
            return await self._by_key(credential)
        async with self._db.read() as tx:
            found = await store.sessions.find_by_cookie(tx, sessions.digest(credential))
        if found is None:
            raise invalid("the session is over; log in again")
        session_id, principal = found
        if principal is None:
            raise invalid("the session is over; log in again", session_id=session_id)
        self._session_used(session_id)
        return principal

    async def _by_key(self, credential: str) -> Principal:
        lookup = api_keys.lookup_of(credential)
        if lookup is None:
            raise invalid("the credential is neither an access token nor an API key")
        async with self._db.read() as tx:
            found = await store.keys.find_by_lookup(tx, lookup)
        matches = api_keys.matches(credential, found.key.digest if found else _NOTHING)
        if found is None or not matches:
            raise invalid(_NO_KEY)
        if found.principal is None or not found.key.works(tx.now):
            raise invalid(_NO_KEY, api_key_id=found.key.id)
        self._used(found.key.id)
        return found.principal

    async def _jwks(self) -> Sequence[Mapping[str, str]]:
        async with self._db.read() as tx:
            keys = await store.signing_keys.published(tx)
        return [{"kty": "OKP", "crv": "Ed25519", "x": key.x, "kid": key.kid} for key in keys]
