"""The loop that removes contents nobody needs: of uploads that broke off, of files that were replaced or deleted."""

import asyncio
import logging
from typing import Final

from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from chassis.errors import ServiceError
from engine.artifacts import ArtifactStore
from engine.artifacts.contents import UnreachableError
from engine.store import artifacts as store

log = logging.getLogger(__name__)

AGE: Final = 3600.0
"""How long a file is left alone, in seconds."""
_PAUSE: Final = 60.0
_MOST: Final = 1000


class Sweep:
    """Goes through the store of artifacts, some contents at a time, for ever. Replicas may do so at once.

    A content goes when it is old and two visits in a row found no artifact that has it: between them whoever had
    just asked for the artifact has opened the file.
    """

    def __init__(self, db: Database, files: ArtifactStore, *, most: int = _MOST) -> None:
        self._db = db
        self._files = files
        self._most = most
        self._after = ""
        self._unused_before: set[str] = set()
        self._unused: set[str] = set()

    async def run(self) -> None:
        """Sweeps for ever."""
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                removed = await self.round()
            except (DBAPIError, ServiceError, OSError, UnreachableError) as error:
                log.warning("the artifacts could not be swept", extra={"error": type(error).__name__})
                continue
            if removed:
                log.info("artifact files nobody needs were removed", extra={"count": removed})

    async def round(self) -> int:
        """Visits the next files; returns how many it removed."""
        removed = await self._files.discard_broken_off(AGE, self._most)
        found = await self._files.contents(self._after, self._most)
        if found:
            async with self._db.read() as tx:
                used = await store.in_use(tx, found)
            unused = [one for one in found if one not in used]
            self._unused.update(unused)
            for one in unused:
                if one in self._unused_before:
                    removed += await self._files.discard(one, AGE)
        if len(found) == self._most:
            self._after = found[-1]
        else:
            self._after = ""
            self._unused_before, self._unused = self._unused, set()
        return removed
