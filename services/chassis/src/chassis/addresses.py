"""Which addresses a user's host may have: resolved once, judged, and then connected to as judged.

A host is the user's choice, so a name that resolves to this machine, its network or the cloud's metadata service would
turn whoever connects into their way in.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from chassis.config import ConfigError
from chassis.errors import Denied

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]

_SECONDS: Final = 5.0
_SPECIAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "100.64.0.0/10",  # carrier-grade NAT, and several clouds' metadata
        "168.63.129.16/32",  # a cloud's host agent, at a public address
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "64:ff9b::/96",  # IPv4 inside IPv6 (NAT64)
        "64:ff9b:1::/48",
        "2001::/23",
        "2002::/16",
        "::/96",
        "fec0::/10",
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """A host that may be connected to, at this very address."""

    host: str
    address: str

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return ipaddress.ip_address(self.address).is_loopback


class UnknownHostError(Exception):
    """The host's name has no address now."""


async def resolve(host: str) -> Sequence[str]:
    """The host's addresses in the resolver's order. Raises UnknownHostError."""
    try:
        found = await asyncio.wait_for(
            asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM), _SECONDS
        )
    except (OSError, UnicodeError, TimeoutError) as error:
        raise UnknownHostError(host) from error
    return [str(item[4][0]) for item in found]


class Guard:
    """Judges hosts by the operator's list, which `setting` names."""

    def __init__(
        self,
        allowed: Sequence[Network],
        resolver: Resolve = resolve,
        *,
        setting: str = "MCPANEL_ALLOWED_NETWORKS",
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolver
        self._setting = setting

    async def target(self, host: str) -> Target:
        """The host with the address to connect to, the first that is acceptable.

        Raises Denied ADDRESS_REFUSED when there is none, UnknownHostError when the name has no address.
        """
        return (await self.targets(host))[0]

    async def targets(self, host: str) -> list[Target]:
        """The host with every address that is acceptable, in the resolver's order; at least one. Raises as `target`."""
        found: dict[str, None] = {}
        for text in await self._resolve(host):
            address = _parse(text)
            if address is not None and self.accepts(address):
                found[str(_plain(address))] = None
        if found:
            return [Target(host, address) for address in found]
        raise Denied(
            "ADDRESS_REFUSED",
            f"{host} has a private address, and the operator does not allow it ({self._setting})",
            metadata={"host": host},
        )

    def accepts(self, address: Address) -> bool:
        """Whether connecting to `address` is acceptable."""
        plain = _plain(address)
        if any(plain in network for network in self._allowed if network.version == plain.version):
            return True
        if any(plain in network for network in _SPECIAL if network.version == plain.version):
            return False
        return plain.is_global and not plain.is_multicast and not plain.is_reserved


def networks(texts: Sequence[str], setting: str) -> tuple[Network, ...]:
    """The networks that an operator's setting lists as CIDRs. Raises ConfigError naming each that is none."""
    found: list[Network] = []
    problems: list[str] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            problems.append(f"{setting} {text!r} is invalid: {error}")
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def covers_loopback(text: str) -> bool:
    """Whether a CIDR holds addresses of this very machine; what is no CIDR does not."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return False  # `networks` tells
    return any(
        network.version == loopback.version and network.overlaps(loopback)
        for loopback in map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128"))
    )


def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id:
        return None
    return address


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or the address."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
