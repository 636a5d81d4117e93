"""Cancelling: what runs stops, and the run is ABORTED only when it has."""

import asyncio
from typing import Any

import pytest

from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker
from tests.support.callers import EDITOR, as_caller

Run = run_pb2.Run
Step = run_pb2.StepExecution


async def running(worker: FakeWorker, count: int = 1) -> None:
    async with asyncio.timeout(10):
        while len(worker.holding) < count:
            await asyncio.sleep(0.01)


async def test_a_cancelled_run_waits_for_what_it_runs(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    stop = asyncio.Event()

    async def stubborn(attempt: Attempt) -> Any:
        await stop.wait()
        return await attempt.hang()

    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    worker.code["a"] = stubborn
    run = await engine.start_run()
    await running(worker)

    cancelled = await engine.cancel(run.id)
    again = await engine.cancel(run.id)

    assert cancelled.status == Run.RUNNING
    assert cancelled.waiting_for == f"step 'a' on worker {worker.id} to stop"
    assert cancelled.HasField("cancel_requested_at")
    assert again.cancel_requested_at == cancelled.cancel_requested_at
    stop.set()
    ended = await engine.ended(run.id)
    assert ended.status == Run.ABORTED
    assert [one.status for one in (await engine.steps(run.id)).values()] == [Step.ABORTED, Step.ABORTED]
    assert (await engine.cancel(run.id)).status == Run.ABORTED


async def test_a_run_that_ended_cannot_be_cancelled(engine: Engine, peers: Peers, worker: FakeWorker) -> None:
    peers.registry.workflow({"id": "a"})
    run = await engine.ended((await engine.start_run()).id)

    refusal = await refused(engine.cancel(run.id))

    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "RUN_ENDED")


async def test_a_run_that_waits_is_aborted_at_once(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(engine.address):
        pass
    run = await engine.start_run()

    assert (await engine.cancel(run.id)).status == Run.ABORTED


async def test_a_cancel_reaches_a_worker_of_another_replica(engines: Engines, peers: Peers) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(two.address) as worker:
        worker.code["a"] = Attempt.hang
        run = await one.start_run()
        await running(worker)

        await one.cancel(run.id)

        assert (await one.ended(run.id)).status == Run.ABORTED
        assert worker.cancels


@pytest.mark.usefixtures("brief_lease")
async def test_a_worker_that_never_answers_is_waited_for_no_longer_than_its_lease(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    worker.code["a"] = Attempt.hang
    run = await engine.start_run()
    await running(worker)
    worker.deaf = True

    await engine.cancel(run.id)
    ended = await engine.ended(run.id, seconds=10)

    assert ended.status == Run.ABORTED
    step = (await engine.steps(run.id))["a"]
    assert step.attempts[0].error.kind == run_pb2.RunError.WORKER_LOST


async def test_the_reason_of_a_cancel_is_kept(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(engine.address):
        pass
    run = await engine.start_run()

    request = engine_pb2.CancelRunRequest(run_id=run.id, reason="wrong city")
    answer = await engine.stub.CancelRun(request, metadata=as_caller(EDITOR))

    assert answer.run.error_message == "wrong city"
    assert answer.run.error.kind == run_pb2.RunError.CANCELLED
