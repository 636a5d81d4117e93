"""StartRun, RerunRun and TestVersion."""

from typing import Final

from chassis.context import current, utcnow
from chassis.errors import Precondition, ServiceError
from chassis.jsonvalue import Json
from engine import failpoints, requests
from engine.api.common import Base, Context, record, waits
from engine.domain import RunStatus
from engine.records import RunRecord
from engine.reruns import Rerun, copies_of, fresh
from engine.starting import NOBODY, Started, Wish
from engine.store import reruns as store
from engine.store import runs as runs_store
from engine.wire import events as event_wire
from engine.wire import plans as plan_wire
from engine.wire import runs as run_wire
from mcpanel.engine.v1 import engine_pb2, run_pb2

_TEST: Final = "test:"
"""What `triggered_by` begins with in runs of one component's version."""


class Starts(Base):
    """New runs."""

    async def StartRun(
        self, request: engine_pb2.StartRunRequest, context: Context
    ) -> engine_pb2.StartRunResponse:
        now = utcnow()
        start_at = event_wire.moment(request.start_at) if request.HasField("start_at") else None
        requests.start(start_at, request.run_key, request.on_conflict, request.on_reuse, now)
        prepare = self.starter.prepare if start_at is None or start_at <= now else self.starter.checked
        try:
            given = plan_wire.given(request.inputs)
            prepared, inputs = await prepare(request.workflow, request.workflow_version, given)
        except ServiceError:
            if current().request_id:
                async with self.db.begin():  # a repeat is answered as before, whatever has changed since
                    pass
            raise
        wish = Wish(
            prepared,
            inputs,
            start_at=start_at,
            priority=request.priority if request.HasField("priority") else None,
            run_key=request.run_key,
            on_conflict=request.on_conflict or "refuse",
            on_reuse=request.on_reuse or "allow",
            reader=await self.reader() if request.run_key else NOBODY,
        )
        if self.starter.is_plain(wish) and not (current().request_id or current().validate_only):
            return engine_pb2.StartRunResponse(run=shown(await self.starter.together(wish)))
        started: Started | None = None
        try:
            async with self.db.begin() as tx:
                started = await self.starter.add(tx, wish)
                answer = tx.reply(engine_pb2.StartRunResponse(run=shown(started)))
                failpoints.reach("start.before")
        except BaseException:
            if started is not None:
                self.starter.abandoned(started)
            raise
        failpoints.reach("start.after")
        self.starter.committed(started)
        return answer

    async def RerunRun(
        self, request: engine_pb2.RerunRunRequest, context: Context
    ) -> engine_pb2.RerunRunResponse:
        requests.rerun(request.from_steps, from_start=request.from_start)
        rerun = Rerun(
            request.run_id,
            from_steps=tuple(request.from_steps),
            from_start=request.from_start,
            inputs=plan_wire.given(request.inputs),
            version=request.workflow_version,
        )
        try:
            wish = await self.rerun_wish(rerun)
        except ServiceError:
            if current().request_id:
                async with self.db.begin():
                    pass
            raise
        started: Started | None = None
        try:
            async with self.db.begin() as tx:
                started = await self.starter.add(tx, wish)
                answer = tx.reply(engine_pb2.RerunRunResponse(run=shown(started)))
                failpoints.reach("rerun.before")
        except BaseException:
            if started is not None:
                self.starter.abandoned(started)
            raise
        failpoints.reach("rerun.after")
        self.starter.committed(started)
        return answer

    async def TestVersion(
        self, request: engine_pb2.TestVersionRequest, context: Context
    ) -> engine_pb2.TestVersionResponse:
        timeout = request.timeout.ToTimedelta() if request.HasField("timeout") else None
        try:
            given = plan_wire.given(request.inputs)
            prepared, inputs = await self.starter.prepare_test(request.version_id, given, timeout)
        except ServiceError:
            if current().request_id:
                async with self.db.begin():
                    pass
            raise
        started: Started | None = None
        try:
            async with self.db.begin() as tx:
                wish = Wish(prepared, inputs, triggered_by=_TEST + request.version_id)
                started = await self.starter.add(tx, wish)
                answer = tx.reply(engine_pb2.TestVersionResponse(run=shown(started)))
        except BaseException:
            if started is not None:
                self.starter.abandoned(started)
            raise
        self.starter.committed(started)
        return answer

    async def rerun_wish(self, rerun: Rerun) -> Wish:
        """The run that repeats another. Raises NotFound RUN_NOT_FOUND, STEP_NOT_FOUND, Precondition RUN_NOT_ENDED."""
        who = await self.reader()
        async with self.db.read() as tx:
            old = await runs_store.get(tx, rerun.run_id, who)
            if not RunStatus(old.status).ended:
                raise _not_ended(old)
            done = {} if rerun.from_start else await store.outcomes(tx, old.id)
            plan = await self.plan(tx, old)
        given: dict[str, Json] = {**run_wire.inputs_of(old), **rerun.inputs}
        if old.workflow_id:
            version = rerun.version or old.workflow_version
            prepared, inputs = await self.starter.prepare(old.workflow_id, version, given)
        else:
            version_id = plan.steps[0].version_id
            prepared, inputs = await self.starter.prepare_test(version_id, given)
        again = fresh(prepared.plan, rerun.from_steps)
        return Wish(
            prepared,
            inputs,
            rerun_of=old.id,
            rerun_from=rerun.from_steps,
            triggered_by="" if old.workflow_id else _TEST + plan.steps[0].version_id,
            copies=copies_of(prepared.plan, old.id, done, again),
        )


def shown(started: Started) -> run_pb2.Run:
    """The new run, or the one that is as good."""
    if started.existing is not None:
        return run_wire.run(started.existing)
    return run_wire.run(record(started.units[0]), waits(started.units[0]))


def _not_ended(run: RunRecord) -> Precondition:
    return Precondition(
        "RUN_NOT_ENDED",
        f"run '{run.id}' is {run.status}; cancel it, or wait for its end",
        resource=("run", run.id),
        allowed=(RunStatus.SUCCESS, RunStatus.FAILED, RunStatus.ABORTED),
    )
