"""kill -9 at every named point: the run still ends, each step with one outcome, and no event is missing."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from engine import failpoints
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2, schedule_pb2, trigger_pb2
from stack.nats import Nats
from stack.ports import free_port
from tests.engine.support.automation import quick
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, echo
from tests.support.servers import TestPostgres

EDITOR_KEY = (("authorization", "Bearer mcp_editor"),)
WORKER_KEY = (("authorization", "Bearer mcp_worker"),)
POINTS = {
    name: 2 if name.partition(".")[0] in ("commit", "publish", "send") else 1
    for name in failpoints.NAMES
    if not name.startswith(("fire", "follow"))
}


class Process:
    """`python -m engine` as a process of its own, on one port, started as often as needed."""

    def __init__(self, url: str, nats_url: str, peers: str, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._child: asyncio.subprocess.Process | None = None
        self._environ = {
            "PATH": os.environ["PATH"],
            "MCPANEL_ENV_FILE": os.devnull,
            "MCPANEL_HOME": str(folder),
            "MCPANEL_DATABASE_URL": url,
            "MCPANEL_NATS_URL": nats_url,
            "MCPANEL_LISTEN": self.address,
            "MCPANEL_METRICS_LISTEN": "",
            "MCPANEL_IDENTITY_ADDRESS": peers,
            "MCPANEL_REGISTRY_ADDRESS": peers,
            "MCPANEL_AUDIT_ADDRESS": peers,
            "MCPANEL_LEASE_SECONDS": "2",
            "MCPANEL_HEARTBEAT_SECONDS": "0.3",
            "MCPANEL_POLL_SECONDS": "0.3",
        }

    async def start(self, failpoints: str = "") -> None:
        environ = {**self._environ, "MCPANEL_FAILPOINTS": failpoints}
        self._child = await asyncio.create_subprocess_exec(sys.executable, "-m", "engine", env=environ)

    async def death(self) -> int:
        assert self._child is not None
        return await asyncio.wait_for(self._child.wait(), 30)

    async def kill(self) -> None:
        if self._child is not None and self._child.returncode is None:
            self._child.kill()
            await self._child.wait()


async def insist(call: Callable[[], Any]) -> Any:
    """Repeats a call while the engine is away, as clients do."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                await asyncio.sleep(0.1)


