"""EngineService: starts runs, and tells what they do."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import grpc.aio

from chassis import filtering, outbox, paging
from chassis.context import Caller, current
from chassis.database import Database, Transaction
from chassis.errors import Precondition, ServiceError
from chassis.ids import uuid7
from chassis.jsonvalue import Json
from engine import failpoints, inputs, machine
from engine.artifacts import ArtifactStore
from engine.catalogue import Catalogue, Prepared
from engine.dispatch.dispatcher import Dispatcher
from engine.dispatch.unit import Unit
from engine.domain import Payload, RunStatus
from engine.records import RunInfo, RunRecord
from engine.state import CancelRequested
from engine.store import artifacts as artifact_store
from engine.store import hot
from engine.store import runs as store
from engine.store.runs import Reader
from engine.watch import Watcher
from engine.wire import events as event_wire
from engine.wire import plans as plan_wire
from engine.wire import runs as run_wire
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
_ADMIN: Final = "Admin"
_SHOWN_INPUTS: Final = 4096


class Engine(engine_pb2_grpc.EngineServiceServicer):
    """The servicer."""

    def __init__(
        self,
        db: Database,
        catalogue: Catalogue,
        dispatcher: Dispatcher,
        watcher: Watcher,
        files: ArtifactStore,
    ) -> None:
        self.db = db
        self.catalogue = catalogue
        self.dispatcher = dispatcher
        self.watcher = watcher
        self.files = files

    async def StartRun(
        self, request: engine_pb2.StartRunRequest, context: Context
    ) -> engine_pb2.StartRunResponse:
        try:
            prepared, given = await self._prepare(request)
        except ServiceError:
            if current().request_id:
                async with self.db.begin():  # a repeat is answered as before, whatever has changed since
                    pass
            raise
        unit: Unit | None = None
        try:
            async with self.db.begin() as tx:
                unit = self._new_run(tx, prepared, given)
                self.dispatcher.place(unit)
                commands = [*self._ingredients(prepared), *self.dispatcher.commands(unit)]
                await hot.run(await tx.raw(), [*commands, _audited(tx, unit)])
                answer = tx.reply(engine_pb2.StartRunResponse(run=run_wire.run(_record(unit), _waits(unit))))
                failpoints.reach("start.before")
        except BaseException:
            if unit is not None:
                self.dispatcher.abandoned(unit)
            raise
        failpoints.reach("start.after")
        self.dispatcher.committed(unit)
        self.dispatcher.plans.stored(prepared.plan.digest)
        return answer

    async def _prepare(self, request: engine_pb2.StartRunRequest) -> tuple[Prepared, Payload]:
        prepared = await self.catalogue.prepare(request.workflow, request.workflow_version)
        given = inputs.resolve(prepared.declared, plan_wire.given(request.inputs))
        kinds = {step.kind for step in prepared.plan.steps if not step.in_engine}
        missing = await self.dispatcher.missing_kinds(kinds)
        if missing:
            names = ", ".join(sorted(missing))
            raise Precondition(
                "NO_WORKER_FOR_TYPE",
                f"no connected worker runs components of type {names}",
                metadata={"types": names},
                resource=("workflow", prepared.name),
            )
        return prepared, given

    def _new_run(self, tx: Transaction, prepared: Prepared, given: Payload) -> Unit:
        caller, call = current().caller.effective, current()
        info = RunInfo(
            id=uuid7(tx.now),
            workflow_id=prepared.workflow_id,
            workflow_name=prepared.name,
            workflow_version=prepared.version,
            is_public=prepared.is_public,
            owner_id=prepared.owner_id,
            started_by=caller.id,
            started_by_kind=caller.kind,
            started_by_name=caller.name,
            trace_id=call.trace_id,
        )
        return Unit.create(info, machine.create(info.id, prepared.plan, given, tx.now), tx.now)

    def _ingredients(self, prepared: Prepared) -> list[hot.Command]:
        """What the run is made of, where the database does not have it yet."""
        if self.dispatcher.plans.is_stored(prepared.plan.digest):
            return []
        versions = [hot.version_sql(one.id, one.SerializeToString()) for one in prepared.versions]
        return [hot.plan_sql(prepared.plan.digest, prepared.body), *versions]

    async def GetRun(self, request: engine_pb2.GetRunRequest, context: Context) -> engine_pb2.GetRunResponse:
        full = request.view != engine_pb2.BASIC
        async with self.db.read() as tx:
            run = await store.get(tx, request.run_id, _reader(), full=full)
            waits = await store.waiting_for(tx, _live([run]))
        return engine_pb2.GetRunResponse(run=run_wire.run(run, waits.get(run.id, "")))

    async def ListRuns(
        self, request: engine_pb2.ListRunsRequest, context: Context
    ) -> engine_pb2.ListRunsResponse:
        page = paging.parse(request, bound=request.filter)
        wanted = filtering.parse(request.filter)
        async with self.db.read() as tx:
            rows = await store.page_after(tx, wanted, _reader(), page.after, page.limit)
            found, token = page.cut(rows, key=lambda one: (one.id,))
            waits = await store.waiting_for(tx, _live(found))
        runs = [run_wire.run(one, waits.get(one.id, "")) for one in found]
        return engine_pb2.ListRunsResponse(runs=runs, next_page_token=token)

    async def CancelRun(
        self, request: engine_pb2.CancelRunRequest, context: Context
    ) -> engine_pb2.CancelRunResponse:
        async with self.db.begin() as tx:
            before = await store.get(tx, request.run_id, _reader())
            unit = await self._locked(tx, request.run_id)
            if unit.state.status in (RunStatus.SUCCESS, RunStatus.FAILED):
                raise Precondition(
                    "RUN_ENDED",
                    f"run '{request.run_id}' is {unit.state.status}; there is nothing to cancel",
                    resource=("run", request.run_id),
                    allowed=(RunStatus.PENDING, RunStatus.RUNNING),
                )
            unit.apply(CancelRequested(request.reason))
            if unit.is_changed:
                await hot.run(await tx.raw(), self.dispatcher.commands(unit))
            after = _record(unit)
            await outbox.add(
                tx,
                entity=("run", request.run_id),
                old={"status": before.status},
                new={"status": after.status},
                details={"reason": request.reason} if request.reason else None,
            )
            answer = tx.reply(engine_pb2.CancelRunResponse(run=run_wire.run(after, _waits(unit))))
            failpoints.reach("cancel.before")
        failpoints.reach("cancel.after")
        if unit.is_changed:
            self.dispatcher.committed(unit)
        return answer

    async def _locked(self, tx: Transaction, run_id: str) -> Unit:
        """The run, locked and as it is now."""
        connection = await tx.raw()
        rows = (await hot.run(connection, [hot.lock_one_sql(run_id)]))[0]
        if not rows:
            raise store.not_found(run_id)
        info, state = (await self.dispatcher.plans.load(partial(hot.run, connection), [run_id]))[run_id]
        _, version, last_seq, now = rows[0]
        return Unit(info, state, version, last_seq, now)

    async def WatchRun(
        self, request: engine_pb2.WatchRunRequest, context: Context
    ) -> AsyncIterator[engine_pb2.WatchRunResponse]:
        draining = current().draining
        async for message in self.watcher.watch(request.run_id, request.after_seq, _reader(), draining):
            yield message

    async def ListRunEvents(
        self, request: engine_pb2.ListRunEventsRequest, context: Context
    ) -> engine_pb2.ListRunEventsResponse:
        page = paging.parse(request, bound=(request.run_id, request.after_seq))
        after = request.after_seq if page.after is None else int(str(page.after[0]))
        async with self.db.read() as tx:
            await store.get(tx, request.run_id, _reader(), full=False)
            rows = await store.events_after(tx, request.run_id, after, page.limit)
        found, token = page.cut(rows, key=lambda one: (one.seq,))
        return engine_pb2.ListRunEventsResponse(
            events=[event_wire.event(one) for one in found], next_page_token=token
        )

    async def ListStepExecutions(
        self, request: engine_pb2.ListStepExecutionsRequest, context: Context
    ) -> engine_pb2.ListStepExecutionsResponse:
        full = request.view == engine_pb2.FULL
        async with self.db.read() as tx:
            run = await store.get(tx, request.run_id, _reader(), full=False)
            steps = await store.steps(tx, run.id, full=full)
            attempts = await store.attempts_of(tx, run.id)
            plan = self.dispatcher.plans.known(run.plan) or self.dispatcher.plans.compiled(
                await store.plan_body(tx, run.plan), run.plan
            )
        return engine_pb2.ListStepExecutionsResponse(
            step_executions=run_wire.step_executions(run.id, plan, steps, attempts)
        )

    async def ListArtifacts(
        self, request: engine_pb2.ListArtifactsRequest, context: Context
    ) -> engine_pb2.ListArtifactsResponse:
        page = paging.parse(request, bound=request.run_id)
        async with self.db.read() as tx:
            await store.get(tx, request.run_id, _reader(), full=False)
            rows = await artifact_store.page_after(tx, request.run_id, page.after, page.limit)
        found, token = page.cut(rows, key=lambda one: (one.id,))
        return engine_pb2.ListArtifactsResponse(
            artifacts=[run_wire.artifact(one) for one in found], next_page_token=token
        )

    async def ReadArtifact(
        self, request: engine_pb2.ReadArtifactRequest, context: Context
    ) -> AsyncIterator[engine_pb2.ReadArtifactResponse]:
        async with self.db.read() as tx:
            record = await artifact_store.get(tx, request.artifact_id, _reader())
        yield engine_pb2.ReadArtifactResponse(artifact=run_wire.artifact(record))
        sent = 0
        async for chunk in self.files.read(record.sha256):
            sent += len(chunk)
            yield engine_pb2.ReadArtifactResponse(chunk=chunk)
        yield engine_pb2.ReadArtifactResponse(end=engine_pb2.ReadArtifactResponse.End(size_bytes=sent))


def _reader() -> Reader:
    """Administrators and the suite's own services see every run."""
    caller: Caller = current().caller.effective
    return Reader(None if caller.kind == "service" or _ADMIN in caller.roles else caller.id)


def _live(runs: list[RunRecord]) -> list[RunRecord]:
    return [one for one in runs if not RunStatus(one.status).ended]


def _waits(unit: Unit) -> str:
    return machine.waiting_for(unit.state, unit.now)


def _record(unit: Unit) -> RunRecord:
    return run_wire.record_of(unit.info, unit.state, unit.last_seq, unit.now)


def _audited(tx: Transaction, unit: Unit) -> hot.Command:
    """The audit record of a new run; in the same round trip as the run."""
    details: dict[str, Json] = {"new": outbox.masked(_facts(unit))}
    record = outbox.record(current().action, tx.now, current(), entity=("run", unit.info.id), details=details)
    tx.outboxed += 1
    outbox.covered(tx)
    return hot.outbox_sql(record)


def _facts(unit: Unit) -> dict[str, Any]:
    """What the action log says of a new run."""
    given = unit.state.inputs
    shown = given.value if len(given.raw) <= _SHOWN_INPUTS else f"{len(given.raw)} bytes"
    return {
        "workflow_id": unit.info.workflow_id,
        "workflow": unit.info.workflow_name,
        "workflow_version": unit.info.workflow_version,
        "inputs": shown,
    }
