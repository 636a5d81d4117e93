"""The sockets of a cell's network: how many there are, and what the kernel holds for connections by TCP.

Of other sockets it holds no more than their number allows, as their buffers keep their size; those of TCP it makes as
large as it likes. Layouts: linux/netlink.h, linux/inet_diag.h, linux/sock_diag.h.
"""

import socket
import struct

_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_ERROR = 2
_DONE = 3
_MEMORY = 7  # the attribute INET_DIAG_SKMEMINFO
_ALL_STATES = 0xFFFFFFFF
_REQUEST = struct.Struct("=IHHII BBBB I 48x")
_HEADER = struct.Struct("=IH")
_ATTRIBUTES = 16 + 72
_ATTRIBUTE = struct.Struct("=HH")
_HELD = struct.Struct("=8I")


def asker() -> "socket.socket | None":
    """What answers for the connections of this network; None where the kernel has no such thing."""
    try:
        return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
    except OSError:
        return None


def count() -> int:
    """How many sockets there are: also those that nobody has open, as long as they hold a byte."""
    return _used("sockstat", "sockets:")


def held(asked: socket.socket) -> int:
    """Bytes that the kernel holds for connections by TCP, those that nobody has open included."""
    if not _used("sockstat", "TCP:") + _used("sockstat6", "TCP6:"):
        return 0
    return sum(_held(asked, family) for family in (socket.AF_INET, socket.AF_INET6))


def _used(name: str, kind: str) -> int:
    try:
        with open(f"/proc/net/{name}") as file:  # noqa: PTH123
            found = next((line for line in file if line.startswith(kind)), "0 0 0")
    except OSError:  # a kernel without IPv6
        return 0
    return int(found.split()[2])


def _held(asked: socket.socket, family: int) -> int:
    wanted = (family, socket.IPPROTO_TCP, 1 << _MEMORY - 1, 0, _ALL_STATES)
    total = 0
    try:
        asked.send(_REQUEST.pack(_REQUEST.size, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 0, 0, *wanted))
        while True:
            data, place = asked.recv(65536), 0
            while place < len(data):
                length, kind = _HEADER.unpack_from(data, place)
                if kind in (_DONE, _ERROR):
                    return total
                total += _memory(data[place + _ATTRIBUTES : place + length])
                place += _aligned(length)
    except OSError:
        return total


def _memory(attributes: bytes) -> int:
    place = 0
    while place < len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, place)
        if kind == _MEMORY:
            received, _, sending, _, reserved, queued, options, waiting = _HELD.unpack_from(
                attributes, place + _ATTRIBUTE.size
            )
            # What is on its way is queued as well.
            return int(received + reserved + max(sending, queued) + options + waiting)
        place += _aligned(length)
    return 0


def _aligned(length: int) -> int:
    return length + 3 & ~3
