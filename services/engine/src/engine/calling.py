"""Calls of components by attempts that run: each is a run of its own, found again by whoever repeats the call."""

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from chassis.context import ANONYMOUS, Call, Caller, Kind, current, use
from chassis.database import Database
from chassis.errors import Conflict, Denied, ServiceError
from chassis.jsonvalue import Json
from engine import failpoints
from engine.dispatch.dispatcher import Dispatcher
from engine.domain import Budget, CalledUsage, Ref
from engine.firing import run_of
from engine.reads import Reads
from engine.records import RunRecord
from engine.starting import Started, Starter, Wish
from engine.store import calls as store
from engine.store import runs as runs_store
from engine.store.calls import CallingRun
from engine.store.runs import Reader
from engine.watch import Watcher

log = logging.getLogger(__name__)

_ALL: Final = Reader(None)
_HIGHEST: Final = 2**31 - 1
_KINDS: Final[Mapping[str, Kind]] = {"user": "user", "api_key": "api_key", "service": "service"}


@dataclass(frozen=True, slots=True)
class ComponentCall:
    """A call that an attempt makes."""

    ref: Ref
    number: int
    """Among the attempt's calls, from 1."""
    version_id: str
    inputs: Mapping[str, Json]
    budget: Budget | None = None
    """What each of its attempts may use of language models, at most."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A call's run that has ended, and what it used of language models; None when it asked none."""

    run: RunRecord
    used: CalledUsage | None


class Calls:
    """Makes calls, follows them, and cancels those that nobody waits for any more. Replicas may do so at once."""

    def __init__(
        self,
        db: Database,
        reads: Reads,
        starter: Starter,
        dispatcher: Dispatcher,
        *,
        watcher: Watcher,
        poll: float,
    ) -> None:
        """`poll`: how often it looks for calls that nobody waits for, in seconds."""
        self._db = db
        self._reads = reads
        self._starter = starter
        self._dispatcher = dispatcher
        self._watcher = watcher
        self._poll = poll

    async def begin(self, call: ComponentCall) -> str:
        """The id of the call's run, which is there from now on.

        Raises Conflict STALE_EPOCH, Denied NOT_A_TOOL, and what `Starter.prepare` raises.
        """
        async with self._db.read() as tx:
            run = await store.calling(tx, call.ref)
            known = await store.find(tx, call.ref, call.number)
        if run is None:
            raise stale(call.ref)
        if known is not None:
            return known
        await self._require_tool(run, call)
        with use(dataclasses.replace(current(), caller=ANONYMOUS)):
            prepared, inputs = await self._starter.prepare_call(call.version_id, call.inputs)
        prepared = dataclasses.replace(prepared, owner_id=run.owner_id, is_public=run.is_public)
        wish = Wish(
            prepared,
            inputs,
            # Before the caller's equals: they wait for slots that it may have given up for this.
            priority=min(run.priority + 1, _HIGHEST),
            triggered_by=f"{store.STARTED}{call.ref.run_id}/{call.ref.step_id}",
            counts=False,
            budget=call.budget,
        )
        with use(_on_behalf_of(run)):
            return await self._start(call, wish)

    async def follow(self, run_id: str, draining: asyncio.Event) -> AsyncIterator[Ended | None]:
        """The call's run once it has ended; before that None, now and then, for as long as it goes on.

        Raises Unavailable when this process is stopping: the call goes on, and whoever repeats it follows it.
        """
        async for _ in self._watcher.until_ended(run_id, draining):
            yield None
        async with self._db.read() as tx:
            record = await runs_store.get(tx, run_id, _ALL)
            used = await store.used(tx, run_id)
        yield Ended(record, used)

    async def run(self) -> None:
        """Looks after calls for ever."""
        while True:
            await asyncio.sleep(self._poll)
            try:
                await self.round()
            except (SQLAlchemyError, psycopg.Error, ServiceError, OSError) as error:
                log.warning(
                    "calls of components could not be looked at", extra={"error": type(error).__name__}
                )

    async def round(self) -> None:
        """Cancels the runs of calls whose attempts have ended, and closes the calls whose runs have."""
        [rows] = await self._reads.run(store.TO_CLOSE)
        for run_id, is_live in rows:
            if is_live:
                self._dispatcher.cancel(run_id, "the step that called it waits for it no more")
        ended = [run_id for run_id, is_live in rows if not is_live]
        if ended:
            async with self._db.begin(idempotent=False, audited=False) as tx:
                await store.close(tx, ended)

    async def _require_tool(self, run: CallingRun, call: ComponentCall) -> None:
        """Returns when the version that the attempt runs names the one called. Raises Denied NOT_A_TOOL."""
        plans = self._dispatcher.plans
        plan = plans.known(run.plan)
        if plan is None:
            async with self._db.read() as tx:
                body = await runs_store.plan_body(tx, run.plan)
            plan = plans.compiled(body, run.plan)
        step = plan.find(call.ref.step_id)
        version = None if step is None else await self._dispatcher.components.get(step.version_id)
        if version is None or call.version_id not in {tool.version_id for tool in version.tools}:
            raise Denied(
                "NOT_A_TOOL",
                f"step '{call.ref.step_id}' may not call version '{call.version_id}', which is none of its tools",
                resource=("version", call.version_id),
            )

    async def _start(self, call: ComponentCall, wish: Wish) -> str:
        started: Started | None = None
        try:
            async with self._db.begin(idempotent=False, audited=False) as tx:
                if not await store.claim(tx, call.ref, call.number):
                    run_id = await store.find(tx, call.ref, call.number)
                    if run_id is None:
                        raise stale(call.ref)
                    return run_id
                started = await self._starter.add(tx, wish)
                run_id = run_of(started)
                await store.settle(tx, call.ref, call.number, run_id)
                failpoints.reach("call.before")
        except BaseException:
            if started is not None:
                self._starter.abandoned(started)
            raise
        failpoints.reach("call.after")
        self._starter.committed(started)
        return run_id


def stale(ref: Ref) -> Conflict:
    """The attempt does not run any more, or is being stopped."""
    return Conflict(
        "STALE_EPOCH",
        f"attempt {ref.attempt} at step '{ref.step_id}' of run '{ref.run_id}' does not run any more",
        metadata={"epoch": str(ref.epoch)},
    )


def _on_behalf_of(run: CallingRun) -> Call:
    """A call by whoever started the run, to start another in: without a credential, and of no rights of its own."""
    call = current()
    kind = _KINDS.get(run.started_by_kind, "user")
    return Call(
        method=call.method,
        trace_id=run.trace_id,
        rule=call.rule,
        caller=Caller(id=run.started_by, kind=kind, name=run.started_by_name),
        deadline=call.deadline,
    )
