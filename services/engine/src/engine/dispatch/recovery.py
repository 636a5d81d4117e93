"""The loop that finds what got lost: it runs for ever, and everything it does may be done twice."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError

from chassis.database import Database
from chassis.errors import ServiceError
from chassis.signals import Signal
from engine import failpoints, telemetry
from engine.dispatch.committer import Committer
from engine.dispatch.desk import Desk
from engine.dispatch.gates import Gates
from engine.dispatch.items import Transition
from engine.domain import Ref
from engine.link import Link
from engine.reads import Reads
from engine.state import Lost, Tick
from engine.store import recovery as store
from engine.store import workers as workers_store

log = logging.getLogger(__name__)

_RARELY: Final = 30.0
_LAG: Final = 0.5
"""Seconds that a look around comes late when this process, or PostgreSQL, has too much to do."""


class Recovery:
    """Ends leases that ran out, looks for due work, repeats cancels, and wakes runs that stand still."""

    def __init__(
        self,
        db: Database,
        reads: Reads,
        link: Link,
        desk: Desk,
        committer: Committer,
        *,
        wake: Signal,
        lease: timedelta,
        poll: timedelta,
        gates: Gates,
    ) -> None:
        self._db = db
        self._reads = reads
        self._link = link
        self._desk = desk
        self._committer = committer
        self._wake = wake
        self._lease = lease.total_seconds()
        self._poll = poll.total_seconds()
        self._seen_epoch = -1
        self._patient_until = 0.0
        self._patient_since: float | None = None
        self._looked_at = _both_clocks()
        self._rarely = 0.0
        self._unheld: set[Ref] = set()
        self._soon = asyncio.Event()
        self._gates = gates

    async def run(self) -> None:
        """Looks around for ever."""
        while True:
            try:
                await self._look()
            except (DBAPIError, psycopg.Error, ServiceError, OSError) as error:
                log.warning("recovery could not look around", extra={"error": type(error).__name__})
                self._seen_epoch = -1
            self._soon.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._soon.wait(), self._poll)

    def look_for_lanes(self) -> None:
        """Has it look around at once: a worker may serve lanes that nobody did before."""
        self._soon.set()

    async def _look(self) -> None:
        workers = self._desk.sessions.ids()
        telemetry.WORKERS.set(len(workers))
        telemetry.BACKLOG.set(self._desk.backlog.total())
        seen = store.seen(await self._reads.run(*store.look_sql(workers)))
        self._be_patient()
        self._desk.backlog.to_scan.update(seen.lanes)
        failpoints.reach("recover.before")
        for worker_id in workers:
            self._desk.drain(worker_id, drained=worker_id in seen.drained)
        self._wake.set()
        if time.monotonic() >= self._patient_until:
            for worker_id, one in seen.expired:
                if not self._is_heard_of(worker_id, one):
                    self._committer.submit(Transition(one.run_id, Lost(one), overdue=one))
        for run_id in seen.overdue:
            self._committer.submit(Transition(run_id, Tick()))
        for worker_id, one in seen.stopping:
            self._desk.stop(worker_id, one, "the run is stopping")
        self._give_up_unheld(seen.held)
        for gate in (*seen.gates, *(f"limit:{key}" for key in seen.keys)):
            self._gates.waits(gate)
        await self._gates.forget_old()
        failpoints.reach("recover.after")
        if time.monotonic() >= self._rarely:
            self._rarely = time.monotonic() + _RARELY
            await self._look_closely(workers)

    def _be_patient(self) -> None:
        """While this process, or PostgreSQL, was away, no lease could be renewed: workers get one to come back.

        Away is a new connection to PostgreSQL, and a pause of this process, or of its machine, of half a lease. After
        a shorter one, what came meanwhile gets as long to be handled; while one follows another, a lease at most.
        """
        before, self._looked_at = self._looked_at, _both_clocks()
        paused = max(now - then for now, then in zip(self._looked_at, before, strict=True))
        now = time.monotonic()
        if self._link.epoch != self._seen_epoch or paused > self._poll + self._lease / 2:
            self._seen_epoch = self._link.epoch
            self._patient_until = now + self._lease
        elif paused > self._poll + _LAG:
            self._patient_since = self._patient_since or now
            until = min(now + paused, self._patient_since + self._lease)
            self._patient_until = max(self._patient_until, until)
        else:
            self._patient_since = None

    def _is_heard_of(self, worker_id: str, one: Ref) -> bool:
        """Whether a worker that is connected here holds it and gave a sign of life, be it one that is not recorded."""
        session = self._desk.sessions.get(worker_id)
        if session is None or session.closed or one not in session.held:
            return False
        return time.monotonic() - session.heard_at < self._lease

    def _give_up_unheld(self, held: Sequence[tuple[str, Ref]]) -> None:
        """Attempts recorded as running on a worker that is connected here, and does not hold them, are lost."""
        unheld: set[Ref] = set()
        for worker_id, one in held:
            session = self._desk.sessions.get(worker_id)
            if session is not None and one not in session.held:
                unheld.add(one)
        for one in unheld & self._unheld:
            self._committer.submit(
                Transition(one.run_id, Lost(one, "its worker does not hold it", began=False))
            )
        self._unheld = unheld

    async def _look_closely(self, workers: list[str]) -> None:
        async with self._db.read() as tx:
            still = await store.standing_still(tx)
        for run_id in still:
            log.error("a run stands still; it is woken", extra={"run_id": run_id})
            self._committer.submit(Transition(run_id, Tick()))
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await workers_store.forget_old(tx, workers)


def _both_clocks() -> tuple[float, float]:
    """Seconds, of the clock that stands while a machine is suspended, and of the one that jumps when it wakes."""
    return time.monotonic(), time.time()
