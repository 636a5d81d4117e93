"""Who is calling: credentials taken from a call's metadata and proved."""

from typing import Protocol

from chassis.authentication.credentials import Credentials, extract
from chassis.authentication.remote import RemoteAuthenticator, caller_from_principal
from chassis.authentication.tokens import Jwks, TokenVerifier
from chassis.context import Caller

__all__ = [
    "Authenticator",
    "Credentials",
    "Jwks",
    "RemoteAuthenticator",
    "TokenVerifier",
    "caller_from_principal",
    "extract",
]


class Authenticator(Protocol):
    """Proves a credential. Identity has a local one, everyone else `RemoteAuthenticator`."""

    async def authenticate(self, credential: str) -> Caller:
        """The caller this JWT or `mcp_` key belongs to, with its `credential` set.

        Raises Unauthenticated CREDENTIALS_INVALID, or Unavailable naming identity.
        """
        ...

    async def confirm(self, caller: Caller) -> Caller:
        """The caller as it is by now, for who was proved a while ago; that a token ran out meanwhile does not count.

        Raises Unauthenticated CREDENTIALS_INVALID when its session ended, its key was revoked or its token's role was
        narrowed, or Unavailable naming identity.
        """
        ...
