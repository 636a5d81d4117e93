"""The loop that counts the runs which ended."""

import asyncio
import logging
import time
from typing import Final

from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from chassis.errors import ServiceError
from engine.store import counts as store

log = logging.getLogger(__name__)

_PAUSE: Final = 5.0
_RARELY: Final = 3600.0
_MOST: Final = 20_000


class Tally:
    """Moves runs that ended into the hourly counts, some at a time, for ever. Of several replicas one does so at once;
    whoever counts runs counts in what is not moved yet.
    """

    def __init__(self, db: Database, *, most: int = _MOST) -> None:
        self._db = db
        self._most = most
        self._forgot = time.monotonic()

    async def run(self) -> None:
        """Counts for ever."""
        while True:
            try:
                while await self.round() == self._most:
                    pass
            except (DBAPIError, ServiceError, OSError) as error:
                log.warning("the runs could not be counted", extra={"error": type(error).__name__})
            await asyncio.sleep(_PAUSE)

    async def round(self) -> int:
        """Counts some; returns how many."""
        async with self._db.begin(idempotent=False, audited=False) as tx:
            moved = await store.fold(tx, self._most)
            if time.monotonic() - self._forgot > _RARELY:
                self._forgot = time.monotonic()
                await store.forget_old(tx)
        return moved
