"""kill -9 at every named point: what was accepted still ends as it should, and every invariant holds."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from engine import failpoints
from mcpanel.engine.v1 import (
    engine_pb2,
    run_pb2,
    schedule_pb2,
    trigger_pb2,
    worker_pb2,
    worker_pb2_grpc,
)
from mcpanel.registry.v1.workflow_pb2 import Concurrency
from stack.nats import Nats
from tests.chaos.checker import ENDED, Execution, History, check
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.process import EDITOR_KEY, QUICK, WORKER_KEY, Caller, Process, insist
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.forking import PATIENCE, Forks
from tests.support.servers import TestPostgres

LEASE = 2.0
LANES = 4


class Lane(Caller):
    """An engine that is killed again and again, its database, its worker and what is asked of it."""

    def __init__(self, process: Process, channel: grpc.aio.Channel) -> None:
        super().__init__(channel)
        self.process = process
        self.files = worker_pb2_grpc.WorkerServiceStub(channel)
        self.worker = FakeWorker(process.address, heartbeat=0.3, slots=8)
        self.worker.default, self.worker.metadata = self.code, WORKER_KEY
        self.history = History(lease=LEASE)
        self.expected: dict[str, str] = {}
        self.stories: list[asyncio.Task[None]] = []
        self.running: set[tuple[str, str]] = set()
        self.released: set[str] = set()

    async def code(self, attempt: Attempt) -> Any:
        """What every step runs. It writes the ledger, and does what its input says."""
        ref = attempt.ref
        ran = Execution(ref.run_id, ref.step_id, ref.attempt, ref.epoch, time.monotonic())
        self.history.executions.append(ran)
        self.running.add((ref.run_id, ref.step_id))
        try:
            match attempt.inputs.get("do"):
                case "hang":
                    return await attempt.hang()
                case "fail":
                    raise StepFailed
                case "upload":
                    await insist(
                        lambda: self.files.UploadArtifact(_file(ref), metadata=WORKER_KEY, timeout=5)
                    )
                case "call":
                    self.expect(await insist(lambda: self._call(ref, attempt.inputs["tool"])), "SUCCESS")
                case "wait":
                    while ref.run_id not in self.released:
                        await asyncio.sleep(0.01)
            return attempt.inputs
        finally:
            ran.end = time.monotonic()

    async def _call(self, ref: worker_pb2.AttemptRef, version_id: str) -> str:
        """The run of the attempt's call of a component, which has ended."""
        request = worker_pb2.CallComponentRequest(ref=ref, version_id=version_id, inputs_json=b"{}", number=1)
        run_id = ""
        async for response in self.files.CallComponent(request, metadata=WORKER_KEY, timeout=10):
            run_id = run_id or response.started.run_id
        return run_id

    async def start(self, point: str, workflow: str = "flow", do: str = "", status: str = "SUCCESS") -> str:
        """Starts a run that is to end with `status`; its id."""
        request = engine_pb2.StartRunRequest(
            workflow=workflow, request_id=point, inputs={"do": do}, run_key=point
        )
        return self.expect((await self.call("StartRun", request)).run.id, status)

    def expect(self, run_id: str, status: str) -> str:
        """An accepted run, and how it is to end."""
        self.history.accepted.add(run_id)
        self.expected[run_id] = status
        return run_id

    async def ended(self, run_id: str) -> run_pb2.Run:
        """The run, once it has ended."""
        async with asyncio.timeout(PATIENCE):
            while True:
                run: run_pb2.Run = (await self.call("GetRun", engine_pb2.GetRunRequest(run_id=run_id))).run
                if run_pb2.Run.Status.Name(run.status) in ENDED:
                    return run
                await asyncio.sleep(0.05)

    async def runs(self, run_id: str, step: str = "b") -> None:
        """Returns when the code of the step runs."""
        async with asyncio.timeout(PATIENCE):
            while (run_id, step) not in self.running:
                await asyncio.sleep(0.01)

    async def only_run_of(self, workflow: str) -> str:
        """The run of a workflow that starts by itself, once there is one; a second one would have come soon after."""
        listing = engine_pb2.ListRunsRequest(filter=f'workflow_name = "{workflow}"')
        async with asyncio.timeout(PATIENCE):
            while not (await self.call("ListRuns", listing)).runs:
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        (run,) = (await self.call("ListRuns", listing)).runs
        return str(run.id)

    async def meet(self, point: str) -> None:
        """Has an engine die at a point, with the story of the point's place under way."""
        place = point.partition(".")[0]
        child = await self.process.start(f"{point}=kill@{COUNTS.get(place, 1)}")
        self.stories.append(asyncio.create_task(STORIES[place](self, point)))
        try:
            assert await child.wait() == -signal.SIGKILL, point
        except TimeoutError:
            pytest.fail(f"{point} was not reached")

    async def check(self, audited: dict[str, Any]) -> None:
        """Everything ended as it should, and no invariant is violated."""
        await self.process.start()
        await asyncio.gather(*self.stories)
        for run_id, status in self.expected.items():
            run = await self.ended(run_id)
            assert run_pb2.Run.Status.Name(run.status) == status, run
            self.history.runs[run_id] = await self.seen(run_id)
        listed = await self.call("ListRuns", engine_pb2.ListRunsRequest(page_size=1000))
        self.history.listed = {one.id for one in listed.runs}
        self.history.audited = await self.recorded(audited)
        assert [str(one) for one in check(self.history)] == []

    async def recorded(self, audited: dict[str, Any]) -> set[str]:
        """What audit was told, once it was told all it has to be."""
        changes = {
            f"{run_id}:{event['seq']}"
            for run_id, seen in self.history.runs.items()
            for event in seen.events
            if "runStatusChange" in event or "stepStatusChange" in event
        }
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not changes <= audited.keys():
                    await asyncio.sleep(0.05)
        return set(audited)


