"""The loop that moves runs on: what arrives together is applied in one transaction and acknowledged after it.

A transaction is two round trips: lock (and load what memory does not have); then write everything, with the steps that
became READY already claimed for free slots, and commit. Assignments, acknowledgements and events leave after it.
"""

import asyncio
import functools
import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import psycopg

from chassis.signals import Signal
from engine import failpoints, telemetry
from engine.dispatch.desk import Candidate, Desk
from engine.dispatch.inbox import Inbox
from engine.dispatch.items import Birth, Item, Make, Transition, Utterance
from engine.dispatch.plans import PlanCache
from engine.dispatch.unit import Unit, write
from engine.domain import ErrorKind, Failure, Ref
from engine.effects import Rejected
from engine.link import Link, away
from engine.state import Failed, Succeeded
from engine.store import hot, leases, loading

log = logging.getLogger(__name__)

_MOST: Final = 256
_OF_EACH_RUN: Final = 128
"""How much one transaction takes on, in lines; an event of a run counts as one."""
_MOST_BIRTHS: Final = 64
_BIRTH_SECONDS: Final = 5.0
"""How long a new run waits for its turn, at most."""
_FIRST_DELAY: Final = 0.002
_LAST_DELAY: Final = 0.25
"""Seconds between attempts to lock a run that somebody else holds."""
_TRANSIENT: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)


