"""What is read: runs, their events, steps and files; two runs beside each other; why a run is where it is."""

from chassis import filtering, paging
from chassis.database import Transaction
from chassis.errors import Invalid
from engine import explaining
from engine.api.common import Base, Context, decider, live
from engine.domain import RunStatus
from engine.records import RunRecord
from engine.store import artifacts as artifact_store
from engine.store import runs as store
from engine.watch import refuse_pruned
from engine.wire import comparing, explanations
from engine.wire import events as event_wire
from engine.wire import runs as run_wire
from mcpanel.engine.v1 import engine_pb2, run_pb2


class Reads(Base):
    """Reads."""

    async def GetRun(self, request: engine_pb2.GetRunRequest, context: Context) -> engine_pb2.GetRunResponse:
        full = request.view != engine_pb2.BASIC
        who = await self.reader()
        async with self.db.read() as tx:
            run = await store.get(tx, request.run_id, who, full=full)
            waits = await store.waiting_for(tx, live([run]))
            ids = await artifact_store.ids(tx, run.id, run_wire.contents(run.inputs, run.outputs))
            costs = await store.costs(tx, [run.id])
        return engine_pb2.GetRunResponse(run=run_wire.run(run, waits.get(run.id, ""), ids, costs.get(run.id)))

    async def ListRuns(
        self, request: engine_pb2.ListRunsRequest, context: Context
    ) -> engine_pb2.ListRunsResponse:
        page = paging.parse(request, bound=request.filter)
        wanted = filtering.parse(request.filter)
        who = await self.reader()
        async with self.db.read() as tx:
            rows = await store.page_after(tx, wanted, who, page.after, page.limit)
            found, token = page.cut(rows, key=lambda one: (one.id,))
            waits = await store.waiting_for(tx, live(found))
            costs = await store.costs(tx, [one.id for one in found])
        runs = [run_wire.run(one, waits.get(one.id, ""), cost=costs.get(one.id)) for one in found]
        return engine_pb2.ListRunsResponse(runs=runs, next_page_token=token)

    async def ListRunEvents(
        self, request: engine_pb2.ListRunEventsRequest, context: Context
    ) -> engine_pb2.ListRunEventsResponse:
        page = paging.parse(request, bound=(request.run_id, request.after_seq))
        after = request.after_seq if page.after is None else int(str(page.after[0]))
        who = await self.reader()
        async with self.db.read() as tx:
            run = await store.get(tx, request.run_id, who, full=False)
            rows = await store.events_after(tx, request.run_id, after, page.limit)
        if RunStatus(run.status).ended and after < run.last_seq:
            refuse_pruned(run.id, run.last_seq, rows)
        found, token = page.cut(rows, key=lambda one: (one.seq,))
        return engine_pb2.ListRunEventsResponse(
            events=[event_wire.event(one) for one in found], next_page_token=token
        )

    async def _steps(self, tx: Transaction, run: RunRecord) -> list[run_pb2.StepExecution]:
        """The run's steps, large values without the ids of their artifacts."""
        steps = await store.steps(tx, run.id)
        attempts = await store.attempts_of(tx, run.id)
        return run_wire.step_executions(run.id, await self.entries(tx, run, steps), steps, attempts)

    async def CompareRuns(
        self, request: engine_pb2.CompareRunsRequest, context: Context
    ) -> engine_pb2.CompareRunsResponse:
        who = await self.reader()
        async with self.db.read() as tx:
            one = await store.get(tx, request.run_id, who)
            other_id = request.other_run_id or one.rerun_of
            if not other_id:
                raise Invalid("INVALID_FIELD", "other_run_id is required: the run repeats no other")
            other = await store.get(tx, other_id, who)
            # Equal contents are artifacts of each run, with ids of their own.
            steps = await self._steps(tx, one), await self._steps(tx, other)
        return comparing.response(run_wire.run(one), run_wire.run(other), *steps)

    async def ExplainRun(
        self, request: engine_pb2.ExplainRunRequest, context: Context
    ) -> engine_pb2.ExplainRunResponse:
        who = await self.reader()
        async with self.db.read() as tx:
            run = await store.get(tx, request.run_id, who, full=False)
            steps = await store.steps(tx, run.id, full=False)
            plan = await self.plan(tx, run)
            facts = await self.dispatcher.facts(tx, run, plan, steps)
            waits = await store.waiting_for(tx, live([run]))
        explanation = explaining.explain(run, plan, steps, facts, decider())
        return explanations.response(run_wire.run(run, waits.get(run.id, "")), explanation)

    async def ListArtifacts(
        self, request: engine_pb2.ListArtifactsRequest, context: Context
    ) -> engine_pb2.ListArtifactsResponse:
        page = paging.parse(request, bound=request.run_id)
        who = await self.reader()
        async with self.db.read() as tx:
            await store.get(tx, request.run_id, who, full=False)
            rows = await artifact_store.page_after(tx, request.run_id, page.after, page.limit)
        found, token = page.cut(rows, key=lambda one: (one.id,))
        return engine_pb2.ListArtifactsResponse(
            artifacts=[run_wire.artifact(one) for one in found], next_page_token=token
        )
