"""Password tickets: invitations and resets, good for setting one password, once, by whoever was handed one."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from chassis.errors import ServiceError, Unauthenticated
from identity.domain.api_keys import base62

RANDOM_BYTES: Final = 32
INVITATION_LIFE: Final = timedelta(days=7)
RESET_LIFE: Final = timedelta(days=1)
"""How long tickets work where nothing else is asked for."""

Purpose = Literal["invitation", "reset"]
_PREFIXES: Final[dict[Purpose, str]] = {"invitation": "mcp_i_", "reset": "mcp_r_"}


@dataclass(frozen=True, slots=True)
class PasswordTicket:
    """The one ticket that a user has, known by its hash only."""

    user_id: str
    digest: bytes
    purpose: Purpose
    expires_at: datetime

    def works(self, purpose: Purpose, now: datetime) -> bool:
        """Whether it is good for this."""
        return self.purpose == purpose and now < self.expires_at


def secret(purpose: Purpose, random: bytes) -> str:
    """A ticket, made of RANDOM_BYTES random bytes."""
    return _PREFIXES[purpose] + base62(random, 43)


def digest(ticket: str) -> bytes:
    """What is stored of a ticket: its SHA-256."""
    return hashlib.sha256(ticket.encode()).digest()


def invalid(purpose: Purpose) -> ServiceError:
    """The one answer to every ticket that sets no password."""
    if purpose == "invitation":
        return Unauthenticated(
            "INVITATION_INVALID",
            "the invitation is unknown, used, expired or replaced by a newer one; ask for another",
        )
    return Unauthenticated(
        "PASSWORD_TICKET_INVALID",
        "the ticket is unknown, used, expired or replaced by a newer one, or the account is off; "
        "ask an administrator for another",
    )
