"""Leases, epochs, lost streams, replicas and restarts: a step is lost by nobody and counted once."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from engine.machine import running
from mcpanel.engine.v1 import run_pb2, worker_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, until
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, echo

Run = run_pb2.Run
Step = run_pb2.StepExecution
Message = worker_pb2.WorkerMessage


@pytest.mark.usefixtures("brief_lease")
async def test_a_silent_workers_step_goes_to_another_and_its_late_result_is_rejected(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, outputs={"n": "${{ steps.a.output }}"})
    gate = Gate()
    worker.code["a"] = gate
    run = await engine.start_run()
    await until(lambda: gate.entered)
    worker.deaf = True
    async with FakeWorker(engine.address) as other:
        other.code["a"] = lambda attempt: asyncio.sleep(0, attempt.number)

        ended = await engine.ended(run.id, seconds=10)
        worker.deaf = False
        gate.open.set()
        await until(lambda: worker.acks)

    assert ended.status == Run.SUCCESS
    assert ended.outputs["n"] == 2
    assert not worker.acks[0].accepted
    step = (await engine.steps(run.id))["a"]
    assert [one.error.kind for one in step.attempts] == [run_pb2.RunError.WORKER_LOST, 0]
    assert step.attempts[1].worker_id == other.id


async def test_a_worker_that_loses_its_stream_keeps_its_steps_and_reports_on_a_new_one(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    gate = Gate()
    worker.code["a"] = gate
    run = await engine.start_run()
    await until(lambda: gate.entered)

    await worker.lose_stream()
    gate.open.set()
    await until(lambda: worker.unacked)
    await worker.connect()

    assert (await engine.ended(run.id)).status == Run.SUCCESS
    assert len((await engine.steps(run.id))["a"].attempts) == 1


async def test_lines_that_are_repeated_are_recorded_once_and_in_order(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    gate = Gate()

    async def talk(attempt: Attempt) -> Any:
        attempt.log("one", "two")
        worker.send(worker.unheard[0])
        await until(lambda: not worker.unheard)
        worker.deaf = True
        attempt.log("three")
        return await gate(attempt)

    worker.code["a"] = talk
    run = await engine.start_run()
    await until(lambda: gate.entered)

    await worker.lose_stream()
    worker.deaf = False
    gate.open.set()
    await until(lambda: worker.unacked)
    await worker.connect()
    await engine.ended(run.id)

    events = await engine.events(run.id)
    assert [one.log.message for one in events if one.HasField("log")] == ["one", "two", "three"]
    assert events[-1].HasField("end")
    await until(lambda: not worker.unheard)


async def test_a_result_that_is_sent_twice_counts_once(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    sent: list[Message] = []

    async def twice(attempt: Attempt) -> Any:
        message = Message(result=Message.Result(ref=attempt.ref, output_json=b'"first"'))
        sent.append(message)
        worker.send(message)
        return "second"

    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]}, outputs={"a": "${{ steps.a.output }}"})
    worker.code["a"] = twice

    run = await engine.ended((await engine.start_run()).id)
    worker.send(sent[0])
    await until(lambda: len(worker.acks) == 4)

    assert run.outputs["a"] == "first"
    assert all(one.accepted for one in worker.acks)
    events = [
        one.step_status_change for one in await engine.events(run.id) if one.HasField("step_status_change")
    ]
    assert [one.step_id for one in events if one.status == Step.SUCCESS] == ["a", "b"]


async def test_a_result_for_nothing_known_is_refused(engine: Engine, worker: FakeWorker) -> None:
    ref = worker_pb2.AttemptRef(
        run_id="0197f000-0000-7000-8000-000000000001", step_id="a", attempt=1, epoch=1
    )

    worker.send(Message(result=Message.Result(ref=ref, output_json=b"1")))
    await until(lambda: worker.acks)

    assert (worker.acks[0].accepted, worker.acks[0].reason) == (False, "the run does not exist")


async def test_a_result_of_nonsense_is_refused_and_harms_nobody(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    ref = worker_pb2.AttemptRef(run_id="x'; --", step_id="a", attempt=1, epoch=1)
    line = Message.Logs.Line(ref=ref, message="hello", number=1)
    for message in (
        Message(logs=Message.Logs(lines=[line])),
        Message(heartbeat=Message.Heartbeat(holding=[ref])),
        Message(result=Message.Result(ref=ref, output_json=b"1")),
    ):
        worker.send(message)
    await until(lambda: worker.acks)

    assert not worker.acks[0].accepted
    peers.registry.workflow({"id": "a"})
    assert (await engine.ended((await engine.start_run()).id)).status == Run.SUCCESS


async def test_a_run_that_somebody_else_has_locked_moves_on_when_the_lock_is_gone(
    engines: Engines, peers: Peers
) -> None:
    engine = await engines.start()
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    gate = Gate()
    async with FakeWorker(engine.address) as worker:
        worker.code["a"] = gate
        run = await engine.start_run()
        await until(lambda: gate.entered)
        async with await psycopg.AsyncConnection.connect(engines.url) as other:
            await other.execute("SELECT 1 FROM runs WHERE id = %s FOR UPDATE", (run.id,))
            gate.open.set()
            await until(lambda: worker.unacked)
            await asyncio.sleep(0.5)
            assert (await engine.get(run.id)).steps_ended == 0
            await other.rollback()

        assert (await engine.ended(run.id)).status == Run.SUCCESS


async def test_a_worker_takes_no_more_than_its_slots_and_the_rest_waits_its_turn(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(*({"id": f"s{number}"} for number in range(5)))
    gate = Gate()
    worker.default = gate
    run = await engine.start_run()
    await until(lambda: gate.entered == 2)
    await asyncio.sleep(0.3)

    assert gate.entered == 2
    gate.open.set()
    assert (await engine.ended(run.id)).status == Run.SUCCESS
    assert gate.entered == 5


async def test_work_that_one_replica_cannot_place_is_taken_by_another(engines: Engines, peers: Peers) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    async with FakeWorker(two.address) as worker:
        run = await one.start_run()

        assert (await one.ended(run.id)).status == Run.SUCCESS
        assert len(worker.assignments) == 2


async def test_many_runs_over_two_replicas_each_run_every_step_once(engines: Engines, peers: Peers) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow(
        {"id": "a"},
        {"id": "b", "needs": ["a"]},
        {"id": "c", "needs": ["a"]},
        {"id": "d", "needs": ["b", "c"]},
    )
    executed: list[tuple[str, str]] = []

    async def note(attempt: Attempt) -> Any:
        executed.append((attempt.ref.run_id, attempt.step_id))
        return await echo(attempt)

    async with FakeWorker(one.address) as first, FakeWorker(two.address) as second:
        first.default = second.default = note
        runs = await asyncio.gather(*(engine.start_run() for engine in (one, two) * 15))
        for run in runs:
            assert (await two.ended(run.id, seconds=20)).status == Run.SUCCESS

    assert len(executed) == len(set(executed)) == 30 * 4


async def test_an_engine_that_restarts_goes_on_with_what_its_workers_hold(
    engines: Engines, peers: Peers
) -> None:
    engine = await engines.start()
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    gate = Gate()
    async with FakeWorker(engine.address) as worker:
        worker.code["a"] = gate
        run = await engine.start_run()
        await until(lambda: gate.entered)
        await engines.stop(engine)
        await worker.lose_stream()
        gate.open.set()
        await until(lambda: worker.unacked)

        restarted = await engines.start()
        await worker.connect(restarted.address)
        ended = await restarted.ended(run.id)

    assert ended.status == Run.SUCCESS
    assert [len(one.attempts) for one in (await restarted.steps(run.id)).values()] == [1, 1]


async def test_an_engine_whose_machine_paused_for_longer_than_a_lease_lets_workers_renew_it_first(
    engines: Engines, peers: Peers
) -> None:
    engine = await engines.start(lease_seconds=1.0, heartbeat_seconds=0.3, poll_seconds=0.1)
    peers.registry.workflow({"id": "a"})
    gate = Gate()
    async with FakeWorker(engine.address) as worker:
        worker.code["a"] = gate
        run = await engine.start_run()
        await until(lambda: gate.entered)
        await asyncio.sleep(1.2)  # it has been patient since its start for as long as a lease
        for _ in range(3):
            time.sleep(1.2)  # noqa: ASYNC251  # all of the process stands, as when its machine is suspended
            await asyncio.sleep(0.5)
        gate.open.set()

        assert (await engine.ended(run.id)).status == Run.SUCCESS
        assert len((await engine.steps(run.id))["a"].attempts) == 1


async def test_queued_runs_survive_a_restart_without_the_registry(engines: Engines, peers: Peers) -> None:
    engine = await engines.start()
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(engine.address):
        pass
    runs = [await engine.start_run() for _ in range(3)]
    await engines.stop(engine)
    peers.registry.workflows.clear()
    peers.registry.versions.clear()

    restarted = await engines.start()
    async with FakeWorker(restarted.address):
        for run in runs:
            assert (await restarted.ended(run.id)).status == Run.SUCCESS


async def test_an_assignment_that_never_arrived_is_given_out_again(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "a"})
    worker = FakeWorker(engine.address)
    await worker.connect()
    worker._receive = lambda message: None  # type: ignore[method-assign]  # it hears nothing any more
    run = await engine.start_run()
    await worker.lose_stream()
    again = FakeWorker(engine.address, name=worker.id)
    await again.connect()
    try:
        assert (await engine.ended(run.id, seconds=10)).status == Run.SUCCESS
        assert len((await engine.steps(run.id))["a"].attempts) == 2
    finally:
        await again.close()


async def test_a_worker_that_comes_back_is_told_what_it_has_lost(engines: Engines, peers: Peers) -> None:
    engine = await engines.start(lease_seconds=0.6)
    peers.registry.workflow({"id": "a"})
    gate = Gate()
    async with FakeWorker(engine.address) as worker:
        worker.code["a"] = gate
        run = await engine.start_run()
        await until(lambda: gate.entered)
        await worker.lose_stream()
        async with FakeWorker(engine.address):
            await engine.ended(run.id)
        await worker.connect()
        assert worker.welcome is not None
        assert [one.step_id for one in worker.welcome.lost] == ["a"]
        gate.open.set()


async def test_a_draining_worker_finishes_and_takes_nothing_new(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    gate = Gate()
    worker.code["a"] = gate
    run = await engine.start_run()
    await until(lambda: gate.entered)
    worker.send(Message(draining=Message.Draining()))
    await asyncio.sleep(0.1)
    gate.open.set()
    await until(lambda: worker.acks)
    await asyncio.sleep(0.3)

    assert len(worker.assignments) == 1
    assert (await engine.get(run.id)).waiting_for == "a free worker for PYTHON_SCRIPT"
    async with FakeWorker(engine.address):
        assert (await engine.ended(run.id)).status == Run.SUCCESS


async def test_a_worker_that_does_not_mind_its_timeout_is_overruled(
    engine: Engine, peers: Peers, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "OVERRUN", timedelta(0))
    peers.registry.workflow({"id": "a", "timeout": {"nanos": 300_000_000}})
    worker.code["a"] = Gate()

    run = await engine.ended((await engine.start_run()).id)

    assert run.status == Run.FAILED
    assert run.error.kind == run_pb2.RunError.TIMED_OUT
    await until(lambda: worker.cancels)