class Story:
    """Run after run, each of which meets a kill; all of them on one database, with one worker."""

    def __init__(self, process: Process, channel: grpc.aio.Channel) -> None:
        self.process = process
        self.stub = engine_pb2_grpc.EngineServiceStub(channel)
        self.worker = FakeWorker(process.address, heartbeat=0.3)
        self.worker.default, self.worker.metadata = self.note, WORKER_KEY
        self.ledger: list[tuple[str, str, int]] = []
        self.hanging: set[str] = set()
        self.calls: list[tuple[asyncio.Task[Any], asyncio.Task[Any] | None]] = []

    async def note(self, attempt: Attempt) -> Any:
        self.ledger.append((attempt.ref.run_id, attempt.step_id, attempt.number))
        if attempt.inputs["hang"] and attempt.step_id == "b":
            self.hanging.add(attempt.ref.run_id)
            return await attempt.hang()
        if attempt.inputs.get("large") and attempt.step_id == "a":
            return {**attempt.inputs, "text": "x" * 300_000}
        return await echo(attempt)

    async def meet(self, point: str) -> None:
        """Starts a run on an engine that is to die at `point`, and sees it die."""
        await self.process.start(f"{point}=kill@{POINTS[point]}")
        while self.worker.welcome is None:
            await asyncio.sleep(0.02)
        hang = point.startswith("cancel")
        inputs = {"hang": hang, "large": point.startswith("upload")}
        request = engine_pb2.StartRunRequest(workflow="flow", request_id=point, inputs=inputs)
        starting = asyncio.create_task(
            insist(lambda: self.stub.StartRun(request, metadata=EDITOR_KEY, timeout=5))
        )
        cancelling: asyncio.Task[Any] | None = None
        if hang:
            run_id = (await starting).run.id
            while run_id not in self.hanging:
                await asyncio.sleep(0.02)
            cancel = engine_pb2.CancelRunRequest(run_id=run_id, request_id=point)
            cancelling = asyncio.create_task(
                insist(lambda: self.stub.CancelRun(cancel, metadata=EDITOR_KEY, timeout=5))
            )
        assert await self.process.death() == -signal.SIGKILL, point
        self.calls.append((starting, cancelling))

    async def check(self) -> None:
        """Every run was recorded once, has ended as it should, and its events say so without a gap."""
        await self.process.start()
        statuses = {}
        for starting, cancelling in self.calls:
            run_id = (await starting).run.id
            statuses[run_id] = run_pb2.Run.SUCCESS if cancelling is None else run_pb2.Run.ABORTED
            if cancelling is not None:
                await cancelling
        listed = await insist(lambda: self.stub.ListRuns(engine_pb2.ListRunsRequest(), metadata=EDITOR_KEY))
        assert {one.id for one in listed.runs} == set(statuses)
        for run_id, status in statuses.items():
            get = engine_pb2.GetRunRequest(run_id=run_id)
            async with asyncio.timeout(30):
                while (run := (await self.stub.GetRun(get, metadata=EDITOR_KEY)).run).status < 4:
                    await asyncio.sleep(0.05)
            assert run.status == status
            request = engine_pb2.ListRunEventsRequest(run_id=run_id, page_size=1000)
            events = (await self.stub.ListRunEvents(request, metadata=EDITOR_KEY)).events
            assert [one.seq for one in events] == list(range(1, run.last_seq + 1))
            assert events[-1].HasField("end")
            changes = [one.step_status_change for one in events if one.HasField("step_status_change")]
            assert sorted(one.step_id for one in changes if one.status in (5, 6, 7, 8)) == ["a", "b", "c"]
        assert len(self.ledger) == len(set(self.ledger))


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_runs_outlive_an_engine_that_is_killed_at_every_point(
    moment: str, postgres: TestPostgres, nats: Nats, peers: Peers, tmp_path: Path
) -> None:
    given = {"hang": "${{ inputs.hang }}", "large": "${{ inputs.large }}"}
    steps: list[dict[str, Any]] = [{"id": "a"}, {"id": "b", "needs": ["a"]}, {"id": "c", "needs": ["b"]}]
    peers.registry.workflow(
        *({**step, "with_": given} for step in steps),
        inputs={"hang": {"type": "boolean"}, "large": {"type": "boolean"}},
    )
    url = postgres.create_database("killed", migrate="engine")
    process = Process(url, nats.url, peers.address, tmp_path)
    async with grpc.aio.insecure_channel(process.address) as channel:
        story = Story(process, channel)
        staying = asyncio.create_task(story.worker.stay())
        try:
            for point in sorted(one for one in POINTS if one.endswith(moment)):
                await story.meet(point)
            await story.check()
        finally:
            staying.cancel()
            await story.worker.close()
            await process.kill()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_what_starts_by_itself_starts_once_whenever_the_engine_is_killed(
    moment: str, postgres: TestPostgres, nats: Nats, peers: Peers, tmp_path: Path
) -> None:
    quick(peers)
    quick(peers, "report")
    process = Process(postgres.create_database("killed", migrate="engine"), nats.url, peers.address, tmp_path)
    once = schedule_pb2.Schedule(name="once", workflow="flow", interval={"every": timedelta(days=366)})
    trigger = trigger_pb2.Trigger(name="after", workflow="report", run_end={"workflow": "flow"})
    async with grpc.aio.insecure_channel(process.address) as channel:
        stub = engine_pb2_grpc.EngineServiceStub(channel)

        async def started() -> list[str]:
            found = (await stub.ListRuns(engine_pb2.ListRunsRequest(), metadata=EDITOR_KEY)).runs
            return sorted(one.workflow_name for one in found)

        try:
            await process.start(f"fire.{moment}=kill")
            create = trigger_pb2.CreateTriggerRequest(trigger=trigger, request_id="trigger")
            await insist(lambda: stub.CreateTrigger(create, metadata=EDITOR_KEY))
            once.interval.anchor_at.FromDatetime(datetime.now(UTC) + timedelta(seconds=0.5))
            fire = schedule_pb2.CreateScheduleRequest(schedule=once, request_id="schedule")
            await stub.CreateSchedule(fire, metadata=EDITOR_KEY)
            assert await process.death() == -signal.SIGKILL
            await process.start(f"follow.{moment}=kill")
            assert await process.death() == -signal.SIGKILL
            await process.start()
            async with asyncio.timeout(20):
                while len(await insist(started)) < 2:
                    await asyncio.sleep(0.05)
            await asyncio.sleep(1)

            assert await started() == ["flow", "report"]
        finally:
            await process.kill()


def test_failpoints_are_refused_in_production_and_misspelt() -> None:
    with pytest.raises(failpoints.FailpointError, match="production"):
        failpoints.arm({"MCPANEL_FAILPOINTS": "commit.before=kill", "MCPANEL_PROFILE": "production"})
    with pytest.raises(failpoints.FailpointError, match="none of"):
        failpoints.arm({"MCPANEL_FAILPOINTS": "comit.before=kill"})
    failpoints.arm({})
