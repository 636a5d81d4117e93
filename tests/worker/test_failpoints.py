"""kill -9 of the worker at every named point: its step runs again elsewhere and ends, once, and no process is left."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import grpc.aio
import pytest

from mcpanel.engine.v1 import engine_pb2
from stack.nats import Nats
from tests.chaos.checker import ENDED, History, check
from tests.engine.support.peers import Peers
from tests.engine.support.process import QUICK, Caller, Process
from tests.support.forking import PATIENCE, Forks
from tests.support.servers import TestPostgres
from tests.worker.support.cells import everywhere
from worker import failpoints

LEASE = 1.5
CODE = """
import mcpanel_step as step
def main(n: int) -> int:
    print("a line")
    step.artifact("a.txt", b"content")
    return n + 1
"""
COUNTS = {"send": 2}
"""At which visit it dies, where that is not the first."""


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    """The registry, identity and audit that the engine calls."""
    with tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as folder:
        started = Peers(f"unix:{folder}/peers")
        await started.start()
        yield started
        await started.stop()


async def test_steps_outlive_a_worker_that_is_killed_at_every_point(
    postgres: TestPostgres, nats: Nats, peers: Peers, tmp_path: Path
) -> None:
    points = sorted(failpoints.NAMES)
    for number, point in enumerate(points):
        version = peers.registry.component(point, python_script={"code_content": CODE})
        peers.registry.workflow(
            {"id": "a", "component": version, "pool": f"pool-{number}", "with_": {"n": number}},
            name=f"flow-{number}",
        )
    url = postgres.create_database("killed", migrate="engine")
    key = tmp_path / "worker.key"
    key.write_text("mcp_worker")

    async def killed_at(point: str) -> str:
        """The id of a run that is started on a worker that is to die at the point."""
        number = points.index(point)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "MCPANEL_ENV_FILE": os.devnull,
            "MCPANEL_HOME": str(tmp_path / f"worker-{number}"),
            "MCPANEL_KEY_FILE": str(key),
            "MCPANEL_ENGINE_ADDRESS": process.address,
            "MCPANEL_WORKER_SLOTS": "1",
            "MCPANEL_WORKER_POOL": f"pool-{number}",
        }
        count = COUNTS.get(point.partition(".")[0], 1)
        doomed = await forks.start("worker", {**environ, "MCPANEL_FAILPOINTS": f"{point}=kill@{count}"})
        request = engine_pb2.StartRunRequest(workflow=f"flow-{number}", request_id=point)
        starting = asyncio.create_task(caller.call("StartRun", request))
        try:
            assert await doomed.wait() == -signal.SIGKILL, point
        except TimeoutError:
            pytest.fail(f"{point} was not reached")
        await forks.start("worker", environ)
        return str((await starting).run.id)

    async with Forks(tmp_path / "processes.log") as forks:
        process = Process(forks, url, nats.url, peers.address, folder=tmp_path / "engine", lease=LEASE)
        await process.start()
        async with grpc.aio.insecure_channel(process.address, options=QUICK) as channel:
            caller = Caller(channel)
            runs = await asyncio.gather(*(killed_at(point) for point in points))
            history = History(lease=LEASE, accepted=set(runs), listed=set(runs), silent={"a"})
            for run_id in runs:
                async with asyncio.timeout(PATIENCE):
                    while (seen := await caller.seen(run_id)).run["status"] not in ENDED:
                        await asyncio.sleep(0.1)
                history.runs[run_id] = seen
            files = [
                (await caller.call("ListArtifacts", engine_pb2.ListArtifactsRequest(run_id=run_id))).artifacts
                for run_id in runs
            ]

    assert [seen.run["status"] for seen in history.runs.values()] == ["SUCCESS"] * len(points)
    assert [str(one) for one in check(history) if one.invariant != "I8"] == []
    assert [len({one.id for one in of_run}) for of_run in files] == [1] * len(points)
    async with asyncio.timeout(PATIENCE):
        while everywhere(str(tmp_path)):
            await asyncio.sleep(0.05)
    postgres.drop_database(url)
