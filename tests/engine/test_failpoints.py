"""kill -9 at every named point: the run still ends, each step with one outcome, and no event is missing."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from engine import failpoints
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2
from stack.nats import Nats
from stack.ports import free_port
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, echo
from tests.support.servers import TestPostgres

EDITOR_KEY = (("authorization", "Bearer mcp_editor"),)
WORKER_KEY = (("authorization", "Bearer mcp_worker"),)
POINTS = {
    name: 2 if name.partition(".")[0] in ("commit", "publish", "send") else 1 for name in failpoints.NAMES
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

    async def stop(self) -> None:
        if self._child is not None and self._child.returncode is None:
            self._child.terminate()
            await self._child.wait()


async def insist(call: Callable[[], Any]) -> Any:
    """Repeats a call while the engine is away, as clients do."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                await asyncio.sleep(0.1)


async def story(point: str, count: int, process: Process, channel: grpc.aio.Channel) -> None:
    stub = engine_pb2_grpc.EngineServiceStub(channel)
    ledger: list[tuple[str, int]] = []

    async def note(attempt: Attempt) -> Any:
        ledger.append((attempt.step_id, attempt.number))
        if point.startswith("cancel") and attempt.step_id == "b":
            return await attempt.hang()
        return await echo(attempt)

    await process.start(f"{point}=kill@{count}")
    worker = FakeWorker(process.address, heartbeat=0.3)
    worker.default, worker.metadata = note, WORKER_KEY
    staying = asyncio.create_task(worker.stay())
    try:
        while worker.welcome is None:
            await asyncio.sleep(0.05)
        start = engine_pb2.StartRunRequest(workflow="flow", request_id="once")
        starting = asyncio.create_task(insist(lambda: stub.StartRun(start, metadata=EDITOR_KEY, timeout=5)))
        cancelling: asyncio.Task[Any] | None = None
        if point.startswith("cancel"):
            cancel = engine_pb2.CancelRunRequest(run_id=(await starting).run.id, request_id="stop")
            while ("b", 1) not in ledger:
                await asyncio.sleep(0.02)
            cancelling = asyncio.create_task(
                insist(lambda: stub.CancelRun(cancel, metadata=EDITOR_KEY, timeout=5))
            )

        assert await process.death() == -signal.SIGKILL
        await process.start()
        run_id = (await starting).run.id
        if cancelling is not None:
            await cancelling
        get = engine_pb2.GetRunRequest(run_id=run_id)
        async with asyncio.timeout(30):
            while (run := (await insist(lambda: stub.GetRun(get, metadata=EDITOR_KEY))).run).status < 4:
                await asyncio.sleep(0.05)
        events = (
            await stub.ListRunEvents(
                engine_pb2.ListRunEventsRequest(run_id=run_id, page_size=1000), metadata=EDITOR_KEY
            )
        ).events
        runs = (await stub.ListRuns(engine_pb2.ListRunsRequest(), metadata=EDITOR_KEY)).runs
    finally:
        staying.cancel()
        await worker.close()
        await process.stop()

    assert run.status == (run_pb2.Run.ABORTED if cancelling is not None else run_pb2.Run.SUCCESS)
    assert [one.id for one in runs] == [run_id]
    assert [one.seq for one in events] == list(range(1, run.last_seq + 1))
    final = [
        one.step_status_change.step_id
        for one in events
        if one.HasField("step_status_change") and one.step_status_change.status in (5, 6, 7, 8)
    ]
    assert sorted(final) == ["a", "b", "c"]
    assert events[-1].HasField("end")
    assert len(ledger) == len(set(ledger))
    assert {step for step, _ in ledger} >= {"a"}


@pytest.mark.parametrize("points", [sorted(POINTS)[:5], sorted(POINTS)[5:]], ids=["first", "second"])
async def test_a_run_outlives_an_engine_that_is_killed_at(
    points: list[str], postgres: TestPostgres, nats: Nats, peers: Peers, tmp_path: Path
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]}, {"id": "c", "needs": ["b"]})

    async def one(point: str) -> None:
        process = Process(
            postgres.create_database("killed", migrate="engine"), nats.url, peers.address, tmp_path
        )
        async with grpc.aio.insecure_channel(process.address) as channel:
            try:
                await story(point, POINTS[point], process, channel)
            except BaseException as error:
                error.add_note(f"at failpoint {point}")
                raise

    results = await asyncio.gather(*(one(point) for point in points), return_exceptions=True)

    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise BaseExceptionGroup("failpoints", failures)


def test_failpoints_are_refused_in_production_and_misspelt() -> None:
    with pytest.raises(failpoints.FailpointError, match="production"):
        failpoints.arm({"MCPANEL_FAILPOINTS": "commit.before=kill", "MCPANEL_PROFILE": "production"})
    with pytest.raises(failpoints.FailpointError, match="none of"):
        failpoints.arm({"MCPANEL_FAILPOINTS": "comit.before=kill"})
    failpoints.arm({})
