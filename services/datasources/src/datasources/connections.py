"""From a stored data source to an open connection: its address judged, its secret opened, its pool asked."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import psycopg

from chassis.addresses import Guard, Target, UnknownHostError
from chassis.errors import ServiceError
from datasources.catalogue import Catalogue
from datasources.connectors import failures, postgresql, scanning
from datasources.connectors.postgresql import Session
from datasources.credentials import Credentials, Stored
from datasources.pools import Pools

_TEST_SECONDS: Final = 15
_SCAN_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Tested:
    """What a connection test says."""

    ok: bool
    message: str
    server_version: str
    latency: timedelta
    warnings: tuple[str, ...]


class Connections:
    """Connections to data sources. Nothing here may be called while a transaction is open."""

    def __init__(self, guard: Guard, credentials: Credentials, pools: Pools, roots: Path | None) -> None:
        self._guard = guard
        self._credentials = credentials
        self._pools = pools
        self._roots = roots

    async def is_loopback(self, host: str) -> bool:
        """Whether the host is this machine; a name without an address is not. Raises Denied ADDRESS_REFUSED."""
        if not host:
            return False
        try:
            return (await self._guard.target(host)).is_loopback
        except UnknownHostError:
            return False

    @asynccontextmanager
    async def session(
        self, stored: Stored, begin: Callable[[Session], Awaitable[None]]
    ) -> AsyncIterator[Session]:
        """A session in the transaction that `begin` began. Raises as `Pools.session` and `connect` do."""

        async def connect() -> Session:
            return (await self._connect(stored))[0]

        async with self._pools.session(stored.source, connect, begin) as session:
            yield session

    async def test(self, stored: Stored) -> Tested:
        """Connects anew and looks around; a failure is an answer."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(_TEST_SECONDS):
                session, target = await self._connect(stored)
                try:
                    await session.begin(_TEST_SECONDS * 1000)
                    found = await postgresql.try_out(session, target, allow_writes=stored.source.allow_writes)
                    latency = timedelta(seconds=time.monotonic() - started)
                finally:
                    await session.close()
        except ServiceError as error:
            return _failed(error.message, started)
        except TimeoutError:
            return _failed("the server did not answer in time", started)
        except psycopg.Error:
            return _failed("the connection was made, but the test query failed", started)
        return Tested(True, "", found.server_version, latency, found.warnings)

    async def scan(self, stored: Stored) -> Catalogue:
        """The database's catalogue. Raises Precondition CONNECTION_FAILED and TooLarge MESSAGE_TOO_LARGE."""
        try:
            async with (
                asyncio.timeout(_SCAN_SECONDS),
                self.session(stored, lambda session: session.begin(_SCAN_SECONDS * 1000)) as session,
            ):
                return await scanning.scan(session)
        except TimeoutError:
            raise failures.connection_failed("the catalogue could not be read in time") from None
        except psycopg.Error as error:
            raise failures.connection_failed("the catalogue could not be read") from error

    async def _connect(self, stored: Stored) -> tuple[Session, Target]:
        source = stored.source
        try:
            target = await self._guard.target(source.host)
        except UnknownHostError:
            raise failures.connection_failed(f"{source.host} has no address") from None
        secret = await self._credentials.use(stored)
        return await postgresql.connect(source, target, secret, self._roots), target


def _failed(why: str, started: float) -> Tested:
    return Tested(False, why, "", timedelta(seconds=time.monotonic() - started), ())