async def _file(ref: worker_pb2.AttemptRef) -> Any:
    upload = worker_pb2.UploadArtifactRequest
    yield upload(header=upload.Header(ref=ref, name="a.txt"))
    yield upload(chunk=ref.run_id.encode())


# What is done while the engine dies at a place.


async def chain(lane: Lane, point: str) -> None:
    await lane.start(point)


async def alone(lane: Lane, point: str) -> None:
    """A start without a request id is not repeated: there is one run, or none."""
    workflow = point.replace(".", "-")
    request = engine_pb2.StartRunRequest(workflow=workflow)
    listing = engine_pb2.ListRunsRequest(filter=f'workflow_name = "{workflow}"')
    await lane.call("ListRuns", listing)  # by now the channel knows that the engine before is gone
    refusal = None
    while refusal is None or refusal.reason == "NO_WORKER_FOR_TYPE":
        refusal = await refused(lane.stub.StartRun(request, metadata=EDITOR_KEY, timeout=10))
    runs = (await lane.call("ListRuns", listing)).runs
    assert len(runs) == (1 if point.endswith("after") else 0)
    for run in runs:
        lane.expect(run.id, "SUCCESS")


async def repeat(lane: Lane, point: str) -> None:
    old = await lane.start(point, do="fail", status="FAILED")
    await lane.ended(old)
    request = engine_pb2.RerunRunRequest(run_id=old, request_id=point)
    lane.expect((await lane.call("RerunRun", request)).run.id, "FAILED")


async def repeat_many(lane: Lane, point: str) -> None:
    await lane.ended(await lane.start(point, do="fail", status="FAILED"))
    request = engine_pb2.RerunRunsRequest(filter=f'run_key = "{point}"', request_id=point)
    (rerun,) = (await lane.call("RerunRuns", request)).reruns
    lane.expect(rerun.new_run_id, "FAILED")


async def cancel(lane: Lane, point: str) -> None:
    run_id = await lane.start(point, do="hang", status="ABORTED")
    await lane.runs(run_id)
    await lane.call("CancelRun", engine_pb2.CancelRunRequest(run_id=run_id, request_id=point))


async def cancel_many(lane: Lane, point: str) -> None:
    run_id = await lane.start(point, do="hang", status="ABORTED")
    await lane.runs(run_id)
    request = engine_pb2.CancelRunsRequest(filter=f'run_key = "{point}"', request_id=point)
    assert (await lane.call("CancelRuns", request)).run_ids == [run_id]


async def pause(lane: Lane, point: str) -> None:
    run_id = await lane.start(point, do="wait")
    await lane.runs(run_id)
    await lane.call("PauseRun", engine_pb2.PauseRunRequest(run_id=run_id, request_id=point))
    await lane.call("ResumeRun", engine_pb2.ResumeRunRequest(run_id=run_id, request_id=point))
    lane.released.add(run_id)


async def approve(lane: Lane, point: str) -> None:
    run_id = await lane.start(point, "asked")
    request = engine_pb2.ApproveStepRequest(
        run_id=run_id, step_id="gate", decision="approve", request_id=point
    )
    await lane.call("ApproveStep", request)


async def limited(lane: Lane, point: str) -> None:
    first = await lane.start(f"{point} 1", "limited", do="wait")
    lane.released.add(await lane.start(f"{point} 2", "limited", do="wait"))
    lane.released.add(first)


async def cached(lane: Lane, point: str) -> None:
    await lane.start(f"{point} 1", "cached", do=point)
    await lane.start(f"{point} 2", "cached", do=point)


async def rated(lane: Lane, point: str) -> None:
    await lane.start(point, "rated")


async def upload(lane: Lane, point: str) -> None:
    await lane.start(point, do="upload")


