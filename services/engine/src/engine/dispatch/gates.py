"""What holds READY steps and new runs back: rate limits, outputs that others compute, places under concurrency limits.

What is decided is recorded in the same transaction, or may be decided twice: what is waiting is in the tables, and the
recovery loop finds whatever no message announced.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy.exc import DBAPIError

from chassis.database import Database, Transaction
from chassis.errors import ServiceError
from engine import failpoints
from engine.dispatch.items import Transition
from engine.dispatch.unit import Unit
from engine.domain import Payload, RunStatus
from engine.plan import Rate
from engine.state import CACHE, RATE, Admit, CacheHit, GateOpened
from engine.store import cache, hot, limits, rates

if TYPE_CHECKING:
    from engine.dispatch.dispatcher import Dispatcher

log = logging.getLogger(__name__)

_RETRY: Final = 0.5
_RARELY: Final = 3600.0
_AT_ONCE: Final = 16
"""So many steps are let through a rate limit in one transaction, at most."""
_NOW: Final = timedelta(0)

T = TypeVar("T")


def _is_full(given: Mapping[tuple[str, int], int], one: rates.Waiting, rate: Rate) -> bool:
    """Whether so many wait for the same workers, with a moment of their own, as may begin in a period.

    (Or, where that is less, as are given one beforehand.)
    """
    ahead = 0 if rate.interval >= 2 * rates.AHEAD else rates.AHEAD // rate.interval + 2
    before = sum(
        count for (lane, priority), count in given.items() if lane == one.lane and priority >= one.priority
    )
    return before >= max(rate.limit, ahead)


class Gates:
    """Opens gates, one name after another."""

    def __init__(self, db: Database, dispatcher: "Dispatcher", submit: Callable[[Transition], None]) -> None:
        """`submit` applies an event to a run."""
        self._db = db
        self._dispatcher = dispatcher
        self._submit = submit
        self._names: dict[str, None] = {}
        """The gates to look at, `limit:<key>` for those of runs."""
        self._timers: dict[str, asyncio.TimerHandle] = {}
        """The gates to look at later, each once. (The recovery loop does, should this process not live to.)"""
        self._bell = asyncio.Event()
        self._rarely = 0.0

    def waits(self, gate: str, after: timedelta = _NOW) -> None:
        """Somebody waits at a gate, or it may have opened, or may `after` some time."""
        if after <= rates.AHEAD:
            self._names[gate] = None
            self._bell.set()
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + (after - rates.AHEAD).total_seconds()
        known = self._timers.get(gate)
        if known is None or at < known.when():
            if known is not None:
                known.cancel()
            self._timers[gate] = loop.call_at(at, self._later, gate)

    def _later(self, gate: str) -> None:
        del self._timers[gate]
        self.waits(gate)

    async def run(self) -> None:
        """Opens gates for ever."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            names, self._names = self._names, {}
            for name in names:
                try:
                    await self._open(name)
                except (DBAPIError, ServiceError, OSError) as error:
                    log.warning("a gate could not be looked at", extra={"error": type(error).__name__})
                    self._names[name] = None
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

    async def _open(self, name: str) -> None:
        if name.startswith(CACHE):
            await self._look_up(name)
        elif name.startswith(RATE):
            await self._let_through(name)
        else:
            await self._admit(name.removeprefix("limit:"))

    async def _let_through(self, gate: str) -> None:
        """Gives the next moments under a rate limit to those who are next; whoever looks then sees it.

        Who was let through and finds no worker keeps the moment. But when there are as many of them as may begin in a
        period, nobody else who needs such a worker is let through: once there is one, no more than those begin at once.
        """
        key, full = gate.removeprefix(RATE), set[str]()
        after: timedelta | None = _NOW
        while after == _NOW:
            units: dict[str, Unit] = {}
            after = await self._record(functools.partial(self._give, key, full, units), units, "rate")
        if after is not None:
            self.waits(gate, after)

    async def _give(
        self, key: str, full: set[str], units: dict[str, Unit], tx: Transaction
    ) -> timedelta | None:
        """Gives moments to the first in the queue; returns after which time the next can be given, None without a next.

        `full`: the lanes that are found to have too many who were given one and have not begun.
        """
        gate, known = RATE + key, len(full)
        await limits.lock(tx, gate)
        given = await rates.given(tx, key)  # before what those who begin just now make of the next moment
        free = max(tx.now, await rates.next_free(tx, key))
        if free > tx.now + rates.AHEAD:
            return free - tx.now
        waiting = await rates.queue(tx, key, full, _AT_ONCE)
        for run_id in sorted({one.run_id for one in waiting}):
            units[run_id] = await self._dispatcher.locked(tx, run_id)
        for one in waiting:
            unit = units[one.run_id]
            planned = unit.state.plan.find(one.step_id)
            if unit.state.status is RunStatus.PAUSED:  # it asks anew when it goes on
                unit.apply(GateOpened(one.step_id, gate, tx.now))
            elif one.lane in full or planned is None or planned.rate is None:
                continue
            elif _is_full(given, one, planned.rate):
                full.add(one.lane)
            elif free > tx.now + rates.AHEAD:
                return free - tx.now
            else:
                moment = max(free, one.not_before or free)
                if unit.apply(GateOpened(one.step_id, gate, moment)) is None:
                    free = moment + planned.rate.interval
                    given[one.lane, one.priority] = given.get((one.lane, one.priority), 0) + 1
        changed = len(full) > known or any(unit.is_changed for unit in units.values())
        return _NOW if len(waiting) == _AT_ONCE and changed else None

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
