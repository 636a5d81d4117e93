"""Access tokens: EdDSA-signed JWTs (RFC 9068), verified offline with identity's public keys."""

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import jwt
from jwt.algorithms import OKPAlgorithm

from chassis.context import Caller, Kind
from chassis.errors import Unauthenticated
from chassis.sharing import Shared

log = logging.getLogger(__name__)

ISSUER: Final = "mcpanel"
AUDIENCE: Final = "mcpanel"
TYPE: Final = "at+jwt"
WHOSE: Final = ("api_key_id", "session_id")
"""What a refusal may say of the credential that was shown."""
_KINDS: Final[dict[str, Kind]] = {
    "user": "user",
    "api_key": "api_key",
    "service": "service",
    "worker": "worker",
}
_PACE: Final = 0.5
"""Seconds from one fetch of the keys to the next, however many unknown key ids come in: they wait for it."""
_MAX_AGE: Final = 300.0
_MAX_CACHED: Final = 4096
_MAX_LENGTH: Final = 8192
"""Characters; identity's own are a few hundred to some thousand, by how many permissions they name."""


def looks_like_token(credential: str) -> bool:
    """Whether the credential has a JWT's form; anything else is taken for an API key."""
    return credential.count(".") == 2 and credential.startswith("ey")


class Jwks:
    """Identity's public keys, fetched when first needed and again for an unknown key id or after five
    minutes.

    Nobody is told that a key is unknown from what was fetched before they asked, so that a new key counts from the
    first token it signs.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Sequence[Mapping[str, str]]]]) -> None:
        """`fetch` returns the keys of a JSON Web Key Set (RFC 7517)."""
        self._fetch = fetch
        self._keys: dict[str, Any] = {}
        self._fetched = -_MAX_AGE
        self._shared: Shared[None, None] = Shared()

    async def key(self, kid: str) -> Any:
        """The public key `kid`, or None when identity has no such key. Raises Unavailable when nothing is
        known yet.
        """
        age = time.monotonic() - self._fetched
        if kid in self._keys and age < _MAX_AGE:
            return self._keys[kid]
        await self._shared.get(None, self._refresh)
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        await asyncio.sleep(self._fetched + _PACE - time.monotonic())
        try:
            found = await self._fetch()
        except Exception as error:
            if not self._keys:
                raise
            log.warning(
                "the signing keys cannot be refreshed; using those known", extra={"error": str(error)}
            )
            self._fetched = time.monotonic()
            return
        self._keys = {
            key["kid"]: OKPAlgorithm.from_jwk(dict(key))
            for key in found
            if key.get("kty") == "OKP" and key.get("crv") == "Ed25519"
        }
        self._fetched = time.monotonic()


class TokenVerifier:
    """Verifies access tokens and remembers the verified ones until they expire."""

    def __init__(self, jwks: Jwks, *, audiences: Sequence[str] = (AUDIENCE,), issuer: str = ISSUER) -> None:
        self._jwks = jwks
        self._audiences = tuple(audiences)
        self._issuer = issuer
        self._verified: dict[str, tuple[float, Caller]] = {}

    async def verify(self, token: str) -> Caller:
        """The caller the token names. Raises Unauthenticated, or Unavailable when no key is known yet."""
        if len(token) > _MAX_LENGTH:
            raise invalid("the access token is longer than any that identity signs")
        known = self._verified.get(token)
        if known is not None and known[0] > time.time():
            return known[1]
        if not all(map(_is_canonical, token.split("."))):
            raise invalid("the access token is malformed")
        claims = await self._claims(token)
        caller = caller_from_claims(claims, token)
        if len(self._verified) >= _MAX_CACHED:
            now = time.time()
            self._verified = {held: item for held, item in self._verified.items() if item[0] > now}
            if len(self._verified) >= _MAX_CACHED:
                self._verified.clear()
        self._verified[token] = (float(claims["exp"]), caller)
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise invalid("the access token is malformed") from None
        if (
            header.get("alg") != "EdDSA"
            or header.get("typ") != TYPE
            or not isinstance(header.get("kid"), str)
        ):
            raise invalid("the access token is not an EdDSA-signed at+jwt")
        key = await self._jwks.key(header["kid"])
        if key is None:
            raise invalid("the access token was signed by an unknown key")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                audience=self._audiences,
                issuer=self._issuer,
                options={"require": ["exp", "iat", "sub", "jti", "iss", "aud"]},
                leeway=5,
            )
        except jwt.ExpiredSignatureError:
            raise invalid("the access token has expired") from None
        except jwt.PyJWTError:
            raise invalid("the access token is not valid") from None
        return claims


def caller_from_claims(claims: dict[str, Any], token: str) -> Caller:
    """The caller that a verified token's claims describe."""
    return Caller(
        id=str(claims["sub"]),
        kind=_KINDS.get(str(claims.get("kind", "user")), "user"),
        name=str(claims.get("name", claims["sub"])),
        roles=frozenset(map(str, claims.get("roles", ()))),
        permissions=frozenset(map(str, claims.get("permissions", ()))),
        credential=token,
        credential_id=str(claims["jti"]),
        session_id=str(claims.get("sid", "")),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        claims=claims,
    )


def _is_canonical(segment: str) -> bool:
    """Whether the segment is what its bytes are written as (RFC 7515: base64url without padding), and not another
    spelling of them that a lenient reader takes: a token is one string.
    """
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(data).rstrip(b"=") == segment.encode()


def invalid(why: str, **whose: str) -> Unauthenticated:
    """The refusal of a bad credential.

    `whose` is its `api_key_id` or `session_id`, for the action log: to be said only where its secret or signature was
    right.
    """
    known = {name: value for name, value in whose.items() if value}
    return Unauthenticated("CREDENTIALS_INVALID", why, metadata=known)
