"""Carries the newest checkpoint to its witnesses, and compares the log with the newest one they have.

A log that is smaller than what a witness keeps was cut or put back; one that has another root at that size was
rewritten. Then nothing is appended to it until a person has looked.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Gauge

from audit import log as audit_log
from audit import store
from audit.checkpoint import NoteInvalid, Statement, Verifier
from audit.domain import Kept, Problem
from audit.domain import ProblemKind as Kind
from audit.witness.places import Place, PlaceUnreachable
from chassis.database import Database
from chassis.errors import DataLoss

log = logging.getLogger(__name__)

Report = Callable[[bool], Awaitable[None]]
"""Is told whether the log fits what its witnesses keep."""

INTERVAL: Final = 60.0
MOST_BEHIND: Final = 1000
"""How many entries may be without a witness before the interval is over."""
_LOOK_SECONDS: Final = 5.0
_START_SECONDS: Final = 10.0
_KEPT_SIZE: Final = Gauge("mcp_audit_witness_tree_size", "The newest checkpoint a witness has.", ("witness",))
_KEPT_TIME: Final = Gauge(
    "mcp_audit_witness_timestamp_seconds", "When a witness last had the newest checkpoint.", ("witness",)
)


class Keeper:
    """Looks after the witnesses. `run()` is a background task."""

    def __init__(
        self,
        db: Database,
        verifier: Callable[[], Verifier],
        places: Sequence[Place],
        report: Report | None = None,
    ) -> None:
        self._db = db
        self._report = report
        self._verifier = verifier
        self._kept = {place: Kept(place.name) for place in places}
        self._contradictions: dict[Place, Problem] = {}
        self._compared = asyncio.Event()
        self._waited = False

    @property
    def witnesses(self) -> tuple[Kept, ...]:
        """How each witness is."""
        return tuple(self._kept.values())

    @property
    def contradictions(self) -> tuple[Problem, ...]:
        """What witnesses were found to keep that the log does not fit."""
        return tuple(self._contradictions.values())

    async def approve(self) -> None:
        """Raises DataLoss LOG_DAMAGED when a witness contradicts the log. Waits, once, for the first comparison."""
        if self._kept and not self._compared.is_set() and not self._waited:
            with suppress(TimeoutError):
                async with asyncio.timeout(_START_SECONDS):
                    await self._compared.wait()
            self._waited = True
        self._refuse()

    def require_agreement(self, tree_size: int) -> None:
        """Raises DataLoss LOG_DAMAGED when a tree of this size, about to be signed, contradicts a witness.

        It asks nobody: what was found since `approve` counts, and so does what a witness was last seen to have.
        """
        for place, known in self._kept.items():
            if known.tree_size > tree_size:
                self._contradicts(place, _truncated(place, known.tree_size, tree_size))
        self._refuse()

    def _refuse(self) -> None:
        for problem in self._contradictions.values():
            raise audit_log.damaged(problem.message)

    async def run(self) -> None:
        """Compares, then keeps each minute's newest checkpoint, or that of a thousand entries, for ever."""
        if not self._kept:
            return
        await self.compare()
        carried = 0.0
        loop = asyncio.get_running_loop()
        while True:
            if loop.time() - carried >= INTERVAL or await self._behind() >= MOST_BEHIND:
                await self.carry()
                carried = loop.time()
            await self._tell()
            await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Keeps the last checkpoint."""
        with suppress(Exception):  # the process ends; what is wrong was logged before
            async with asyncio.timeout(_START_SECONDS):
                await self.carry()

    async def compare(self) -> None:
        """Compares the log with the newest checkpoint of every witness."""
        await asyncio.gather(*map(self._compare, self._kept))
        self._compared.set()
        await self._tell()

    async def compare_soon(self) -> None:
        """Compares with what every witness answers within ten seconds; for the others counts what is known."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                await self.compare()
        await self._tell()

    async def carry(self) -> None:
        """Takes the newest checkpoint to every witness that does not contradict the log."""
        await asyncio.gather(*map(self._carry, self._kept))

    async def _tell(self) -> None:
        if self._report is not None:
            await self._report(not self._contradictions)

    async def _behind(self) -> int:
        async with self._db.read() as tx:
            newest = await store.newest_checkpoint(tx)
        size = newest.tree_size if newest is not None else 0
        return max(size - one.tree_size for one in self._kept.values())

    async def _compare(self, place: Place) -> bool:
        """Whether the log is a continuation of what a witness has; what contradicts it is kept in mind."""
        try:
            note = await place.newest()
        except PlaceUnreachable as error:
            self._failed(place, str(error))
            return False
        if note is None:
            self._contradictions.pop(place, None)
            self._kept[place] = Kept(place.name)
            return True
        return await self._agrees(place, note)

    async def _agrees(self, place: Place, note: str) -> bool:
        try:
            kept = self._verifier().open(note)
        except NoteInvalid as error:
            why = f"the witness {place.name} keeps a checkpoint that is not this log's: {error}"
            self._contradicts(place, Problem(Kind.SIGNATURE_INVALID, 0, why))
            return False
        problem = await self._contradiction(place, kept)
        if problem is not None:
            self._contradicts(place, problem)
            return False
        self._contradictions.pop(place, None)
        self._seen(place, kept.tree_size)
        return True

    async def _contradiction(self, place: Place, kept: Statement) -> Problem | None:
        """Why the log is no continuation of a signed tree; None when it is one."""
        async with self._db.read() as tx:
            newest = await store.newest_checkpoint(tx)
            size = newest.tree_size if newest is not None else 0
            if kept.tree_size > size:
                return _truncated(place, kept.tree_size, size)
            if kept.tree_size == 0:
                return None
            try:
                [root] = await store.hashes_over(tx, [(0, kept.tree_size)])
            except DataLoss:
                why = _keeps(place, kept.tree_size, "and the log has lost hashes of that tree")
                return Problem(Kind.CHECKPOINT_MISMATCH, kept.tree_size, why)
        if root == kept.root_hash:
            return None
        why = _keeps(place, kept.tree_size, "and the log had other entries then")
        return Problem(Kind.HISTORY_FORKED, kept.tree_size, why)

    async def _carry(self, place: Place) -> None:
        if not await self._compare(place):
            return
        async with self._db.read() as tx:
            newest = await store.newest_checkpoint(tx)
        if newest is None or newest.tree_size <= self._kept[place].tree_size:
            return  # a smaller one than the witness has: the log was put back since, which the next comparison says
        try:
            there = await place.keep(newest.tree_size, newest.note)
        except PlaceUnreachable as error:
            self._failed(place, str(error))
            return
        await self._agrees(place, there)

    def _seen(self, place: Place, tree_size: int) -> None:
        now = datetime.now(UTC)
        self._kept[place] = Kept(place.name, tree_size, now)
        _KEPT_SIZE.labels(place.name).set(tree_size)
        _KEPT_TIME.labels(place.name).set(now.timestamp())

    def _failed(self, place: Place, why: str) -> None:
        before = self._kept[place]
        self._kept[place] = Kept(place.name, before.tree_size, before.kept_at, why)
        log.warning("a witness cannot be reached", extra={"witness": place.name, "error": why})

    def _contradicts(self, place: Place, problem: Problem) -> None:
        before = self._kept[place]
        self._kept[place] = Kept(place.name, before.tree_size, before.kept_at, problem.message)
        if self._contradictions.get(place) != problem:
            log.critical(problem.message)  # not a format string
        self._contradictions[place] = problem


def _truncated(place: Place, kept: int, size: int) -> Problem:
    return Problem(Kind.LOG_TRUNCATED, size, _keeps(place, kept, f"but the log has {size}"))


def _keeps(place: Place, kept: int, why: str) -> str:
    return f"the witness {place.name} keeps a checkpoint of {kept} entries, {why}"
