"""Sessions: one login, carried on by refresh tokens that are good for one use each, or by a browser's cookie."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, Literal

from chassis.errors import NotFound
from identity.domain.api_keys import base62

REFRESH_PREFIX: Final = "mcp_rt_"
RANDOM_BYTES: Final = 32
REFRESH_LIFE: Final = timedelta(days=7)
COOKIE_PREFIX: Final = "mcp_s_"
"""What a browser's session begins with; no API key does, whose characters are all letters and digits."""
BROWSER_IDLE: Final = timedelta(hours=12)
BROWSER_LIFE: Final = timedelta(days=7)
"""How long a browser's session goes on: after its last use, and at most."""
REPLAY: Final = timedelta(seconds=10)
"""How long a used refresh token still gets the answer it got: long enough for a lost answer or a second tab."""


Kind = Literal["tokens", "browser"]


@dataclass(frozen=True, slots=True)
class Session:
    """A login of a user. All refresh tokens that descend from it are its family: they end together."""

    id: str
    user_id: str
    created_at: datetime
    client_address: str
    user_agent: str
    expires_at: datetime
    last_used_at: datetime
    kind: Kind = "tokens"
    ended_at: datetime | None = None
    end_reason: str | None = None
    cookie_digest: bytes | None = None

    def facts(self) -> dict[str, Any]:
        """What the action log says of the session."""
        return {"user_id": self.user_id, "kind": self.kind, "ended": self.ended_at, "reason": self.end_reason}


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """One refresh token, known by its hash only."""

    digest: bytes
    session_id: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    successor: bytes | None = None
    """The digest of the token it was exchanged for."""


class Verdict(Enum):
    """What a refresh token that is shown leads to."""

    ROTATE = "rotate"
    """It is fresh: use it up and issue its successor."""
    REPLAY = "replay"
    """It was used a moment ago: answer with the same successor."""
    REFUSE = "refuse"
    """It is expired, or its session is over."""
    REVOKE = "revoke"
    """It was used before: someone else has it. The whole session ends."""


def judge(session: Session, token: RefreshToken, successor: bytes, now: datetime) -> Verdict:
    """What becomes of `token`, whose successor would have the digest `successor`."""
    if session.ended_at is not None:
        return Verdict.REFUSE
    if token.used_at is not None:
        if now - token.used_at > REPLAY:
            return Verdict.REVOKE
        # The successor is derived from the signing key: a key changed within these seconds derives another one.
        same = token.successor is not None and hmac.compare_digest(token.successor, successor)
        return Verdict.REPLAY if same else Verdict.REFUSE
    return Verdict.ROTATE if now < token.expires_at else Verdict.REFUSE


def opened(
    session_id: str,
    user_id: str,
    now: datetime,
    *,
    client_address: str = "",
    user_agent: str = "",
    cookie: str = "",
) -> Session:
    """A session that begins now, of a login from there; with `cookie`, what a browser's holds, one that goes by it."""
    return Session(
        id=session_id,
        user_id=user_id,
        created_at=now,
        client_address=client_address[:64],
        user_agent=user_agent[:256],
        expires_at=now + (BROWSER_IDLE if cookie else REFRESH_LIFE),
        last_used_at=now,
        kind="browser" if cookie else "tokens",
        cookie_digest=digest(cookie) if cookie else None,
    )


def new_cookie(random: bytes) -> str:
    """What the cookie of a new session holds, made of RANDOM_BYTES random bytes."""
    return COOKIE_PREFIX + base62(random, 43)


def missing(session_id: str) -> NotFound:
    """The answer about a session that there is not, or that is somebody else's."""
    return NotFound(
        "SESSION_NOT_FOUND", f"session {session_id!r} does not exist", resource=("session", session_id)
    )


def first_token(random: bytes) -> str:
    """A session's first refresh token, made of RANDOM_BYTES random bytes."""
    return REFRESH_PREFIX + base62(random, 43)


def next_token(token: str, secret: bytes) -> str:
    """The token that follows `token`: the same one however often it is asked for, so that a repeat is idempotent.

    Whoever holds a token cannot compute the next one without `secret`, which only identity has.
    """
    return REFRESH_PREFIX + base62(hmac.digest(secret, token.encode(), "sha256"), 43)


def digest(token: str) -> bytes:
    """What is stored of a refresh token or a cookie: its SHA-256."""
    return hashlib.sha256(token.encode()).digest()
