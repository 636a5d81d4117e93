"""What holds READY steps and new runs back: rate limits, outputs that others compute, places under concurrency limits.

Everything here is decided in transactions of its own, and may be decided twice: what is waiting is in the tables, and
`look` finds whatever no message announced.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from chassis.errors import ServiceError
from engine import failpoints
from engine.dispatch.committer import Transition
from engine.domain import Payload
from engine.machine.starting import CACHE, RATE
from engine.state import Admit, CacheHit, GateOpened, Rejected
from engine.store import cache, hot, limits, rates

if TYPE_CHECKING:
    from engine.dispatch.dispatcher import Dispatcher

log = logging.getLogger(__name__)

_RETRY: Final = 0.5
_RARELY: Final = 3600.0


class Gates:
    """Opens gates, one name after another."""

    def __init__(self, db: Database, dispatcher: "Dispatcher", submit: Callable[[Transition], None]) -> None:
        """`submit` applies an event to a run."""
        self._db = db
        self._dispatcher = dispatcher
        self._submit = submit
        self._names: dict[str, datetime | None] = {}
        """The gates to look at, `limit:<key>` for those of runs, each with the earliest moment somebody wants."""
        self._given: set[tuple[str, str]] = set()
        """The steps (run, path) on their way to a moment that a rate limit gave: in the table they wait still."""
        self._bell = asyncio.Event()
        self._rarely = 0.0

    def waits(self, gate: str, not_before: datetime | None = None) -> None:
        """Somebody waits at a gate, or it may have opened."""
        known = self._names.get(gate)
        if known is None or (not_before is not None and not_before < known):
            self._names[gate] = not_before
        self._bell.set()

    async def run(self) -> None:
        """Opens gates for ever."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            names, self._names = self._names, {}
            for name, not_before in names.items():
                try:
                    await self._open(name, not_before)
                except (DBAPIError, ServiceError, OSError) as error:
                    log.warning("a gate could not be looked at", extra={"error": type(error).__name__})
                    self._names.setdefault(name, not_before)
                    await asyncio.sleep(_RETRY)
                    self._bell.set()

    async def forget_old(self) -> None:
        """Deletes, now and then, what nobody waits for any more."""
        now = asyncio.get_running_loop().time()
        if now >= self._rarely:
            self._rarely = now + _RARELY
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await cache.forget_expired(tx)
                await rates.forget_old(tx)

    async def _open(self, name: str, not_before: datetime | None) -> None:
        if name.startswith(CACHE):
            await self._look_up(name)
        elif name.startswith(RATE):
            await self._reserve(name, not_before)
        else:
            await self._admit(name.removeprefix("limit:"))

    async def _reserve(self, gate: str, not_before: datetime | None) -> None:
        """Gives everybody who waits at a rate limit a moment."""
        async with self._db.read() as tx:
            waiting = await cache.waiting(tx, gate)
        by_interval: dict[timedelta, list[tuple[str, str]]] = {}
        for run_id, path in waiting:
            if (run_id, path) in self._given:
                continue
            interval = await self._dispatcher.interval(run_id, path)
            if interval is not None:
                by_interval.setdefault(interval, []).append((run_id, path))
        for interval, steps in by_interval.items():
            async with self._db.begin(idempotent=False, audited=False) as tx:
                key = gate.removeprefix(RATE)
                moments = await rates.reserve(tx, key, interval, len(steps), not_before or tx.now)
                failpoints.reach("rate.before")
            failpoints.reach("rate.after")
            for step, moment in zip(steps, moments, strict=True):
                self._give(step, gate, moment)

    def _give(self, step: tuple[str, str], gate: str, moment: datetime) -> None:
        """A moment is given once, also to a step that is looked at again before it has it."""
        self._given.add(step)

        def done(_: Rejected | None) -> None:
            self._given.discard(step)

        run_id, path = step
        self._submit(Transition(run_id, GateOpened(path, gate, moment), done))

    async def _look_up(self, gate: str) -> None:
        """Hands a known output to everybody who waits for it, or has the first of them compute it."""
        digest = gate.removeprefix(CACHE)
        async with self._db.begin(idempotent=False, audited=False) as tx:
            waiting = await cache.waiting(tx, gate)
            if not waiting:
                return
            known = await cache.find(tx, digest)
            taken = False
            if known is None or known.output is None:
                taken = await cache.take(tx, digest, *waiting[0])
            now = tx.now
            failpoints.reach("cache.before")
        failpoints.reach("cache.after")
        if known is not None and known.output is not None:
            output = Payload(known.output)
            for run_id, path in waiting:
                self._submit(Transition(run_id, CacheHit(path, gate, output, known.run_id)))
        elif taken or (known is not None and (known.run_id, known.step_id) in waiting):
            run_id, path = waiting[0] if taken or known is None else (known.run_id, known.step_id)
            self._submit(Transition(run_id, GateOpened(path, gate, now)))

    async def _admit(self, key: str) -> None:
        """Lets in as many runs as there are places under a limit."""
        units = []
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await limits.lock(tx, f"limit:{key}")
            places = await limits.limit_of(tx, key) - len(await limits.admitted(tx, key))
            for run_id in await limits.waiting(tx, key, places) if places > 0 else ():
                unit = await self._dispatcher.locked(tx, run_id)
                if unit.apply(Admit()) is None:
                    self._dispatcher.place(unit)
                    units.append(unit)
            try:
                await hot.run(await tx.raw(), self._dispatcher.commands(*units))
            except BaseException:
                for unit in units:
                    self._dispatcher.abandoned(unit)
                raise
            if units:
                failpoints.reach("admit.before")
        if units:
            failpoints.reach("admit.after")
        for unit in units:
            self._dispatcher.committed(unit)