async def fire(lane: Lane, point: str) -> None:
    """A schedule whose time comes once."""
    workflow = point.replace(".", "-")
    once = schedule_pb2.Schedule(name=workflow, workflow=workflow, interval={"every": timedelta(days=366)})
    once.interval.anchor_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=3))
    await lane.call("CreateSchedule", schedule_pb2.CreateScheduleRequest(schedule=once, request_id=point))
    lane.expect(await lane.only_run_of(workflow), "SUCCESS")


async def follow(lane: Lane, point: str) -> None:
    """A run that starts when another has ended."""
    workflow, source = point.replace(".", "-"), f"{point.replace('.', '-')}-source"
    trigger = trigger_pb2.Trigger(name=workflow, workflow=workflow, run_end={"workflow": source})
    await lane.call("CreateTrigger", trigger_pb2.CreateTriggerRequest(trigger=trigger, request_id=point))
    await lane.start(point, source)
    lane.expect(await lane.only_run_of(workflow), "SUCCESS")


async def call(lane: Lane, point: str) -> None:
    """A step that calls a component; the call is made once."""
    workflow = point.replace(".", "-")
    run_id = await lane.start(point, workflow, do="call")
    await lane.ended(run_id)
    listing = engine_pb2.ListRunsRequest(filter=f'triggered_by = "tool:{run_id}/a"')
    assert len((await lane.call("ListRuns", listing)).runs) == 1


STORIES: dict[str, Callable[[Lane, str], Coroutine[Any, Any, None]]] = {
    "start": chain,
    "rerun": repeat,
    "cancel": cancel,
    "pause": pause,
    "resume": pause,
    "approve": approve,
    "cancel_many": cancel_many,
    "rerun_many": repeat_many,
    "fire": fire,
    "follow": follow,
    "call": call,
    "attach": chain,
    "bear": alone,
    "commit": chain,
    "renew": chain,
    "admit": limited,
    "cache": cached,
    "rate": rated,
    "recover": chain,
    "store": upload,
    "upload": upload,
    "relay": chain,
    "publish": chain,
    "send": chain,
    "ack": chain,
    "stop": cancel,
}
COUNTS = {"commit": 2, "renew": 2, "publish": 2, "send": 2, "ack": 2}
"""At which visit it dies, where that is not the first."""


def the_workflows(peers: Peers) -> None:
    given = {"do": "${{ inputs.do }}"}
    inputs = {"do": {"type": "string"}}
    registry = peers.registry
    registry.workflow(
        {"id": "a"},
        {"id": "b", "needs": ["a"], "with_": given},
        {"id": "c", "needs": ["b"]},
        inputs=inputs,
    )
    for place in ("bear", "fire", "follow"):
        for moment in ("before", "after"):
            registry.workflow({"id": "a"}, name=f"{place}-{moment}")
            registry.workflow({"id": "a"}, name=f"{place}-{moment}-source", inputs=inputs)
    tool = registry.component("tool")
    asking = registry.component("asking", tools=[{"name": "tool", "version_id": tool.id}])
    for moment in ("before", "after"):
        step = {"id": "a", "component": asking, "with_": {**given, "tool": tool.id}}
        registry.workflow(step, name=f"call-{moment}", inputs=inputs)
    registry.workflow({"id": "gate", "approval": {"message": "shall it?"}}, name="asked", inputs=inputs)
    registry.workflow(
        {"id": "a", "with_": given}, name="limited", inputs=inputs, concurrency=Concurrency(limit=1)
    )
    registry.workflow(
        {"id": "a", "with_": given, "cache": {"ttl": {"seconds": 60}}}, name="cached", inputs=inputs
    )
    registry.workflow(
        {"id": "a", "for_each": [1, 2, 3], "rate_limit": {"limit": 20, "period": {"seconds": 1}}},
        name="rated",
        inputs=inputs,
    )


async def test_runs_outlive_an_engine_that_is_killed_at_every_point(
    postgres: TestPostgres, nats: Nats, peers: Peers, tmp_path: Path
) -> None:
    the_workflows(peers)
    points = sorted(failpoints.NAMES)

    async def lane(number: int, forks: Forks) -> None:
        url = postgres.create_database("killed", migrate="engine")
        process = Process(forks, url, nats.url, peers.address, folder=tmp_path / str(number), lease=LEASE)
        async with grpc.aio.insecure_channel(process.address, options=QUICK) as channel:
            one = Lane(process, channel)
            staying = asyncio.create_task(one.worker.stay())
            try:
                for point in points[number::LANES]:
                    await one.meet(point)
                await one.check(peers.audit.records)
            finally:
                for task in (staying, *one.stories):
                    task.cancel()
                await one.worker.close()
                if process.child is not None:
                    await process.child.kill()
                postgres.drop_database(url)

    async with Forks(tmp_path / "engines.log") as forks, asyncio.TaskGroup() as group:
        for number in range(LANES):
            group.create_task(lane(number, forks))


def test_every_place_has_its_story() -> None:
    assert set(STORIES) == set(failpoints.PLACES)
