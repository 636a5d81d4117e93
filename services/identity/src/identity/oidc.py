"""Talking to OpenID Connect providers: discovery, the authorization code with PKCE, and the ID token's proof."""

import ssl
import time
import warnings
from functools import cache
from typing import Any, Final

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import is_secure_transport
from authlib.deprecate import AuthlibDeprecationWarning
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from chassis.errors import Unavailable
from chassis.guards import refuse_open_transaction
from identity.domain.external import Claims, Provider, failed

# The library has moved on to a client that is not released; the one it moves away from is the one it works with.
warnings.filterwarnings("ignore", ".*httpx.*", AuthlibDeprecationWarning)

from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: E402

_ALGORITHMS: Final = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]
"""Signatures by a key that the provider publishes; never `none`, and nothing with a shared secret."""
_SECONDS: Final = 5.0
_KEPT: Final = 3600.0
_LEEWAY: Final = 60
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Oidc:
    """A client of providers; remembers for an hour what they publish of themselves."""

    def __init__(self) -> None:
        self._published: dict[str, tuple[float, dict[str, Any], KeySet]] = {}

    async def authorization_url(
        self, provider: Provider, redirect_uri: str, *, state: str, nonce: str, verifier: str
    ) -> str:
        """Where to send the browser. Raises Unavailable naming the provider."""
        metadata, _ = await self._of(provider)
        async with self._client(provider, redirect_uri) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
            )
        return str(url)

    async def claims(
        self, provider: Provider, redirect_uri: str, *, code: str, issuer: str, nonce: str, verifier: str
    ) -> Claims:
        """What the provider says of whom the code is of.

        Raises Unauthenticated EXTERNAL_LOGIN_FAILED when the code or the token is not good; Unavailable.
        """
        metadata, keys = await self._of(provider)
        if issuer != provider.issuer and (
            issuer or metadata.get("authorization_response_iss_parameter_supported")
        ):
            raise failed("the answer is not this provider's")
        token = await self._exchange(provider, metadata, redirect_uri, code, verifier)
        try:
            said = _verified(token, keys, provider, nonce)
        except InvalidKeyIdError:  # it may be a new one
            self._published.pop(provider.name, None)
            metadata, keys = await self._of(provider)
            try:
                said = _verified(token, keys, provider, nonce)
            except InvalidKeyIdError as error:
                raise failed("the provider's ID token is signed by an unknown key") from error
        return _claims(provider, said)

    async def _exchange(
        self, provider: Provider, metadata: dict[str, Any], redirect_uri: str, code: str, verifier: str
    ) -> dict[str, Any]:
        refuse_open_transaction(f"a call to {provider.name}")
        try:
            async with self._client(provider, redirect_uri) as client:
                token: dict[str, Any] = await client.fetch_token(
                    metadata["token_endpoint"], code=code, code_verifier=verifier
                )
        except httpx.HTTPError as error:
            raise _away(provider) from error
        except (AuthlibBaseError, ValueError) as error:
            raise failed("the provider does not take its code back") from error
        if not isinstance(token.get("id_token"), str):
            raise failed("the provider sent no ID token")
        return token

    async def _of(self, provider: Provider) -> tuple[dict[str, Any], KeySet]:
        """The provider's metadata and its public keys."""
        known = self._published.get(provider.name)
        if known is not None and known[0] > time.monotonic():
            return known[1], known[2]
        refuse_open_transaction(f"a call to {provider.name}")
        try:
            async with httpx.AsyncClient(verify=_trusted(), timeout=_SECONDS) as client:
                metadata = await _json(
                    client, f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
                )
                if metadata.get("issuer") != provider.issuer:
                    raise ValueError("it names another issuer")
                if not all(is_secure_transport(metadata[name]) for name in _ENDPOINTS):
                    raise ValueError("it has an address without TLS")
                keys = KeySet.import_key_set(await _json(client, metadata["jwks_uri"]))  # type: ignore[arg-type]  # what it is is checked
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _away(provider) from error
        self._published[provider.name] = (time.monotonic() + _KEPT, metadata, keys)
        return metadata, keys

    @staticmethod
    def _client(provider: Provider, redirect_uri: str) -> Any:
        return AsyncOAuth2Client(
            client_id=provider.client_id,
            client_secret=provider.client_secret or None,
            token_endpoint_auth_method="client_secret_basic"
            if provider.client_secret
            else "none",  # a method's name
            scope=" ".join(provider.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            verify=_trusted(),
            timeout=_SECONDS,
        )


@cache
def _trusted() -> ssl.SSLContext:
    """Who may speak for a provider's name: read once, for it takes longer than a login."""
    return httpx.create_ssl_context()


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    answer = await client.get(url)
    answer.raise_for_status()
    found = answer.json()
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # what was sent, not what was given
    return found


def _verified(token: dict[str, Any], keys: KeySet, provider: Provider, nonce: str) -> dict[str, Any]:
    """The ID token's claims. Raises Unauthenticated EXTERNAL_LOGIN_FAILED; InvalidKeyIdError for an unknown key."""
    try:
        decoded = jwt.decode(token["id_token"], keys, algorithms=_ALGORITHMS)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": provider.client_id},
                "nonce": {"essential": True, "value": nonce},
            },
            params={
                "nonce": nonce,
                "client_id": provider.client_id,
                "access_token": token.get("access_token", ""),
            },
        )
        claims.validate(leeway=_LEEWAY)
    except InvalidKeyIdError:
        raise
    except (JoseError, ValueError) as error:
        raise failed("the provider's ID token is not valid") from error
    return dict(claims)


def _claims(provider: Provider, said: dict[str, Any]) -> Claims:
    subject, email, name = said.get("sub"), said.get("email"), said.get("name")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise failed("the provider does not say who this is")
    if not isinstance(email, str) or "@" not in email or len(email) > 254:
        raise failed("the provider gives no email address")
    groups = said.get(provider.groups_claim, ())
    return Claims(
        subject=subject,
        email=email,
        is_verified=provider.trust_emails or said.get("email_verified") is True,
        full_name=name[:200] if isinstance(name, str) else "",
        groups=frozenset(one for one in groups if isinstance(one, str))
        if isinstance(groups, list)
        else frozenset(),
    )


def _away(provider: Provider) -> Unavailable:
    return Unavailable(
        "DEPENDENCY_UNAVAILABLE",
        f"{provider.title} does not answer as an OpenID Connect provider does; try again",
        metadata={"dependency": f"login provider {provider.name}"},
        retry_after=5,
    )
