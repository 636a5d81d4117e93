"""Hosts that a component may reach, as its version declares them: a name, a name's whole family, or an address.

Written `api.example.com`, `*.example.com` (every name below, not the name itself), `192.0.2.7` or `[2001:db8::7]`, with
an optional `:port`; without one it is 443, the port of https.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

HTTPS: Final = 443
_PORTS: Final = {"http": 80, "https": HTTPS}
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST: Final = 253


class HostError(ValueError):
    """What is no host; the message says what to write instead, without naming the field."""


@dataclass(frozen=True, slots=True)
class Host:
    """A host and its port. `name` is in the one form that `canonical` gives; it may begin with `*.`."""

    name: str
    port: int = HTTPS

    def covers(self, other: "Host") -> bool:
        """Whether `other`, which is no family, is this host or of this family, at the same port."""
        if self.port != other.port:
            return False
        if self.name.startswith("*."):
            return other.name.endswith(self.name[1:]) and len(other.name) > len(self.name) - 1
        return self.name == other.name

    @property
    def address(self) -> str:
        """Host and port as they stand in a URL or a CONNECT request."""
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"

    def __str__(self) -> str:
        text = self.address
        return text.removesuffix(f":{HTTPS}") if self.port == HTTPS else text


def parse(text: str, *, port: int = HTTPS, family: bool = True) -> Host:
    """The host that the text names; `port` where it names none, `*.` only of a `family`. Raises HostError."""
    if "/" in text or "@" in text:
        raise HostError(
            f"{text!r} is not a host; write its name only, e.g. api.example.com, without https:// or a path"
        )
    name, written = _split(text)
    if written is not None:
        if not written.isascii() or not written.isdecimal() or not 1 <= int(written[:6]) <= 65535:
            raise HostError(f"{text!r} has no port from 1 to 65535 behind its colon")
        port = int(written[:6])
    if family and name.startswith("*."):
        rest = canonical(name[2:])
        if "." not in rest or _is_address(rest):
            raise HostError(
                f"{text!r} is too wide; name at least a domain and its ending, e.g. *.example.com"
            )
        return Host(f"*.{rest}", port)
    return Host(canonical(name), port)


def of_url(url: str) -> Host:
    """The host that a URL of http or https reaches. Raises HostError."""
    parts = urlsplit(url)
    return parse(parts.netloc, port=_PORTS.get(parts.scheme, HTTPS), family=False)


def canonical(name: str) -> str:
    """A host's name or address in one form: lower case, ASCII, no dot at its end. Raises HostError."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _name(name)
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise HostError(f"{name!r} is of one network interface only; write an address without %")
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
    return str(address)


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        name, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in name or (rest and not rest.startswith(":")):
            raise HostError(f"{text!r} is not an IPv6 address in brackets, e.g. [2001:db8::7]:8080")
        return name, rest[1:] if rest else None
    if _is_address(text):
        return text, None
    name, colon, written = text.rpartition(":")
    return (name, written) if colon else (text, None)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _name(text: str) -> str:
    """A DNS name. What ends in a number would be read as an address by some, each in a way of its own."""
    problem = (
        f"{text!r} is neither a name nor an address; write e.g. api.example.com, *.example.com or 192.0.2.7"
    )
    try:
        name = text.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise HostError(problem) from None
    labels = name.split(".")
    if len(name) > _LONGEST or not all(map(_LABEL.fullmatch, labels)) or _NUMBER.fullmatch(labels[-1]):
        raise HostError(problem)
    return name
