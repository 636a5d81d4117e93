"""How many attempts a subject (an email, an address) has in a window of time."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chassis.errors import Exhausted


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `attempts` within `window`, counted from the first of them."""

    attempts: int
    window: timedelta


LOGINS_PER_EMAIL: Final = Limit(10, timedelta(minutes=15))
LOGINS_PER_ADDRESS: Final = Limit(100, timedelta(minutes=15))
REGISTRATIONS_PER_ADDRESS: Final = Limit(20, timedelta(hours=1))
TICKETS_PER_ADDRESS: Final = Limit(100, timedelta(minutes=15))


@dataclass(frozen=True, slots=True)
class Attempts:
    """What a subject has used of its limit."""

    subject: str
    count: int
    window_ends_at: datetime


def check(attempts: Attempts, limit: Limit, now: datetime) -> None:
    """Returns while the limit holds. Raises Exhausted TOO_MANY_REQUESTS, saying when the window ends."""
    if attempts.count <= limit.attempts:
        return
    wait = max(timedelta(seconds=1), attempts.window_ends_at - now)
    raise Exhausted(
        "TOO_MANY_REQUESTS",
        "too many attempts; try again later",
        retry_after=wait,
        quota={"attempts": f"{limit.attempts} within {int(limit.window.total_seconds())} seconds"},
    )


def email_subject(email_key: str) -> str:
    """The subject that logins with this email count against."""
    return f"email:{email_key}"


def address_subject(kind: str, client_address: str) -> str:
    """The subject that an address' attempts count against; an IPv6 client counts by its /64, which is one client's."""
    text = client_address
    try:
        address = ipaddress.ip_address(client_address)
    except ValueError:
        return f"{kind}:{text[:64]}"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return f"{kind}:{address.ipv4_mapped}"
        text = str(ipaddress.ip_network((address, 64), strict=False))
    else:
        text = str(address)
    return f"{kind}:{text}"
