"""A connection to PostgreSQL for the hot paths: always the same one, so that its statements stay prepared."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import psycopg

from chassis.connecting import connect
from chassis.database import UNHEARD_MS
from chassis.errors import Unavailable
from engine.store import hot

log = logging.getLogger(__name__)

_MAX_DELAY: Final = 2.0
_OPTIONS: Final = "-c timezone=UTC -c statement_timeout=30000 -c lock_timeout=5000 "
_IDLE: Final = "-c idle_in_transaction_session_timeout=15000"


class Link:
    """A connection that is made when it is needed and made again when it broke."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: hot.Connection | None = None
        self.epoch = 0
        """How often it was connected: after a change, time has passed in which nothing was recorded."""

    async def get(self) -> hot.Connection:
        """The connection; waits until PostgreSQL is there."""
        delay = 0.05
        while self._connection is None or self._connection.closed:
            try:
                self._connection = await connect(
                    self._url,
                    autocommit=True,
                    prepare_threshold=None,
                    application_name=self._name,
                    options=_OPTIONS + _IDLE,
                    connect_timeout=5,
                    keepalives_idle=10,
                    keepalives_interval=3,
                    keepalives_count=3,
                    tcp_user_timeout=UNHEARD_MS,
                )
            except psycopg.Error as error:
                log.warning("PostgreSQL is not there; trying again", extra={"error": type(error).__name__})
                await asyncio.sleep(delay)
                delay = min(delay * 2, _MAX_DELAY)
            else:
                self.epoch += 1
        return self._connection

    async def run(self, commands: Sequence[hot.Command]) -> list[hot.Rows]:
        """Sends the commands in one pipeline; returns the rows of each."""
        return await hot.run(await self.get(), commands, prepare=True)

    async def rollback(self) -> None:
        """Ends whatever transaction is open; gives the connection up when that is not possible."""
        if self._connection is None or self._connection.closed:
            return
        try:
            async with asyncio.timeout(5):
                await hot.run(self._connection, [hot.ROLLBACK], prepare=True)
        except (psycopg.Error, TimeoutError):
            await self.close()

    async def close(self) -> None:
        """Disconnects."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


def away() -> Unavailable:
    """PostgreSQL does not answer."""
    return Unavailable(
        "DEPENDENCY_UNAVAILABLE",
        "the database is unavailable",
        metadata={"dependency": "database"},
        retry_after=1,
    )
