"""Starts the runs of schedules: a loop that every replica has. A row for each fire time decides which of them acts."""

import asyncio
import logging
import time
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from chassis import jsonvalue
from chassis.context import Call, use
from chassis.database import Database, Transaction
from chassis.errors import ServiceError
from engine import failpoints, standing
from engine.owners import Owners, in_parallel
from engine.schedules import Schedule
from engine.starting import Started, Starter, Wish
from engine.store import schedules as store
from engine.times import Due

log = logging.getLogger(__name__)

_MOST: Final = 50
_RARELY: Final = 3600.0


class _Lost(Exception):
    """Another replica acted, or people changed the schedule meanwhile."""


class Firing:
    """Fires schedules whose time has come, by the database's clock."""

    def __init__(self, db: Database, starter: Starter, owners: Owners, poll: float) -> None:
        """`poll`: how often it looks, in seconds, when nothing is known to be due sooner."""
        self._db = db
        self._starter = starter
        self._owners = owners
        self._poll = poll
        self._rarely = 0.0

    async def run(self) -> None:
        """Fires for ever."""
        while True:
            try:
                left = await self.round()
            except (SQLAlchemyError, ServiceError, OSError) as error:
                log.warning("schedules could not be looked at", extra={"error": type(error).__name__})
                left = None
            await asyncio.sleep(self._poll if left is None else min(self._poll, max(0.01, left)))

    async def round(self) -> float | None:
        """Fires what is due now; returns the seconds until the next one is, where that is known."""
        async with self._db.read() as tx:
            due, now = await store.due(tx, _MOST)
        await in_parallel(self._fire_all(schedule, now) for schedule in due)
        if time.monotonic() >= self._rarely:
            self._rarely = time.monotonic() + _RARELY
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await store.forget_old(tx)
        async with self._db.read() as tx:
            return await store.seconds_to_next(tx)

    async def now(self, schedule: Schedule, call: Call) -> "Manual":
        """A run of the schedule that people asked for, ready to be written. Raises like Owners and Starter."""
        return Manual(self._starter, call, await self._wish(schedule, call))

    async def _fire_all(self, schedule: Schedule, now: datetime) -> None:
        try:
            due = schedule.due(now)
            if not due.fires:
                await self._pass_over(schedule, due)
            for number, fire_time in enumerate(due.fires):
                following = due.fires[number + 1] if number + 1 < len(due.fires) else due.next
                await self._fire(schedule, fire_time, following, 0 if number else due.skipped)
                schedule = replace(schedule, next_fire_at=following, tries=0)
        except _Lost:
            return
        except (SQLAlchemyError, OSError) as error:
            log.warning("a schedule waits for the database", extra={"error": type(error).__name__})
            await asyncio.sleep(self._poll)
        except Exception as error:  # whatever it is, the other schedules go on
            await self._failed(schedule, error)

    async def _fire(
        self, schedule: Schedule, fire_time: datetime, following: datetime | None, skipped: int
    ) -> None:
        """Starts the run of one fire time, or records why there is none. Raises _Lost, and what may pass."""
        call: Call | None = None
        wish: Wish | None = None
        error = ""
        try:
            call = await self._owners.call(schedule.owner)
            wish = await self._wish(schedule, call)
        except Exception as failure:
            if not standing.gives_up(failure, schedule.tries + 1):
                raise
            error = standing.sentence(failure)
            _log(failure, schedule)
        started: Started | None = None
        try:
            with use(call):
                async with self._db.begin(idempotent=False, audited=False) as tx:
                    if not await store.move_on(tx, schedule, following, skipped):
                        raise _Lost
                    if not await store.claim(tx, schedule.id, fire_time):
                        return
                    if wish is not None:
                        started, error = await self._add(tx, wish)
                    run_id = None if started is None else run_of(started)
                    await store.settle(tx, schedule.id, fire_time, run_id, error)
                    is_public = None if wish is None else wish.prepared.is_public
                    last = last_fire(fire_time, tx.now, run_id, error)
                    await store.note(tx, schedule.id, last, is_public=is_public)
                    failpoints.reach("fire.before")
        except BaseException:
            if started is not None:
                self._starter.abandoned(started)
            raise
        failpoints.reach("fire.after")
        if started is not None:
            self._starter.committed(started)

    async def _add(self, tx: Transaction, wish: Wish) -> tuple[Started | None, str]:
        """The run; or why there is no room for it, which is decided before anything is written."""
        try:
            return await self._starter.add(tx, wish), ""
        except ServiceError as error:
            return None, standing.sentence(error)

    async def _wish(self, schedule: Schedule, call: Call) -> Wish:
        given = jsonvalue.parse_object(schedule.inputs)
        prepared, inputs = await self._owners.prepare(
            call, schedule.workflow_id, schedule.workflow_version, given
        )
        return Wish(prepared, inputs, triggered_by=f"schedule:{schedule.id}")

    async def _pass_over(self, schedule: Schedule, due: Due) -> None:
        async with self._db.begin(idempotent=False, audited=False) as tx:
            await store.move_on(tx, schedule, due.next, due.skipped)

    async def _failed(self, schedule: Schedule, error: Exception) -> None:
        """Nothing was decided yet: it is tried again later."""
        _log(error, schedule)
        seconds = standing.delay(schedule.tries + 1)
        try:
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await store.postpone(tx, schedule, seconds, standing.sentence(error))
        except (SQLAlchemyError, OSError) as failure:
            log.warning("a schedule waits for the database", extra={"error": type(failure).__name__})


class Manual:
    """A run of a schedule that people asked for: written in their transaction, with its owner's rights."""

    def __init__(self, starter: Starter, call: Call, wish: Wish) -> None:
        self._starter = starter
        self._call = call
        self._wish = wish
        self.started: Started | None = None

    async def add(self, tx: Transaction) -> Started:
        """Writes the run. Raises like Starter.add."""
        with use(self._call):
            self.started = await self._starter.add(tx, self._wish)
        return self.started

    def committed(self) -> None:
        """The transaction was committed."""
        if self.started is not None:
            self._starter.committed(self.started)

    def abandoned(self) -> None:
        """The transaction was not."""
        if self.started is not None:
            self._starter.abandoned(self.started)


def run_of(started: Started) -> str:
    """The id of the run that was started, or of the one that is as good."""
    return started.units[0].info.id if started.existing is None else started.existing.id


def last_fire(fire_time: datetime, now: datetime, run_id: str | None, error: str) -> dict[str, str]:
    """What became of a fire time, as the schedule keeps it."""
    return {
        "fire_time": fire_time.isoformat(),
        "time": now.isoformat(),
        "run_id": run_id or "",
        "error": error,
    }


def _log(error: BaseException, schedule: Schedule) -> None:
    extra = {"schedule_id": schedule.id, "error": standing.sentence(error)}
    if isinstance(error, ServiceError):
        log.warning("a schedule could not start its run", extra=extra)
    else:
        log.error("a schedule could not start its run", exc_info=error, extra=extra)
