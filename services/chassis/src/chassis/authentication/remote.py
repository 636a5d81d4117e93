"""Authentication by identity: tokens offline with its public keys, API keys by asking, cached for a few
seconds.
"""

import asyncio
import dataclasses
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Final

from chassis.authentication.guesses import Guesses
from chassis.authentication.revocations import Revocations, Revoked
from chassis.authentication.tokens import AUDIENCE, WHOSE, Jwks, TokenVerifier, invalid, looks_like_token
from chassis.client import ServiceChannel
from chassis.context import Caller, Kind, current_or_none, use
from chassis.errors import ServiceError, Unauthenticated, Unavailable
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc

TTL: Final = 4.0
"""Seconds an answer about an API key is used, from the question on: a revocation works everywhere within five."""
_MAX_CACHED: Final = 4096
_SECONDS: Final = 5.0
_REVOCATIONS_SECONDS: Final = 0.9
"""Within what is left of five seconds: calls may wait for this answer."""
_KINDS: Final[dict[int, Kind]] = {
    identity_pb2.Principal.USER: "user",
    identity_pb2.Principal.API_KEY: "api_key",
    identity_pb2.Principal.SERVICE: "service",
    identity_pb2.Principal.WORKER: "worker",
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Refused:
    """What identity says of a credential that does not count: why, and whose it is where its secret was right."""

    why: str
    whose: Mapping[str, str]


class RemoteAuthenticator:
    """Proves credentials with identity's help. `channel` is one to identity with this service's own key."""

    def __init__(
        self,
        channel: ServiceChannel,
        *,
        audiences: Sequence[str] = (AUDIENCE,),
        guesses: Guesses | None = None,
    ) -> None:
        """`audiences` are those of which a token must name one; `guesses` counts keys that do not exist."""
        self._stub = identity_pb2_grpc.IdentityServiceStub(channel)
        self._tokens = TokenVerifier(Jwks(self._jwks), audiences=audiences)
        self._revocations = Revocations(lambda: revoked(self._stub))
        self._cache: dict[bytes, tuple[float, Caller | _Refused]] = {}
        self._guesses = guesses or Guesses()
        self._asking: dict[bytes, asyncio.Task[Caller | _Refused]] = {}

    async def authenticate(self, credential: str) -> Caller:
        """The caller the credential belongs to. Raises Unauthenticated, Unavailable naming identity, or Exhausted
        when too many keys that do not exist came from the call's address.
        """
        if looks_like_token(credential):
            return await self._unrevoked(await self._tokens.verify(credential))
        if not credential.startswith("mcp_") or len(credential) > 256:
            raise invalid("the credential is neither an access token nor an mcp_ key")
        return await self._by_key(credential)

    async def confirm(self, caller: Caller) -> Caller:
        """The caller as it is by now. Raises Unauthenticated, or Unavailable naming identity."""
        if caller.on_behalf_of is not None:
            user = await self.confirm(caller.on_behalf_of)
            itself = await self.confirm(dataclasses.replace(caller, on_behalf_of=None))
            return dataclasses.replace(itself, on_behalf_of=user)
        if looks_like_token(caller.credential):
            return await self._unrevoked(caller)
        return await self._by_key(caller.credential)

    async def _unrevoked(self, caller: Caller) -> Caller:
        if (caller.session_id or caller.roles) and (why := await self._revocations.why(caller)):
            raise invalid(why, session_id=caller.session_id)
        return caller

    async def _by_key(self, credential: str) -> Caller:
        digest = hashlib.sha256(credential.encode()).digest()
        known = self._cache.get(digest)
        if known is not None and known[0] > time.monotonic():
            answer = known[1]
        else:
            address = call.client_address if (call := current_or_none()) else ""
            if known is None or isinstance(
                known[1], _Refused
            ):  # who held a good key before is not held up by others' guesses
                self._guesses.check(address)
            task = self._asking.get(digest)
            if task is None:
                task = asyncio.create_task(self._ask(credential, digest))
                self._asking[digest] = task
                task.add_done_callback(lambda _: self._asking.pop(digest, None))
            answer = await asyncio.shield(task)
            if isinstance(answer, _Refused):
                self._guesses.note(address)
        if isinstance(answer, _Refused):
            raise invalid(answer.why, **answer.whose)
        return answer

    async def _ask(self, credential: str, digest: bytes) -> Caller | _Refused:
        until = time.monotonic() + TTL
        with use(None):
            try:
                said = await self._stub.Authenticate(
                    identity_pb2.AuthenticateRequest(credential=credential), timeout=_SECONDS
                )
                answer: Caller | _Refused = caller_from_principal(said.principal, credential)
            except Unauthenticated as error:
                if error.reason != "CREDENTIALS_INVALID" or error.metadata.get("subject") == "caller":
                    raise unavailable("identity refused this service's own key") from error
                whose = {name: value for name, value in error.metadata.items() if name in WHOSE}
                answer = _Refused(error.message, whose)
            except ServiceError as error:
                raise unavailable("identity is unavailable") from error
        if len(self._cache) >= _MAX_CACHED:
            self._cache.clear()
        self._cache[digest] = (until, answer)
        return answer

    async def _jwks(self) -> list[dict[str, str]]:
        with use(None):
            try:
                answer = await self._stub.GetJwks(identity_pb2.GetJwksRequest(), timeout=_SECONDS)
            except ServiceError as error:
                raise unavailable("identity is unavailable") from error
        return [{"kty": key.kty, "crv": key.crv, "x": key.x, "kid": key.kid} for key in answer.keys]


async def revoked(identity: "identity_pb2_grpc.IdentityServiceAsyncStub") -> Revoked:
    """Which sessions ended and which roles were narrowed, as identity says. Raises ServiceError."""
    with use(None):
        answer = await identity.GetRevocations(
            identity_pb2.GetRevocationsRequest(), timeout=_REVOCATIONS_SECONDS
        )
    narrowed = {one.name: one.time.seconds + one.time.nanos / 1e9 for one in answer.narrowed_roles}
    return Revoked(frozenset(answer.session_ids), narrowed)


def caller_from_principal(principal: identity_pb2.Principal, credential: str) -> Caller:
    """The caller that identity describes."""
    return Caller(
        id=principal.id,
        kind=_KINDS.get(principal.kind, "user"),
        name=principal.name,
        roles=frozenset(principal.roles),
        permissions=frozenset(principal.permissions),
        credential=credential,
        credential_id=principal.api_key_id,
        session_id=principal.session_id,
        scopes=frozenset(principal.scopes),
    )


def unavailable(why: str) -> Unavailable:
    """Identity cannot be asked."""
    return Unavailable("DEPENDENCY_UNAVAILABLE", why, metadata={"dependency": "identity"}, retry_after=1)
