"""Starts the runs that follow others: what follows is noted in the commit that ends a run, and done by this loop."""

import asyncio
import logging
import time
from typing import Final

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from chassis import jsonvalue
from chassis.context import Call, use
from chassis.database import Database
from chassis.errors import ServiceError
from chassis.jsonvalue import Json
from chassis.signals import Signal
from engine import failpoints, standing, triggers
from engine.firing import run_of
from engine.owners import Owners, in_parallel
from engine.reads import Reads
from engine.starting import Started, Starter, Wish
from engine.store import triggers as store
from engine.store.triggers import Ended, FollowUp

log = logging.getLogger(__name__)

_MOST: Final = 50
_BREATH: Final = 0.1
"""Seconds between looks, however many runs end."""
_RARELY: Final = 3600.0


class Following:
    """Acts for triggers upon runs that ended. Every replica has one; a row for each of them decides which acts."""

    def __init__(
        self,
        db: Database,
        reads: Reads,
        starter: Starter,
        owners: Owners,
        *,
        run_ended: Signal,
        poll: float,
    ) -> None:
        """`run_ended` rings when a run ended here; `poll` finds the others, every so many seconds."""
        self._db = db
        self._reads = reads
        self._starter = starter
        self._owners = owners
        self._run_ended = run_ended
        self._poll = poll
        self._rarely = 0.0

    async def run(self) -> None:
        """Follows for ever."""
        while True:
            more = False
            try:
                more = await self.round()
            except (SQLAlchemyError, psycopg.Error, ServiceError, OSError) as error:
                log.warning("ended runs could not be looked at", extra={"error": type(error).__name__})
            await asyncio.sleep(_BREATH)
            if not more:
                await self._run_ended.wait(self._poll)

    async def round(self) -> bool:
        """Acts upon what has to be followed now; returns whether there may be more."""
        found: list[FollowUp] = []
        ((is_any,),) = (await self._reads.run(store.ANY_TO_FOLLOW))[0]
        if is_any:
            async with self._db.read() as tx:
                found = await store.to_follow(tx, _MOST)
        await in_parallel(self._follow(one) for one in found)
        if time.monotonic() >= self._rarely:
            self._rarely = time.monotonic() + _RARELY
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await store.forget_old(tx)
        return len(found) == _MOST

    async def _follow(self, one: FollowUp) -> None:
        try:
            await self._start(one)
        except (SQLAlchemyError, OSError) as error:
            log.warning("a trigger waits for the database", extra={"error": type(error).__name__})
        except Exception as error:  # whatever it is, the others go on
            await self._postpone(one, error)

    async def _start(self, one: FollowUp) -> None:
        """Starts the run, or records why there is none. Raises what may pass."""
        call: Call | None = None
        wish: Wish | None = None
        error = ""
        try:
            triggers.check_depth(one.run.depth, one.run.id)
            call = await self._owners.call(one.trigger.owner)
            wish = await self._wish(one, call)
        except Exception as failure:
            if not standing.gives_up(failure, one.tries + 1):
                raise
            error = standing.sentence(failure)
            _log(failure, one)
        started: Started | None = None
        try:
            with use(call):
                async with self._db.begin(idempotent=False, audited=False) as tx:
                    if not await store.claim_follow_up(tx, one):
                        return
                    if wish is not None:
                        try:
                            started = await self._starter.add(tx, wish)
                        except ServiceError as failure:
                            error = standing.sentence(failure)
                    run_id = None if started is None else run_of(started)
                    await store.settle_follow_up(tx, one, run_id, error)
                    is_public = None if wish is None else wish.prepared.is_public
                    last = triggers.last_start(tx.now.isoformat(), f"run:{one.run.id}", run_id or "", error)
                    await store.note(tx, one.trigger.id, last, is_public=is_public)
                    failpoints.reach("follow.before")
        except BaseException:
            if started is not None:
                self._starter.abandoned(started)
            raise
        failpoints.reach("follow.after")
        if started is not None:
            self._starter.committed(started)

    async def _wish(self, one: FollowUp, call: Call) -> Wish:
        run, caller = one.run, call.caller
        mine = caller.id in (run.started_by, run.owner_id)
        knows = run.is_public or mine or call.may_others()
        if not (knows or await self._owners.is_given(caller, run.workflow_id)):
            raise standing.may_not_start(caller.id, f"run '{run.id}' is private to somebody else")
        given = triggers.inputs_for(one.trigger, happened(run))
        trigger = one.trigger
        prepared, inputs = await self._owners.prepare(
            call, trigger.workflow_id, trigger.workflow_version, given
        )
        return Wish(prepared, inputs, triggered_by=f"run:{run.id}")

    async def _postpone(self, one: FollowUp, error: Exception) -> None:
        _log(error, one)
        text = standing.sentence(error)
        try:
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await store.postpone(tx, one, standing.delay(one.tries + 1), text)
                last = triggers.last_start(
                    tx.now.isoformat(), f"run:{one.run.id}", "", f"{text}; it is tried again"
                )
                await store.note(tx, one.trigger.id, last)
        except (SQLAlchemyError, OSError) as failure:
            log.warning("a trigger waits for the database", extra={"error": type(failure).__name__})


def happened(run: Ended) -> dict[str, Json]:
    """The run that ended, as a trigger's expressions read it."""
    error = run.error or {}
    return {
        "id": run.id,
        "workflow": run.workflow_name,
        "status": run.status,
        "inputs": jsonvalue.parse(run.inputs),
        "outputs": {} if run.outputs is None else jsonvalue.parse(run.outputs),
        "error": {"kind": error.get("kind", ""), "message": error.get("message", "")},
    }


def _log(error: BaseException, one: FollowUp) -> None:
    extra = {"trigger_id": one.trigger.id, "run_id": one.run.id, "error": standing.sentence(error)}
    if isinstance(error, ServiceError):
        log.warning("a trigger could not start its run", extra=extra)
    else:
        log.error("a trigger could not start its run", exc_info=error, extra=extra)
