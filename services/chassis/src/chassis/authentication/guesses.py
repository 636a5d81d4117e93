"""Who tries API keys that there are none of: how many from an address, and when it is too many."""

import ipaddress
import time
from collections.abc import Callable
from typing import Final

from chassis.errors import Exhausted

WINDOW: Final = 60.0
"""Seconds over which an address's guesses are counted."""
LIMIT: Final = 300
"""How many keys that do not exist one address may try within a window."""
_MAX_ADDRESSES: Final = 10_000


class Guesses:
    """Counts in this process alone. A key has more than 250 random bits: what is spared is the work, not the key."""

    def __init__(self, limit: int = LIMIT, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds."""
        self._limit = limit
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._ends = 0.0

    def check(self, address: str) -> None:
        """Returns while another key may be tried from there. Raises Exhausted TOO_MANY_REQUESTS."""
        now = self._clock()
        if now >= self._ends:
            self._counts.clear()
            self._ends = now + WINDOW
        if self._counts.get(_network(address), 0) >= self._limit:
            raise Exhausted(
                "TOO_MANY_REQUESTS",
                "too many API keys that do not exist were tried from this address; try again later",
                retry_after=self._ends - now,
                quota={"guesses": f"{self._limit} within {WINDOW:.0f} seconds"},
            )

    def note(self, address: str) -> None:
        """Counts a key that does not exist."""
        network = _network(address)
        if network in self._counts or len(self._counts) < _MAX_ADDRESSES:
            self._counts[network] = self._counts.get(network, 0) + 1


def _network(address: str) -> str:
    """What counts as one client: an IPv4 address, an IPv6 network of 64 bits."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return address
