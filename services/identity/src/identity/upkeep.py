"""Bookkeeping beside the calls: when keys were used, and the removal of what has run out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from chassis.context import use, utcnow
from chassis.database import Database, Transaction
from identity import store

log = logging.getLogger(__name__)

_USE_SECONDS: Final = 10.0
_PURGE_SECONDS: Final = 3600.0
_MAX_NOTED: Final = 10_000


class Use:
    """When keys or sessions were last used, to the minute, written in batches: constant use costs a row a minute."""

    def __init__(
        self, db: Database, write: Callable[[Transaction, Mapping[str, datetime]], Awaitable[None]]
    ) -> None:
        """`write` stores the times by the ids of what was used."""
        self._db = db
        self._write = write
        self._noted: dict[str, datetime] = {}
        self._written: dict[str, datetime] = {}

    def __call__(self, key_id: str) -> None:
        """Notes that the key or session was used now."""
        minute = utcnow().replace(second=0, microsecond=0)
        if self._written.get(key_id) != minute and len(self._noted) < _MAX_NOTED:
            self._noted[key_id] = minute

    async def run(self) -> None:
        """Writes what was noted every ten seconds, for ever."""
        while True:
            await asyncio.sleep(_USE_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Writes what was noted. Raises what the database raises, and then keeps it for the next time."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            with use(None):
                async with self._db.begin(idempotent=False, audited=False) as tx:
                    await self._write(tx, noted)
        except BaseException:
            self._noted = noted | self._noted
            raise
        if len(self._written) > _MAX_NOTED:
            self._written.clear()
        self._written |= noted

    async def close(self) -> None:
        """Writes what is left. Where the database is away, the last uses of these seconds are lost, and logged."""
        try:
            await self.flush()
        except (SQLAlchemyError, OSError) as error:
            log.warning("the last uses were not written", extra={"error": type(error).__name__})


class Purge:
    """Removes sessions, tickets and throttling windows that have run out."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def run(self) -> None:
        """Purges every hour, for ever."""
        while True:
            await self.once()
            await asyncio.sleep(_PURGE_SECONDS)

    async def once(self) -> None:
        """Purges now."""
        with use(None):
            async with self._db.begin(idempotent=False, audited=False) as tx:
                ended = await store.sessions.purge(tx)
                windows = await store.attempts.purge(tx)
                await store.tickets.purge(tx)
                await store.password_tickets.purge(tx)
                await store.external.purge(tx)
        if ended or windows:
            log.info("purged", extra={"sessions": ended, "windows": windows})
