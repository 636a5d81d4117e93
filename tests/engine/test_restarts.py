"""What a failure is after a restart, held against a side ledger: shown, never a success by mistake, repeatable."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from mcpanel.engine.v1 import engine_pb2, run_pb2
from stack.nats import Nats
from tests.engine.support.peers import Peers
from tests.engine.support.process import QUICK, WORKER_KEY, Caller, Process
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.forking import Forks
from tests.support.servers import TestPostgres

Run = run_pb2.Run


class Bench(Caller):
    """An engine to kill, and a worker whose code writes a side ledger before it does anything."""

    def __init__(self, process: Process, channel: grpc.aio.Channel, folder: Path) -> None:
        super().__init__(channel)
        self.process = process
        self.worker = FakeWorker(process.address, heartbeat=0.3)
        self.worker.default, self.worker.metadata = self._code, WORKER_KEY
        self.broken = True
        self._ledger = folder / "ledger"

    async def _code(self, attempt: Attempt) -> Any:
        with self._ledger.open("ab") as ledger:
            ledger.write(json.dumps([attempt.ref.run_id, attempt.step_id]).encode() + b"\n")
            ledger.flush()
            os.fsync(ledger.fileno())
        if self.broken and attempt.step_id == "b":
            raise StepFailed
        return attempt.step_id

    def ran(self, run_id: str) -> list[str]:
        """The steps of a run whose code ran, in order."""
        notes = [json.loads(line) for line in self._ledger.read_text().splitlines()]
        return [step for run, step in notes if run == run_id]

    async def run(self, request_id: str) -> str:
        """Starts a run; its id."""
        request = engine_pb2.StartRunRequest(workflow="flow", request_id=request_id)
        return str((await self.call("StartRun", request)).run.id)

    async def ended(self, run_id: str) -> run_pb2.Run:
        """The run, once it has ended."""
        async with asyncio.timeout(30):
            while True:
                run: run_pb2.Run = (await self.call("GetRun", engine_pb2.GetRunRequest(run_id=run_id))).run
                if run.status in (Run.SUCCESS, Run.FAILED, Run.ABORTED):
                    return run
                await asyncio.sleep(0.05)

    async def restart(self) -> None:
        """kill -9, and another process."""
        assert self.process.child is not None
        await self.process.child.kill()
        await self.process.start()


@pytest.fixture
async def bench(postgres: TestPostgres, nats: Nats, peers: Peers, tmp_path: Path) -> AsyncIterator[Bench]:
    """A workflow a → b → c, of which b is broken."""
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]}, {"id": "c", "needs": ["b"]})
    url = postgres.create_database("restarted", migrate="engine")
    async with Forks(tmp_path / "engine.log") as forks:
        process = Process(forks, url, nats.url, peers.address, folder=tmp_path, lease=2)
        async with grpc.aio.insecure_channel(process.address, options=QUICK) as channel:
            one = Bench(process, channel, tmp_path)
            staying = asyncio.create_task(one.worker.stay())
            yield one
            staying.cancel()
            await one.worker.close()
    postgres.drop_database(url)


async def test_a_run_that_failed_is_shown_after_a_restart_and_its_rerun_repeats_no_success(
    bench: Bench,
) -> None:
    await bench.process.start("ack.before=kill@2")  # the failure of b is committed, its worker is not told
    assert bench.process.child is not None
    starting = asyncio.create_task(bench.run("first"))
    killed = await bench.process.child.wait()
    await bench.process.start()
    run_id = await starting
    failed = await bench.ended(run_id)
    await bench.restart()

    request = engine_pb2.ListRunsRequest(filter='status = "FAILED"')
    shown = (await bench.call("ListRuns", request)).runs
    again = await bench.ended(run_id)
    bench.broken = False
    rerun = (await bench.call("RerunRun", engine_pb2.RerunRunRequest(run_id=run_id, request_id="again"))).run
    ended = await bench.ended(rerun.id)

    assert killed == -signal.SIGKILL
    assert (failed.status, again.status, [one.id for one in shown]) == (Run.FAILED, Run.FAILED, [run_id])
    assert ended.status == Run.SUCCESS
    assert bench.ran(run_id) == ["a", "b"]
    assert bench.ran(rerun.id) == ["b", "c"]
    assert (await bench.ended(run_id)).status == Run.FAILED


async def test_a_failure_that_was_not_committed_is_reported_again_and_stays_a_failure(bench: Bench) -> None:
    await bench.process.start("commit.before=kill@2")  # the failure of b
    assert bench.process.child is not None
    starting = asyncio.create_task(bench.run("first"))
    assert await bench.process.child.wait() == -signal.SIGKILL
    await bench.process.start()

    run_id = await starting
    failed = await bench.ended(run_id)
    await bench.restart()

    assert failed.status == Run.FAILED
    assert (await bench.ended(run_id)).status == Run.FAILED
    seen = await bench.seen(run_id)
    assert {path: step["status"] for path, step in seen.steps.items()} == {
        "a": "SUCCESS",
        "b": "FAILED",
        "c": "SKIPPED",
    }
    assert "c" not in bench.ran(run_id)
