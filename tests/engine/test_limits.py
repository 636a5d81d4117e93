"""What holds runs and steps back: time, limits, places."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from mcpanel.audit.v1 import audit_pb2
from mcpanel.engine.v1 import engine_pb2, run_pb2
from mcpanel.registry.v1 import workflow_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, explain, in_seconds, pause, resume, start, until
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker
from tests.support.callers import OTHER_EDITOR, as_caller

Run = run_pb2.Run
Step = run_pb2.StepExecution
Concurrency = workflow_pb2.Concurrency


async def test_a_run_begins_at_its_time_and_not_before(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    run = await start(engine, start_at=in_seconds(0.6))

    assert run.status == Run.PENDING
    assert run.waiting_for.startswith("its start time")
    assert (await explain(engine, run.id)).reasons[0].kind == "START_TIME"
    assert worker.assignments == []
    ended = await engine.ended(run.id)
    assert ended.status == Run.SUCCESS
    assert ended.started_at.ToNanoseconds() >= run.start_at.ToNanoseconds()


async def test_a_run_that_takes_too_long_is_ended(engine: Engine, peers: Peers, worker: FakeWorker) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]}, timeout={"nanos": 300_000_000})
    worker.code["a"] = Attempt.hang

    ended = await engine.ended((await start(engine)).id)

    assert (ended.status, ended.error.kind) == (Run.FAILED, run_pb2.RunError.TIMED_OUT)
    assert {name: one.status for name, one in (await engine.steps(ended.id)).items()} == {
        "a": Step.ABORTED,
        "b": Step.SKIPPED,
    }


async def test_a_step_that_no_worker_takes_in_time_fails(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "a", "waiting_timeout": {"nanos": 300_000_000}}, {"id": "b"})
    async with FakeWorker(engine.address, slots=1) as worker:
        worker.code["b"] = worker.code["a"] = Attempt.hang
        run = await start(engine)
        second = await start(engine)

        ended = await engine.ended(second.id)
        await engine.cancel(run.id)

    assert (ended.status, ended.error.kind) == (Run.FAILED, run_pb2.RunError.TIMED_OUT)
    assert ended.error.message.startswith(
        "no worker took it within 300 ms: it waited for a free worker for PYTHON_SCRIPT; connect one"
    )


async def test_a_step_whose_turn_under_a_rate_limit_does_not_come_in_time_fails_and_says_so(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    rate = {"limit": 1, "period": {"seconds": 3600}, "key": "mails"}
    peers.registry.workflow({"id": "a", "rate_limit": rate, "waiting_timeout": {"nanos": 300_000_000}})
    await engine.ended((await start(engine)).id)

    ended = await engine.ended((await start(engine)).id)

    assert (ended.status, ended.error.kind) == (Run.FAILED, run_pb2.RunError.TIMED_OUT)
    assert ended.error.message.startswith(
        "it waited 300 ms for its turn under the rate limit 'mails' (1 in 1 h); raise its waiting_timeout"
    )


async def test_the_time_of_a_pause_does_not_count_as_waiting(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "pool": "later", "waiting_timeout": {"nanos": 400_000_000}})
    run = await start(engine)
    await pause(engine, run.id)
    paused = (await engine.steps(run.id))["a"]
    await resume(engine, run.id)
    resumed = (await engine.steps(run.id))["a"]

    ended = await engine.ended(run.id)

    assert not paused.HasField("expires_at")
    assert resumed.expires_at.ToDatetime() - run.created_at.ToDatetime() > timedelta(seconds=0.4)
    assert ended.error.kind == run_pb2.RunError.TIMED_OUT
    assert ended.ended_at.ToDatetime() >= resumed.expires_at.ToDatetime()


async def test_a_run_whose_time_ends_while_it_waits_says_for_what(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, concurrency=Concurrency(limit=1))
    worker.code["a"] = Attempt.hang
    first = await start(engine)
    limits: dict[str, Any] = {"concurrency": Concurrency(limit=1), "timeout": {"nanos": 300_000_000}}
    peers.registry.workflow({"id": "a"}, **limits)
    second = await engine.ended((await start(engine)).id)
    await engine.cancel(first.id)

    assert second.error.message == (
        "the run took longer than 300 ms: it waited for a place under the concurrency limit 'flow'"
    )


async def test_no_more_runs_run_at_once_than_the_limit_says_whoever_starts_them(
    engines: Engines, peers: Peers
) -> None:
    peers.registry.workflow(
        {"id": "a"}, inputs={"who": {}}, concurrency=Concurrency(key="${{ inputs.who }}", limit=2)
    )
    first, second = await engines.start(), await engines.start()
    running: dict[str, int] = {}
    most = 0

    async def count(attempt: Attempt) -> Any:
        nonlocal most
        running["x"] = running.get("x", 0) + 1
        most = max(most, running["x"])
        await asyncio.sleep(0.02)
        running["x"] -= 1

    async with FakeWorker(first.address, slots=8) as one, FakeWorker(second.address, slots=8) as two:
        one.default = two.default = count
        runs = await asyncio.gather(
            *(start((first, second)[number % 2], {"who": "x"}) for number in range(12))
        )
        other = await start(first, {"who": "y"})
        ended = [await first.ended(run.id, seconds=15) for run in runs]
        await first.ended(other.id)

    assert {run.status for run in ended} == {Run.SUCCESS}
    assert most <= 2 + 1  # "y" runs beside them
    waited = [run for run in runs if run.waiting_for]
    assert waited[0].waiting_for == "a place under the concurrency limit 'flow:x'"
    assert waited[0].concurrency_key == "flow:x"


async def test_a_full_limit_may_refuse_and_names_who_is_in_the_way(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, concurrency=Concurrency(limit=1, policy="drop_new"))
    worker.code["a"] = Attempt.hang
    run = await start(engine)

    refusal = await refused(start(engine))

    assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "CONCURRENCY_LIMIT")
    assert refusal.metadata["run_id"] == run.id
    assert refusal.message.startswith("1 run of 'flow' is running")
    await engine.cancel(run.id)
    await engine.ended(run.id)
    assert (await start(engine)).status in (Run.PENDING, Run.RUNNING)


async def test_a_full_limit_may_make_the_oldest_make_way(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, concurrency=Concurrency(limit=1, policy="cancel_running"))
    gate = Gate()
    first_hangs = iter([Attempt.hang])

    async def code(attempt: Attempt) -> Any:
        return await next(first_hangs, gate)(attempt)

    worker.code["a"] = code
    gate.open.set()
    first = await start(engine)
    await until(lambda: worker.holding)
    second = await start(engine)

    assert (await engine.ended(first.id)).status == Run.ABORTED
    assert (await engine.ended(second.id)).status == Run.SUCCESS


async def test_a_run_key_names_the_run_that_has_it(engine: Engine, peers: Peers, worker: FakeWorker) -> None:
    peers.registry.workflow({"id": "a"})
    gate = Gate()
    worker.code["a"] = gate
    first = await start(engine, run_key="order-7")

    refusal = await refused(start(engine, run_key="order-7"))
    same = await start(engine, run_key="order-7", on_conflict="use_existing")
    gate.open.set()
    await engine.ended(first.id)
    again = await start(engine, run_key="order-7")
    await engine.ended(again.id)
    reused = await refused(start(engine, run_key="order-7", on_reuse="allow_failed"))

    assert (refusal.code, refusal.reason, refusal.metadata["run_id"]) == (
        "ALREADY_EXISTS",
        "RUN_EXISTS",
        first.id,
    )
    assert same.id == first.id
    assert again.id != first.id
    assert reused.reason == "RUN_EXISTS"


@pytest.mark.parametrize(
    ("concurrency", "fields"),
    [
        (None, {"run_key": "order-7", "on_conflict": "cancel_existing"}),
        (Concurrency(limit=1, policy="cancel_running"), {}),
    ],
)
async def test_who_has_a_run_take_anothers_place_is_on_record_for_it(
    engine: Engine, peers: Peers, concurrency: Concurrency | None, fields: dict[str, Any]
) -> None:
    step = {"id": "go", "alone": True, "approval": {"message": "?"}}
    peers.registry.workflow(step, owner_id=OTHER_EDITOR.id, concurrency=concurrency)
    first = await start(engine, **fields)
    request = engine_pb2.StartRunRequest(workflow="flow", **fields)

    second = (await engine.stub.StartRun(request, metadata=as_caller(OTHER_EDITOR))).run

    def found() -> list[audit_pb2.Record]:
        records = peers.audit.records.values()
        return [one for one in records if one.action == "WORKFLOW_CANCEL_REQUESTED"]

    await until(found)
    (record,) = found()
    assert (record.entity_id, record.actor.id) == (first.id, OTHER_EDITOR.id)
    assert record.details["replaced_by"] == second.id
    assert record.details.fields["new"].struct_value["status"] == "ABORTED"


async def test_the_highest_priority_gets_the_next_slot(engine: Engine, peers: Peers) -> None:
    peers.registry.workflow({"id": "a"})
    gate = Gate()
    async with FakeWorker(engine.address, slots=1) as worker:
        worker.code["a"] = gate
        first = await start(engine)
        await until(lambda: gate.entered)
        low, high = await start(engine, priority=-5), await start(engine, priority=5)
        gate.open.set()
        for run in (first, low, high):
            await engine.ended(run.id)
        order = [one.ref.run_id for one in worker.assignments]

    assert order == [first.id, high.id, low.id]


async def test_a_step_runs_only_where_its_pool_labels_and_resources_allow(
    engine: Engine, peers: Peers
) -> None:
    peers.registry.workflow(
        {"id": "a", "pool": "gpu", "labels": ["cuda"], "resources": {"cpu": 2, "memory": "1Gi"}},
        {"id": "b", "pool": "gpu", "labels": ["cuda"], "resources": {"cpu": 2, "memory": "1Gi"}},
    )
    common = FakeWorker(engine.address, slots=4)
    special = FakeWorker(engine.address, slots=4)
    special.pool, special.labels, special.cpus, special.memory_bytes = "gpu", ["cuda", "big"], 3.0, 2**31
    most = 0

    async def count(_: Attempt) -> Any:
        nonlocal most
        most = max(most, len(special.holding))
        await asyncio.sleep(0.05)

    special.default = count
    async with common, special:
        run = await engine.ended((await start(engine)).id)

    assert run.status == Run.SUCCESS
    assert len(special.assignments) == 2
    assert common.assignments == []
    assert most == 1  # two of them would take four processors
