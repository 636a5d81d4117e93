"""What holds READY steps and new runs back: rate limits, outputs that others compute, places under concurrency limits.

What is decided is recorded in the same transaction, or may be decided twice: what is waiting is in the tables, and the
recovery loop finds whatever no message announced.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy.exc import DBAPIError

from chassis.database import Database, Transaction
from chassis.errors import ServiceError
from engine import failpoints
from engine.dispatch.committer import Transition
from engine.dispatch.unit import Unit
from engine.domain import Payload, RunStatus
from engine.machine.starting import CACHE, RATE
from engine.state import Admit, CacheHit, GateOpened
from engine.store import cache, hot, limits, rates

if TYPE_CHECKING:
    from engine.dispatch.dispatcher import Dispatcher

log = logging.getLogger(__name__)

_RETRY: Final = 0.5
_RARELY: Final = 3600.0
_AT_ONCE: Final = 64
"""So many steps are given their moments in one transaction."""

T = TypeVar("T")


class Gates:
    """Opens gates, one name after another."""

    def __init__(self, db: Database, dispatcher: "Dispatcher", submit: Callable[[Transition], None]) -> None:
        """`submit` applies an event to a run."""
        self._db = db
        self._dispatcher = dispatcher
        self._submit = submit
        self._names: dict[str, datetime | None] = {}
        """The gates to look at, `limit:<key>` for those of runs, each with the earliest moment somebody wants."""
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
        """Gives those who wait at a rate limit a moment each; whoever looks next, here or elsewhere, sees it."""
        units: dict[str, Unit] = {}

        async def give(tx: Transaction) -> bool:
            await limits.lock(tx, gate)
            waiting = await cache.waiting(tx, gate)
            by_interval: dict[timedelta, list[tuple[Unit, str]]] = {}
            for run_id, path in waiting[:_AT_ONCE]:
                unit = units[run_id] = units.get(run_id) or await self._dispatcher.locked(tx, run_id)
                planned = unit.state.plan.find(path)
                if unit.state.status is RunStatus.PAUSED:  # it asks anew when it goes on
                    unit.apply(GateOpened(path, gate, unit.now))
                elif (
                    unit.state.ready.get(path, unit.now) is None
                    and planned is not None
                    and planned.rate is not None
                ):
                    by_interval.setdefault(planned.rate.interval, []).append((unit, path))
            key = gate.removeprefix(RATE)
            for interval, steps in by_interval.items():
                moments = await rates.reserve(tx, key, interval, len(steps), not_before or steps[0][0].now)
                for (unit, path), moment in zip(steps, moments, strict=True):
                    unit.apply(GateOpened(path, gate, moment))
            return len(waiting) > _AT_ONCE

        if await self._record(give, units, "rate"):
            self.waits(gate, not_before)

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
        units: dict[str, Unit] = {}

        async def admit(tx: Transaction) -> None:
            await limits.lock(tx, f"limit:{key}")
            places = await limits.limit_of(tx, key) - len(await limits.admitted(tx, key))
            for run_id in await limits.waiting(tx, key, places) if places > 0 else ():
                unit = units[run_id] = await self._dispatcher.locked(tx, run_id)
                unit.apply(Admit())

        await self._record(admit, units, "admit")

    async def _record(
        self, change: Callable[[Transaction], Awaitable[T]], units: Mapping[str, Unit], point: str
    ) -> T:
        """Has `change` lock and change `units`, and records them with the steps that can run at once claimed."""
        changed: list[Unit] = []
        try:
            async with self._db.begin(idempotent=False, audited=False) as tx:
                result = await change(tx)
                changed += [unit for unit in units.values() if unit.is_changed]
                for unit in changed:
                    self._dispatcher.place(unit)
                await hot.run(await tx.raw(), self._dispatcher.commands(*changed))
                if changed:
                    failpoints.reach(f"{point}.before")
        except BaseException:
            for unit in changed:
                self._dispatcher.abandoned(unit)
            raise
        if changed:
            failpoints.reach(f"{point}.after")
        for unit in changed:
            self._dispatcher.committed(unit)
        return result
