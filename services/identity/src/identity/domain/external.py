"""Logins elsewhere (OpenID Connect): what is asked of a provider, and who somebody is by its answer."""

import base64
import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from chassis.errors import NotFound, ServiceError, Unauthenticated

RANDOM_BYTES: Final = 32
SCOPES: Final = ("openid", "email", "profile")
LIFE: Final = timedelta(minutes=10)
"""How long a login elsewhere may take."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Somewhere to log in."""

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    """Empty for a public client, which PKCE alone protects."""
    title: str = ""
    scopes: tuple[str, ...] = SCOPES
    groups_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    """The role of who is in a group, by the group's name; the first group that fits counts."""
    default_role: str = ""
    """The role of who is in none of these groups; empty: they are not let in."""
    link_by_email: bool = False
    """Whether somebody may take over the user here who has their verified email address."""
    trust_emails: bool = False
    """Whether the provider's email addresses are verified although it does not say so."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says of somebody."""

    subject: str
    email: str
    is_verified: bool
    """Whether the provider has verified the email address."""
    full_name: str
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that is under way; the secrets in it are known by their hashes."""

    state_digest: bytes
    provider: str
    binding_digest: bytes
    redirect_to: str
    expires_at: datetime

    def fits(self, provider: str, binding: str, now: datetime) -> bool:
        """Whether the browser that shows `binding` began this login, at this provider, and not long ago."""
        is_its_own = hmac.compare_digest(self.binding_digest, digest(binding))
        return is_its_own and self.provider == provider and now < self.expires_at


def secret(random: bytes) -> str:
    """A state or a binding, made of RANDOM_BYTES random bytes."""
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def digest(secret: str) -> bytes:
    """What is stored of a state or a binding: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()


def verifier(binding: str, state: str) -> str:
    """PKCE's code verifier. It is stored nowhere: who lacks the browser's binding cannot make it."""
    return _derived(binding, state, "verifier")


def nonce(binding: str, state: str) -> str:
    """What the ID token has to say, so that it is of this login and no other."""
    return _derived(binding, state, "nonce")


def role_of(provider: Provider, groups: Collection[str]) -> str:
    """The role that the groups give; empty when they give none, or the provider's groups have no say."""
    fitting = (role for group, role in provider.roles.items() if group in groups)
    return next(fitting, provider.default_role)


def failed(why: str) -> ServiceError:
    """The answer to a login elsewhere that came to nothing."""
    return Unauthenticated("EXTERNAL_LOGIN_FAILED", f"{why}; begin the login again")


def not_accepted() -> ServiceError:
    """The refusal of who was invited and has not set a password yet."""
    return failed(
        "you were invited here and have not accepted: set a password with the invitation you were handed, or ask an"
        " administrator for a new one"
    )


def unknown(name: str) -> ServiceError:
    """The answer about a provider that there is not."""
    return NotFound(
        "LOGIN_PROVIDER_UNKNOWN",
        f"there is no provider {name!r} to log in at",
        resource=("login_provider", name),
    )


def _derived(binding: str, state: str, purpose: str) -> str:
    return secret(hmac.digest(binding.encode(), f"{purpose} {state}".encode(), "sha256"))
