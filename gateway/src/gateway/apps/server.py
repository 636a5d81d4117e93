"""The listener that apps are reached by. The edge is its one client, and opens a connection for each request."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping
from typing import Any, Final

from chassis.config import Address
from gateway.apps.exchange import Exchange, Setting

log = logging.getLogger(__name__)

_PATIENCE: Final = 2.0
"""Seconds that exchanges get to end when the gateway stops."""


class AppsServer:
    """Serves apps at an address."""

    def __init__(self, setting: Setting, address: Address, secured: Mapping[str, Any] | None = None) -> None:
        """`secured` are uvicorn's settings for TLS, where only the edge gets in."""
        self._setting = setting
        self._address = address
        self._context = _context(secured) if secured else None
        self._server: asyncio.Server | None = None
        self._exchanges: set[asyncio.Task[None]] = set()

    @property
    def context(self) -> ssl.SSLContext | None:
        """What shows the certificate, to be loaded anew when there is a new one."""
        return self._context

    @property
    def port(self) -> int:
        """The port it listens on; 0 until it does."""
        sockets = self._server.sockets if self._server is not None else ()
        return int(sockets[0].getsockname()[1]) if sockets else 0

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_server(
            self._connected, self._address.host, self._address.port, ssl=self._context, limit=65536
        )

    async def stop(self) -> None:
        """Ends what goes on; browsers open their websockets again."""
        if self._server is None:
            return
        self._server.close()
        for task in self._exchanges:
            task.cancel()
        if self._exchanges:
            await asyncio.wait(self._exchanges, timeout=_PATIENCE)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(Exchange(self._setting, reader, writer).run())
        self._exchanges.add(task)
        try:
            await asyncio.wait({task})
            if not task.cancelled() and (error := task.exception()) and not isinstance(error, OSError):
                log.error("a request to an app failed", exc_info=error)
        finally:
            task.cancel()
            self._exchanges.discard(task)
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()


def _context(secured: Mapping[str, Any]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secured["ssl_certfile"], secured["ssl_keyfile"])
    context.load_verify_locations(secured["ssl_ca_certs"])
    context.verify_mode = secured["ssl_cert_reqs"]
    return context
