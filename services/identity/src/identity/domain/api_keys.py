"""API keys: their one format, and what a key may do.

    mcp_ 0bQ7tYk3JxZ <43 characters> <6 characters>      (written without the spaces)
         lookup id   secret          checksum

All parts are base62 (0-9A-Za-z) of fixed length. The lookup id finds the key's row; the checksum (CRC32 of all
that precedes it) lets scanners and this module recognise a mistyped or made-up key without a database. Stored are
the lookup id and the SHA-256 of the whole key: 256 random bits need no slow hash.
"""

import hashlib
import hmac
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from chassis.errors import FieldViolation, Invalid, NotFound, Precondition, ServiceError
from identity.domain.accounts import Kind
from identity.domain.roles import PERMISSIONS, WORKER_PERMISSIONS, Role

PREFIX: Final = "mcp_"
RANDOM_BYTES: Final = 8 + 32
"""How many random bytes a key is made of: the lookup id's and the secret's."""
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = frozenset(_ALPHABET)
_LOOKUP: Final = 11
_SECRET: Final = 43
_CHECKSUM: Final = 6
LENGTH: Final = len(PREFIX) + _LOOKUP + _SECRET + _CHECKSUM
FILE_KEY: Final = "key file"
"""The name of the keys that lie in the suite's key files; a lost one is found by it and revoked."""
OVERLAP: Final = timedelta(days=1)
"""How long a key that is replaced goes on, unless somebody says otherwise."""


def generate(random: bytes) -> str:
    """The key made of `random`, RANDOM_BYTES bytes from a cryptographic source."""
    if len(random) != RANDOM_BYTES:
        raise ValueError(f"a key is made of {RANDOM_BYTES} random bytes, not {len(random)}")
    body = PREFIX + base62(random[:8], _LOOKUP) + base62(random[8:], _SECRET)
    return body + _checksum(body)


def lookup_of(key: str) -> str | None:
    """The lookup id of a well-formed key; None for anything else."""
    body = key[:-_CHECKSUM]
    if len(key) != LENGTH or not key.startswith(PREFIX) or not _DIGITS.issuperset(key[len(PREFIX) :]):
        return None
    if not hmac.compare_digest(_checksum(body), key[-_CHECKSUM:]):
        return None
    return key[len(PREFIX) : len(PREFIX) + _LOOKUP]


def shown_prefix(lookup: str) -> str:
    """The beginning of the key with this lookup id: what people recognise it by."""
    return PREFIX + lookup


def digest(key: str) -> bytes:
    """What is stored of a key: its SHA-256."""
    return hashlib.sha256(key.encode()).digest()


def matches(key: str, stored: bytes) -> bool:
    """Whether `stored` is the key's digest, in constant time."""
    return hmac.compare_digest(digest(key), stored)


def base62(data: bytes, length: int) -> str:
    """`data` as a number in base 62, padded with zeros to `length` digits. Raises ValueError when it needs more."""
    number = int.from_bytes(data)
    digits = []
    while number:
        number, rest = divmod(number, 62)
        digits.append(_ALPHABET[rest])
    if len(digits) > length:
        raise ValueError(f"{len(data)} bytes need more than {length} base62 digits")
    return "".join(reversed(digits)).rjust(length, "0")


