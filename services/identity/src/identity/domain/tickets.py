"""Stream tickets: good for opening one stream, once, within half a minute."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chassis.context import Caller
from chassis.errors import ServiceError, Unauthenticated
from identity.domain.api_keys import base62

PREFIX: Final = "mcp_t_"
RANDOM_BYTES: Final = 32
LIFE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket, known by its hash only."""

    digest: bytes
    run_id: str
    """The run whose events it opens; empty for the list of runs."""
    claims: Mapping[str, Any]
    """What the token that it is exchanged for says of who asked for it."""
    session_id: str
    api_key_id: str
    expires_at: datetime


def new(secret: str, run_id: str, caller: Caller, permissions: Collection[str], now: datetime) -> Ticket:
    """The ticket `secret` for the caller, who will see with it what these of their permissions let them see."""
    claims = {
        "sub": caller.id,
        "kind": caller.kind,
        "name": caller.name,
        "roles": sorted(caller.roles),
        "permissions": sorted(caller.permissions.intersection(permissions)),
    }
    key = "" if caller.kind == "user" else caller.credential_id
    return Ticket(digest(secret), run_id, claims, caller.session_id, key, now + LIFE)


def secret(random: bytes) -> str:
    """A ticket, made of RANDOM_BYTES random bytes."""
    return PREFIX + base62(random, 43)


def digest(ticket: str) -> bytes:
    """What is stored of a ticket: its SHA-256."""
    return hashlib.sha256(ticket.encode()).digest()


def invalid() -> ServiceError:
    """The one answer to every ticket that opens nothing."""
    return Unauthenticated(
        "STREAM_TICKET_INVALID",
        "the ticket is unknown, used, older than thirty seconds or for another stream; ask for a new one",
    )
