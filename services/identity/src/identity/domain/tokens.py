"""Access tokens: what they claim, and the public keys that verify them."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from identity.domain.roles import Role
from identity.domain.users import User

ISSUER: Final = "mcpanel"
AUDIENCE: Final = "mcpanel"
RUN_AUDIENCE: Final = "datasources"
ACCESS_LIFE: Final = timedelta(minutes=10)
SHOWN_REVOKED: Final = ACCESS_LIFE + timedelta(minutes=2)
"""How long services are told of a session that ended: until its last access token has run out on every clock."""
RUN_LIFE: Final = timedelta(minutes=60)
KEPT_AFTER_RETIREMENT: Final = RUN_LIFE + timedelta(minutes=10)
"""How long a retired key is still published: until every token it signed has expired."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key as RFC 8037 writes it."""

    kid: str
    """The RFC 7638 thumbprint."""
    x: str
    """The key's 32 bytes, base64url."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What a login or a refresh hands out."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    """The access token's life in seconds."""


def public_key(raw: bytes) -> PublicKey:
    """The public key of 32 raw bytes."""
    x = _base64url(raw)
    members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": x}, separators=(",", ":"), sort_keys=True)
    return PublicKey(_base64url(hashlib.sha256(members.encode()).digest()), x)


def access_claims(user: User, role: Role, session_id: str, jti: str, now: datetime) -> dict[str, Any]:
    """What a user's access token says (RFC 9068)."""
    return {
        **_common(AUDIENCE, user.id, jti, now, ACCESS_LIFE),
        "kind": "user",
        "name": user.email,
        "roles": [role.name],
        "permissions": sorted(role.permissions),
        "sid": session_id,
    }


def run_claims(
    run_id: str,
    subject: tuple[str, str],
    data_source_ids: Sequence[str],
    secret_ids: Sequence[str] = (),
    *,
    permissions: Sequence[str],
    jti: str,
    now: datetime,
) -> dict[str, Any]:
    """What a run's token says: it may do this with these data sources and secrets for `subject` (id, name)."""
    return {
        **_common(RUN_AUDIENCE, subject[0], jti, now, RUN_LIFE),
        "kind": "user",
        "name": subject[1] or subject[0],
        "roles": [],
        "permissions": list(permissions),
        "run_id": run_id,
        "data_source_ids": list(data_source_ids),
        "secret_ids": list(secret_ids),
    }


def stream_claims(of: Mapping[str, Any], session_id: str, jti: str, now: datetime) -> dict[str, Any]:
    """What the token of a stream says: `of` are the claims about whose it is and what it may."""
    return {
        **_common(AUDIENCE, of["sub"], jti, now, ACCESS_LIFE),
        **of,
        **({"sid": session_id} if session_id else {}),
    }


def _common(audience: str, subject: str, jti: str, now: datetime, life: timedelta) -> dict[str, Any]:
    issued = int(now.timestamp())
    return {
        "iss": ISSUER,
        "aud": audience,
        "sub": subject,
        "jti": jti,
        "iat": issued,
        "exp": issued + int(life.total_seconds()),
    }


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
