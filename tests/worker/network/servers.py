"""Servers that steps reach, on a loopback address that the operator of the tests allows."""

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from typing import Final

from chassis.addresses import Guard, UnknownHostError

ADDRESS: Final = "127.77.0.1"
NETWORKS: Final = "127.77.0.0/24"
NAMES: Final = {
    "allowed.example": [ADDRESS],
    "both.example": ["10.0.0.1", ADDRESS],
    "inside.example": ["10.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "rebound.example": ["127.0.0.1"],
}
"""What the tests' resolver knows."""


def guard() -> Guard:
    """A judge who accepts the servers' network, and resolves `NAMES` and addresses."""

    async def resolve(host: str) -> Sequence[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            if host not in NAMES:
                raise UnknownHostError(host) from None
            return NAMES[host]

    return Guard([ipaddress.ip_network(NETWORKS)], resolve, setting="MCPANEL_WORKER_NETWORKS")


class Server:
    """Answers every request of plain http with its path, its host and the length of its body, and remembers it.

    `/silent` is never answered, `/elsewhere` leads to the address of a cloud's metadata; and what does not begin like
    a request is sent back as it came.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.heads: list[str] = []
        self.open = 0
        self.changed = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_server(self._serve, ADDRESS, 0, ssl=self._tls)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Ends it."""
        assert self._server is not None
        self._server.close()

    async def has_open(self, count: int) -> None:
        """Waits until it has so many connections."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.open == count)

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open += change
            self.changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._count(1)
        try:
            first = await reader.read(1)
            if first not in (b"G", b"P"):
                while first:
                    writer.write(first)
                    await writer.drain()
                    first = await reader.read(65536)
                return
            head = (first + await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            path = head.split(" ")[1]
            if path == "/silent":
                await reader.read()
                return
            answer = f"{path} {fields['host']} {len(body)}".encode()
            if path == "/elsewhere":
                writer.write(
                    b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
                )
            elif path == "/chunks":
                writer.write(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
                )
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            await self._count(-1)
