"""A valve between libpq and the network: so many bytes come through, and no more before they are taken.

libpq reads a message whole, however long the server says it is, before anybody may look at it: one cell of 300 MB
would be 300 MB here, and an error message that quotes it as well. Neither libpq nor PostgreSQL has a setting for
that. So libpq's descriptor becomes one end of a pair of sockets, and what the network brings is passed on through
the other end, and counted. It works below TLS, which stays libpq's business: the bytes that are counted may be
encrypted ones.
"""

import asyncio
import os
import socket
from typing import Final, cast

_CLOSE_SECONDS: Final = 1.0


class _End(asyncio.Protocol):
    """One end: what it reads goes to the other one, no faster than that takes it."""

    def __init__(self) -> None:
        self.other: _End
        self.transport: asyncio.Transport
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        self.other.transport.close()


class Valve(_End):
    """The network's end."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.came = 0
        """How many bytes have come."""
        self.overflowed = False
        """Whether more came than was allowed; the connection is lost then."""
        self._barrier = limit

    def allow(self, limit: int) -> None:
        """From here on, lets `limit` bytes through. What lies between the two ends (0.5 MiB) was counted before."""
        self._barrier = self.came + limit

    def data_received(self, data: bytes) -> None:
        self.came += len(data)
        if self.came <= self._barrier:
            super().data_received(data)
        else:
            self.overflowed = True
            self.transport.abort()

    async def close(self) -> None:
        """Returns when the network's connection is closed, after libpq closed its end."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.lost.wait()
        except TimeoutError:
            pass  # a network that takes nothing any more, not even the goodbye
        finally:
            self.transport.abort()


async def insert(descriptor: int, limit: int) -> Valve:
    """Puts a valve into a connection that is open and quiet, whose socket is `descriptor`."""
    loop = asyncio.get_running_loop()
    network = socket.socket(fileno=os.dup(descriptor))
    inner, outer = socket.socketpair()
    with inner:
        inner.setblocking(False)
        os.dup2(inner.fileno(), descriptor, inheritable=False)
    valve, libpq = Valve(limit), _End()
    valve.other, libpq.other = libpq, valve
    await asyncio.gather(
        loop.create_unix_connection(lambda: libpq, sock=outer),
        loop.create_connection(lambda: valve, sock=network),
    )
    return valve