def _checksum(body: str) -> str:
    return base62(zlib.crc32(body.encode()).to_bytes(4), _CHECKSUM)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's record. It acts for a user or for a service account: `owner_id` is that one's id."""

    id: str
    lookup: str
    digest: bytes
    name: str
    user_id: str | None
    account_id: str | None
    role_name: str | None
    """The role it acts with; None for services and workers, whose rights are their kind's."""
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    scopes: Sequence[str] | None = None
    """The permissions it is narrowed to, as `noun.verb` or `noun.*`; None or empty for all of its role's."""
    rotated_from: str | None = None
    made_with: str | None = None
    """The id of the key that its maker showed; None where that was a person."""

    @property
    def owner_id(self) -> str:
        """The id of the user or service account it acts for."""
        return self.user_id or self.account_id or ""

    def facts(self) -> dict[str, Any]:
        """What the action log says of the key; neither the key nor its digest."""
        return {
            "name": self.name,
            "prefix": shown_prefix(self.lookup),
            "owner_id": self.owner_id,
            "role_name": self.role_name,
            "scopes": list(self.scopes or ()),
            "rotated_from": self.rotated_from,
            "made_with": self.made_with,
            "expires_at": self.expires_at,
            "revoked_at": self.revoked_at,
        }

    def works(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever a credential belongs to."""

    id: str
    kind: Literal["user", "api_key", "service", "worker"]
    name: str
    roles: frozenset[str]
    permissions: frozenset[str]
    api_key_id: str = ""
    session_id: str = ""
    scopes: frozenset[str] = frozenset()


def narrowed(permissions: Iterable[str], scopes: Iterable[str]) -> frozenset[str]:
    """Those of the permissions that the scopes let through; all of them without scopes."""
    wanted = frozenset(scopes)
    if not wanted:
        return frozenset(permissions)
    return frozenset(one for one in permissions if one in wanted or f"{one.partition('.')[0]}.*" in wanted)


def checked(scopes: Sequence[str]) -> Sequence[str]:
    """The scopes. Raises Invalid SCOPE_UNKNOWN naming those that let no permission through."""
    unknown = [(place, scope) for place, scope in enumerate(scopes) if not narrowed(PERMISSIONS, (scope,))]
    if unknown:
        why = "is neither a permission nor a noun with `.*`; ListRoles has the permissions"
        raise Invalid(
            "SCOPE_UNKNOWN",
            f"scope {unknown[0][1]!r} {why}",
            metadata={"scope": unknown[0][1]},
            fields=[FieldViolation(f"scopes[{place}]", why, "SCOPE_UNKNOWN") for place, _ in unknown],
        )
    return scopes


def principal_of_owned_key(key: ApiKey, name: str, own: Role, granted: Role) -> Principal:
    """What a key of a user or a program may do: what its role holds, its owner still holds too, and its scopes name."""
    permissions = own.permissions & granted.permissions
    acts_as = granted if granted.permissions <= own.permissions else own
    roles = frozenset({acts_as.name}) if acts_as.permissions == permissions else frozenset[str]()
    scopes = frozenset(key.scopes or ())
    return Principal(
        key.owner_id, "api_key", name, roles, narrowed(permissions, scopes), key.id, scopes=scopes
    )


def replaced(key: ApiKey, now: datetime, overlap: timedelta) -> ApiKey:
    """The key as it is once another takes its place: it ends after `overlap`, or earlier if it would have anyway."""
    if not overlap:
        return replace(key, revoked_at=now)
    ends = now + overlap
    return replace(key, expires_at=ends if key.expires_at is None else min(ends, key.expires_at))


def missing(key_id: str) -> ServiceError:
    """The answer about a key that there is not, or that is somebody else's."""
    return NotFound("API_KEY_NOT_FOUND", f"API key {key_id!r} does not exist", resource=("api_key", key_id))


def ended(key_id: str) -> ServiceError:
    """The refusal to replace a key that does not work."""
    return Precondition(
        "API_KEY_ENDED",
        "the key was revoked, has expired, or its owner may not act; create a new one",
        resource=("api_key", key_id),
    )


def principal_of_user(user_id: str, name: str, own: Role) -> Principal:
    """What a user may do: what its role holds."""
    return Principal(user_id, "user", name, frozenset({own.name}), own.permissions)


def principal_of_account_key(key: ApiKey, kind: Kind, name: str, granted: Role | None) -> Principal:
    """What a service account's key may do: what the account may."""
    return replace(principal_of_account(key.owner_id, kind, name, granted), api_key_id=key.id)


def principal_of_account(account_id: str, kind: Kind, name: str, granted: Role | None) -> Principal:
    """What a service account may do: the operator what its role holds, a worker what workers do.

    A service holds nothing: the methods that it may call as itself name it, and for a user it does what they may.
    """
    if kind == "service" and granted is None:
        return Principal(account_id, "service", name, frozenset(), frozenset())
    if kind == "worker" and granted is None:
        return Principal(account_id, "worker", name, frozenset(), WORKER_PERMISSIONS)
    roles = frozenset({granted.name}) if granted else frozenset[str]()
    permissions = granted.permissions if granted else frozenset[str]()
    return Principal(account_id, "api_key", name, roles, permissions)


def expiry(now: datetime, lifetime: timedelta | None, *parents: ApiKey | None) -> datetime | None:
    """When a key made `now` stops working; None for never. A key made with another key never outlives it."""
    ends = [now + lifetime] if lifetime is not None else []
    ends += [parent.expires_at for parent in parents if parent is not None and parent.expires_at is not None]
    return min(ends, default=None)
