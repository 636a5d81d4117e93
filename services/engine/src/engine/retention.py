"""The loop that makes room: it has the weeks to come ready, and deletes what is kept no longer."""

import asyncio
import logging
from datetime import timedelta
from typing import Final

from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from chassis.errors import ServiceError
from engine.store import partitions as store

log = logging.getLogger(__name__)

AHEAD: Final = 4
"""How many weeks are ready beyond the present one."""
_PAUSE: Final = 600.0
_AGAIN: Final = 30.0
_MOST: Final = 5000


class Retention:
    """Looks after the partitions of events, for ever. Replicas may do so at once.

    Of a run that ended longer ago than `keep` its events, steps, attempts and artifacts go, a week of runs at a time
    and not before all of them ended so long ago. The runs' own rows stay: who ran what, when, with which result. A
    `keep` of zero keeps everything.
    """

    def __init__(self, db: Database, keep: timedelta, *, most: int = _MOST) -> None:
        self._db = db
        self._keep = keep
        self._most = most

    async def run(self) -> None:
        """Looks after them for ever."""
        while True:
            pause = _PAUSE
            try:
                await self.round()
            except (DBAPIError, ServiceError, OSError) as error:
                log.warning(
                    "the events' partitions were left for later", extra={"error": type(error).__name__}
                )
                pause = _AGAIN
            await asyncio.sleep(pause)

    async def round(self) -> list[str]:
        """Makes the partitions that are missing and drops those that are not needed; returns the names of those."""
        async with self._db.begin(idempotent=False, audited=False) as tx:
            if not await store.locked(tx):
                return []
            known = await store.listed(tx)
            for number in range(AHEAD + 1):
                week = store.week_of(tx.now + number * store.WEEK)
                if not any(one.first <= week.first < one.last for one in known):
                    await store.create(tx, week)
            before = tx.now - self._keep
        old = [one for one in known if one.ends < before] if self._keep else []
        return [one.name for one in old if await self._drop(one)]

    async def _drop(self, one: store.Partition) -> bool:
        """Deletes what belongs to a week's runs, and then the week; whether that was possible.

        What it finds not to be needed stays so: a run that has ended says nothing more.
        """
        async with self._db.read() as tx:
            if await store.is_needed(tx, one, tx.now - self._keep):
                return False
        while True:
            async with self._db.begin(idempotent=False, audited=False) as tx:
                if not await store.locked(tx):
                    return False
                if await store.forget_some(tx, one, self._most) == 0:
                    await store.drop(tx, one)
                    break
        log.info("the events of old runs were dropped", extra={"partition": one.name})
        return True
