"""What the steps of a run did: one by one, on a time axis, line by line."""

from collections.abc import Iterable, Sequence
from typing import Final

from chassis import paging
from chassis.database import Transaction
from chassis.errors import NotFound
from engine import timeline
from engine.api.common import Base, Context
from engine.outline import Entry
from engine.records import Mark, RunRecord, StepRecord
from engine.store import artifacts as artifact_store
from engine.store import runs as store
from engine.wire import lines as line_wire
from engine.wire import runs as run_wire
from engine.wire import timelines
from mcpanel.engine.v1 import engine_pb2, run_pb2

_MOST_BYTES: Final = 3 * 1024 * 1024
"""How many bytes of inputs and outputs a page may hold: a message holds 4 MiB."""


class Steps(Base):
    """Calls about steps."""

    async def ListStepExecutions(
        self, request: engine_pb2.ListStepExecutionsRequest, context: Context
    ) -> engine_pb2.ListStepExecutionsResponse:
        statuses = {run_pb2.StepExecution.Status.Name(one) for one in request.statuses}
        bound = (request.run_id, request.view, request.prefix, *sorted(statuses))
        page = paging.parse(request, bound=bound)
        who = await self.reader()
        async with self.db.read() as tx:
            run = await store.get(tx, request.run_id, who, full=False)
            marks = await store.marks(tx, run.id)
            entries = [
                one
                for one in _after(await self.entries(tx, run, marks), page)
                if one.path.startswith(request.prefix) and (not statuses or _status(one, marks) in statuses)
            ]
            found, token = page.cut(entries[: page.limit], key=lambda one: (one.path,))
            paths = [one.path for one in found]
            steps = await store.steps(tx, run.id, full=request.view == engine_pb2.FULL, only=paths)
            attempts = await store.attempts_of(tx, run.id, paths)
            ids = await artifact_store.ids(tx, run.id, run_wire.contents_of(steps.values()))
        fitting = _fitting(found, steps)
        if fitting < len(found):
            found = found[:fitting]
            token = paging.token((found[-1].path,), page.bound)
        executions = run_wire.step_executions(run.id, found, steps, attempts, ids)
        return engine_pb2.ListStepExecutionsResponse(step_executions=executions, next_page_token=token)

    async def GetStepExecution(
        self, request: engine_pb2.GetStepExecutionRequest, context: Context
    ) -> engine_pb2.GetStepExecutionResponse:
        who = await self.reader()
        async with self.db.read() as tx:
            run = await store.get(tx, request.run_id, who, full=False)
            scene = await self._scene(tx, run)
            entry = next((one for one in scene.entries if one.path == request.step_id), None)
            if entry is None:
                raise NotFound(
                    "STEP_NOT_FOUND",
                    f"run '{run.id}' has no step '{request.step_id}'; ListStepExecutions lists those it has",
                    resource=("step", request.step_id),
                )
            full = request.view != engine_pb2.BASIC
            steps = await store.steps(tx, run.id, full=full, only=[entry.path])
            attempts = await store.attempts_of(tx, run.id, [entry.path])
            ids = await artifact_store.ids(tx, run.id, run_wire.contents_of(steps.values()))
        (execution,) = run_wire.step_executions(run.id, [entry], steps, attempts, ids)
        times = timeline.times(scene, entry, steps.get(entry.path), attempts.get(entry.path, ()))
        return engine_pb2.GetStepExecutionResponse(step_execution=execution, timeline=timelines.step(times))

    async def GetRunTimeline(
        self, request: engine_pb2.GetRunTimelineRequest, context: Context
    ) -> engine_pb2.GetRunTimelineResponse:
        page = paging.parse(request, bound=request.run_id)
        who = await self.reader()
        async with self.db.read() as tx:
            run = await store.get(tx, request.run_id, who, full=False)
            scene = await self._scene(tx, run)
            left = _after(scene.entries, page)[: page.limit]
            found, token = page.cut(left, key=lambda one: (one.path,))
            paths = [one.path for one in found]
            steps = await store.steps(tx, run.id, full=False, only=paths)
            attempts = await store.attempts_of(tx, run.id, paths)
        shown = [timeline.times(scene, one, steps.get(one.path), attempts.get(one.path, ())) for one in found]
        is_first = page.after is None
        waits = timeline.run_waits(scene) if is_first else []
        path = timeline.critical_path(scene) if is_first else []
        return timelines.response(shown, token, waits, path, scene.now)

    async def ListLogs(
        self, request: engine_pb2.ListLogsRequest, context: Context
    ) -> engine_pb2.ListLogsResponse:
        wanted = line_wire.wanted(request)
        page = paging.parse(request, bound=(request.run_id, wanted))
        after = None if page.after is None else int(str(page.after[0]))
        who = await self.reader()
        async with self.db.read() as tx:
            await store.get(tx, request.run_id, who, full=False)
            rows = await store.lines_after(tx, request.run_id, wanted, after, page.limit)
        found, token = page.cut(rows, key=lambda one: (one.seq,))
        return engine_pb2.ListLogsResponse(
            lines=[line_wire.line(one) for one in found], next_page_token=token
        )

    async def _scene(self, tx: Transaction, run: RunRecord) -> timeline.Scene:
        marks = await store.marks(tx, run.id)
        entries = await self.entries(tx, run, marks)
        first = await store.first_queued(tx, run.id) if run.limit_key else None
        return timeline.Scene(run, entries, marks, tx.now, first)


def _after(entries: Sequence[Entry], page: paging.Page) -> list[Entry]:
    """Those after the page before. A step that was listed once stays in the list."""
    if page.after is None:
        return list(entries)
    last = str(page.after[0])
    number = next((number for number, one in enumerate(entries, 1) if one.path == last), len(entries))
    return list(entries[number:])


def _status(entry: Entry, marks: dict[str, Mark]) -> str:
    mark = marks.get(entry.path)
    return "PENDING" if mark is None else mark.status


def _fitting(entries: Iterable[Entry], steps: dict[str, StepRecord]) -> int:
    """How many of the steps fit into one message; at least one."""
    size = count = 0
    for one in entries:
        record = steps.get(one.path)
        if record is not None:
            size += len(record.inputs or b"") + len(record.output or b"")
        if size > _MOST_BYTES and count:
            break
        count += 1
    return count