class Committer:
    """Applies everything that happens to runs that exist."""

    def __init__(self, link: Link, desk: Desk, plans: PlanCache, wake: Signal, lease: timedelta) -> None:
        """`wake` is set by anyone who wants the loop to look around."""
        self._link = link
        self._desk = desk
        self._plans = plans
        self._wake = wake
        self._lease = lease
        self._items: Inbox[Item] = Inbox()
        self._births: deque[Birth] = deque()
        self._delays: dict[str, float] = {}

    async def bear(self, make: Make) -> Unit:
        """Makes and commits a new run, in one transaction with what else there is to do.

        Raises Unavailable when PostgreSQL is away, and what `make` raises.
        """
        birth = Birth(make, asyncio.get_running_loop().create_future())
        self._births.append(birth)
        self._wake.set()
        await asyncio.wait({birth.born}, timeout=_BIRTH_SECONDS)
        if not birth.born.done() and birth in self._births:
            self._births.remove(birth)
            raise away()
        return await birth.born

    def submit(self, item: Item) -> None:
        """Queues something to apply; items of one run are applied in the order they came."""
        self._items.put(item)
        self._wake.set()

    async def room(self) -> None:
        """Returns when whoever brings items may bring more."""
        await self._items.room()

    async def run(self) -> None:
        """Applies for ever."""
        while True:
            await self._wake.wait()
            progress = True
            while progress:
                progress = await self._round()

    async def close(self) -> None:
        """Disconnects."""
        await self._link.close()

    async def _round(self) -> bool:
        """One transaction, if there is anything to do; returns whether there may be more."""
        items = self._items.take(_MOST, _OF_EACH_RUN)
        telemetry.WAITING.set(len(self._items))
        births: list[Birth] = []
        try:
            await self._link.get()  # without PostgreSQL, who waits for a new run can still give up
            births = [self._births.popleft() for _ in range(min(len(self._births), _MOST_BIRTHS))]
            return await self._apply(items, births)
        except _TRANSIENT as error:
            log.warning("a transaction failed and is repeated", extra={"error": type(error).__name__})
            self._items.put_back(items)
            for birth in births:  # it may have been committed, so it is not repeated
                birth.failed(error)
            await self._link.rollback()
            await asyncio.sleep(0.05)
        except Exception:
            log.exception("a transaction failed")
            await self._link.rollback()
            await self._apart(items, births)
        return True

    async def _apart(self, items: Sequence[Item], births: Sequence[Birth]) -> None:
        """Applies each run's items alone, so that what cannot be applied holds up nothing else."""
        for birth in births:
            try:
                await self._apply((), (birth,), alone=True)
            except Exception as error:
                log.exception("a run cannot be started")
                birth.failed(error)
                await self._link.rollback()
        by_run: dict[str, list[Item]] = {}
        for item in items:
            by_run.setdefault(item.run_id, []).append(item)
        for of_run in by_run.values():
            try:
                await self._apply(of_run, alone=True)
            except _TRANSIENT:
                self._items.put_back(of_run)
                await self._link.rollback()
                await asyncio.sleep(0.05)
            except Exception:
                log.exception("something cannot be applied", extra={"run_id": of_run[0].run_id})
                await self._link.rollback()
                self._desk.cache.drop(of_run[0].run_id)
                for item in of_run:
                    self._set_aside(item)

    def _set_aside(self, item: Item) -> None:
        """What cannot be applied: an utterance is dropped, a result becomes a failure, once."""
        if isinstance(item, Utterance):
            if item.done is not None:
                item.done()
        elif isinstance(item.event, (Succeeded, Failed)) and item.failures == 0:
            failure = Failure(ErrorKind.INTERNAL, "its result could not be recorded")
            self._items.put(Transition(item.run_id, Failed(item.event.ref, failure), item.done, failures=1))
        elif item.done is not None:
            item.done(Rejected("it could not be recorded"))

    async def _apply(
        self, items: Sequence[Item], births: Sequence[Birth] = (), *, alone: bool = False
    ) -> bool:
        candidates = [] if alone else self._desk.candidates(self._spoken_for(items))
        scans = [] if alone else self._desk.scans()
        if not items and not births and not candidates and not scans:
            return False
        units: dict[str, Unit] = {}
        done = False
        started = time.perf_counter()
        try:
            done = await self._transact(items, births, candidates, scans, units)
            telemetry.COMMIT_SECONDS.observe(time.perf_counter() - started)
            telemetry.COMMIT_ITEMS.observe(len(items))
        finally:
            if not done:
                self._desk.abandoned(list(units.values()))
                for one in candidates:
                    self._desk.backlog.to_scan.add(one.lane)
        return True

    async def _transact(
        self,
        items: Sequence[Item],
        births: Sequence[Birth],
        candidates: Sequence[Candidate],
        scans: Sequence[tuple[str, int]],
        units: dict[str, Unit],
    ) -> bool:
        wanted = dict.fromkeys(item.run_id for item in items)
        unsure = []  # about these only the table knows whether they wait still
        for one in candidates:
            if self._desk.cache.peek(one.run_id) is None:
                unsure.append((one.run_id, one.step_id))
            else:
                wanted[one.run_id] = None
        opening = [hot.BEGIN, loading.lock_sql(list(wanted)), *(loading.claim_sql(*scan) for scan in scans)]
        if unsure:
            opening.append(loading.lock_ready_sql(unsure))
        if births:
            opening.append(hot.NOW)
        doubtful = [item.overdue for item in items if isinstance(item, Transition) and item.overdue]
        if doubtful:
            opening.append(leases.over_sql(doubtful))
        answers = await self._link.run(opening)
        over = set(leases.to_refs(answers.pop())) if doubtful else set()
        now = answers.pop()[0][0] if births else None
        locked = [*answers[1], *(answers.pop() if unsure else ())]
        of_scans = answers[2:]
        scanned = self._scanned(scans, of_scans)
        rows = {row[0]: (row[1], row[2], row[3]) for row in locked}
        for row in scanned:
            rows.setdefault(row[0], (row[2], row[3], row[4]))
        await self._open(rows, units)

        outcomes: list[Callable[[], None]] = []
        left = [item for item in items if not self._apply_one(item, units, outcomes, over)]
        for one in candidates:
            if (found := units.get(one.run_id)) is not None:
                self._desk.place(found, only=one.step_id)
        for unit in units.values():
            if unit.is_changed:
                self._desk.place(unit)
        for row in scanned:
            self._desk.place(units[row[0]], only=row[1])

        needed = self._bear(births, now, units) if now is not None else []
        changed = [unit for unit in units.values() if unit.is_changed]
        failpoints.reach("commit.before")
        await self._link.run([*needed, *write(changed, self._lease), hot.COMMIT])
        failpoints.reach("commit.after")
        if births:
            failpoints.reach("bear.after")
        self._desk.committed(changed)
        for birth in births:
            if birth.unit is not None and not birth.born.done():
                birth.born.set_result(birth.unit)
        self._desk.put_back(candidates, units)
        for row, (lane, _) in zip(scanned, self._lanes_of(scans, of_scans), strict=True):
            if units[row[0]].is_ready(row[1]):
                self._desk.backlog.to_scan.add(lane)
        for tell in outcomes:
            tell()
        for run_id in units.keys() & self._delays.keys():
            del self._delays[run_id]
        if left:
            await self._later(left)
        return True

    def _bear(self, births: Sequence[Birth], now: datetime, units: dict[str, Unit]) -> list[hot.Command]:
        """Makes the new runs, and claims what can run at once; what is to be written before them."""
        needed: list[hot.Command] = []
        failpoints.reach("bear.before")
        for birth in births:
            try:
                birth.unit, commands = birth.make(now)
            except Exception as error:  # whoever asked is told
                birth.failed(error)
                continue
            needed += commands
            units[birth.unit.info.id] = birth.unit
            self._desk.place(birth.unit)
        return needed

    def _scanned(self, scans: Sequence[tuple[str, int]], answers: Sequence[hot.Rows]) -> hot.Rows:
        for (lane, limit), rows in zip(scans, answers, strict=True):
            if len(rows) < limit:
                self._desk.backlog.to_scan.discard(lane)
        return [row for rows in answers for row in rows]

    @staticmethod
    def _lanes_of(scans: Sequence[tuple[str, int]], answers: Sequence[hot.Rows]) -> list[tuple[str, int]]:
        return [scan for scan, rows in zip(scans, answers, strict=True) for _ in rows]

    async def _open(self, rows: dict[str, tuple[int, int, datetime]], units: dict[str, Unit]) -> None:
        """Makes a unit of each locked run, from memory where that is right and from the tables otherwise."""
        missing = []
        for run_id, (version, last_seq, now) in rows.items():
            known = self._desk.cache.get(run_id, version)
            if known is None:
                missing.append(run_id)
            else:
                units[run_id] = Unit(*known, version, last_seq, now)
        if missing:
            older = {one: seen for one in missing if (seen := self._desk.cache.older(one)) is not None}
            found = await self._plans.load(self._link.run, missing, older)
            for run_id, (info, state) in found.items():
                units[run_id] = Unit(info, state, *rows[run_id])

    @staticmethod
    def _apply_one(
        item: Item,
        units: dict[str, Unit],
        outcomes: list[Callable[[], None]],
        over: Collection[Ref],
    ) -> bool:
        """Applies an item; False when its run is not locked. `outcomes` gets what to tell after the commit.

        Whose lease has to be over is passed by unless it is among the `over`.
        """
        unit = units.get(item.run_id)
        if unit is None:
            return False
        if isinstance(item, Utterance):
            if not unit.append(item.ref, item.said):
                log.debug("a stale attempt spoke", extra={"run_id": item.run_id, "step_id": item.ref.step_id})
            if item.done is not None:
                outcomes.append(item.done)
            return True
        if item.overdue is not None and item.overdue not in over:
            log.info("a sign of life came in time", extra={"run_id": item.run_id})
            return True
        rejected = unit.apply(item.event)
        if rejected is not None and not rejected.duplicate:
            log.info("an event was rejected", extra={"run_id": item.run_id, "reason": rejected.reason})
        if item.done is not None:
            outcomes.append(functools.partial(item.done, rejected))
        return True

    async def _later(self, items: Sequence[Item]) -> None:
        """Somebody else holds these runs' locks for the moment, or the runs do not exist."""
        existing = await self._link.run([loading.exist_sql([item.run_id for item in items])])
        known = {row[0] for row in existing[0]}
        for item in items:
            if item.run_id in known or item.done is None:
                continue
            if isinstance(item, Transition):
                item.done(Rejected("the run does not exist"))
            else:
                item.done()
        self._items.put_back([item for item in items if item.run_id in known])
        for run_id in known:
            delay = self._delays[run_id] = min(2 * self._delays.get(run_id, _FIRST_DELAY / 2), _LAST_DELAY)
            self._items.hold(run_id)
            asyncio.get_running_loop().call_later(delay, self._try_again, run_id)

    def _try_again(self, run_id: str) -> None:
        self._items.release(run_id)
        self._wake.set()

    def _spoken_for(self, items: Sequence[Item]) -> int:
        """How many slots the successors of these results will probably take."""
        count = 0
        for item in items:
            if isinstance(item, Transition) and isinstance(item.event, Succeeded):
                state = self._desk.cache.peek(item.run_id)
                path = item.event.ref.step_id
                number = None if state is None else state.plan.index.get(path)
                if state is not None and (number is None or state.plan.dependents[number]):
                    count += 1
        return count
