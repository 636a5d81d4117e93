"""What holds runs and steps back: time, limits, rates, places, outputs that others compute; and how it is explained."""

import asyncio
import itertools
import time
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf import timestamp_pb2

from chassis import jsonvalue
from mcpanel.engine.v1 import engine_pb2, run_pb2
from mcpanel.registry.v1 import workflow_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.engine.test_dispatch import Gate, until
from tests.engine.test_workers import drain
from tests.support.callers import EDITOR, as_caller

Run = run_pb2.Run
Step = run_pb2.StepExecution
Concurrency = workflow_pb2.Concurrency


async def start(engine: Engine, inputs: dict[str, Any] | None = None, **fields: Any) -> run_pb2.Run:
    request = engine_pb2.StartRunRequest(workflow="flow", inputs=inputs or {}, **fields)
    return (await engine.stub.StartRun(request, metadata=as_caller(EDITOR))).run


async def explain(engine: Engine, run_id: str) -> engine_pb2.ExplainRunResponse:
    request = engine_pb2.ExplainRunRequest(run_id=run_id)
    return await engine.stub.ExplainRun(request, metadata=as_caller(EDITOR))


def in_seconds(seconds: float) -> timestamp_pb2.Timestamp:
    moment = timestamp_pb2.Timestamp()
    moment.FromNanoseconds(int((time.time() + seconds) * 1e9))
    return moment


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
    assert "no worker took it" in ended.error.message


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


async def test_a_rate_limit_spreads_attempts_over_time(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow(
        {"id": "a", "for_each": [1, 2, 3, 4], "rate_limit": {"limit": 10, "period": {"seconds": 1}}}
    )

    run = await engine.ended((await start(engine)).id)

    assert run.status == Run.SUCCESS
    steps = await engine.steps(run.id)
    begun = sorted(steps[f"a[{number}]"].attempts[0].started_at.ToDatetime() for number in range(4))
    for number, moment in enumerate(begun):  # however late the first is, none comes before its own moment
        assert moment - run.created_at.ToDatetime() >= timedelta(seconds=0.1 * number)
    request = engine_pb2.GetRunTimelineRequest(run_id=run.id)
    axis = await engine.stub.GetRunTimeline(request, metadata=as_caller(EDITOR))
    by_id = {one.step_id: one for one in axis.steps}
    for number in range(1, 4):
        wait = by_id[f"a[{number}]"].waits[0]
        assert wait.reason == "RATE_LIMIT"
        assert wait.started_at == by_id["a"].started_at
        assert wait.ended_at == by_id[f"a[{number}]"].attempts[0].queued_at


async def test_runs_that_start_at_once_are_given_one_moment_each_under_a_rate_limit(
    engine: Engine, engines: Engines, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = {"limit": 1, "period": {"seconds": 3600}, "key": "hourly"}
    peers.registry.workflow({"id": "a", "rate_limit": rate, "waiting_timeout": {"seconds": 86400}})
    committer = engine.built.dispatcher._committer
    apply = committer._apply

    async def slowly(*arguments: Any, **options: Any) -> bool:
        await asyncio.sleep(0.05)
        return await apply(*arguments, **options)

    monkeypatch.setattr(committer, "_apply", slowly)

    await asyncio.gather(*(start(engine) for _ in range(12)))

    dues: list[datetime | None] = [None]
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        async with asyncio.timeout(20):
            while None in dues:
                await asyncio.sleep(0.1)
                rows = await connection.execute("SELECT due_at FROM run_steps ORDER BY due_at NULLS FIRST")
                dues = [due for (due,) in await rows.fetchall()]
    moments = [one for one in dues if one is not None]
    assert len(moments) == 12
    assert {after - before for before, after in itertools.pairwise(moments)} == {timedelta(hours=1)}


async def test_a_step_that_a_rate_limit_holds_back_is_said_to_be_until_when_and_by_which_and_a_pause_frees_none(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    rate = {"limit": 1, "period": {"seconds": 3600}, "key": "mails"}
    peers.registry.workflow({"id": "a", "for_each": [1, 2, 3], "rate_limit": rate})
    run = await start(engine)

    async def held() -> dict[str, Any]:
        async with asyncio.timeout(5):
            while True:
                why = {one.step_id: one for one in (await explain(engine, run.id)).reasons}
                if set(why) == {"a[1]", "a[2]"} and all(one.HasField("until") for one in why.values()):
                    return why
                await asyncio.sleep(0.02)

    why = await held()
    waits = (await engine.get(run.id)).waiting_for
    axis = await engine.stub.GetRunTimeline(
        engine_pb2.GetRunTimelineRequest(run_id=run.id), metadata=as_caller(EDITOR)
    )
    gates = {path: one.gate for path, one in (await engine.steps(run.id)).items()}
    await engine.stub.PauseRun(engine_pb2.PauseRunRequest(run_id=run.id), metadata=as_caller(EDITOR))
    await engine.stub.ResumeRun(engine_pb2.ResumeRunRequest(run_id=run.id), metadata=as_caller(EDITOR))
    later = await held()
    await engine.cancel(run.id)

    assert {one.kind for one in why.values()} == {"RATE_LIMIT"}
    assert why["a[1]"].message.startswith(
        "Step 'a[1]' waits for the rate limit 'mails', which lets it run at "
    )
    assert "again" not in why["a[1]"].message
    between = why["a[2]"].until.ToDatetime() - why["a[1]"].until.ToDatetime()
    assert between == timedelta(hours=1)
    assert waits == "the rate limit 'mails', at step 'a[1]'"
    assert gates == {"a": "", "a[0]": "", "a[1]": "rate:mails", "a[2]": "rate:mails"}
    open_waits = [(one.waits[-1].reason, one.waits[-1].HasField("ended_at")) for one in axis.steps[2:]]
    assert open_waits == [("RATE_LIMIT", False)] * 2
    assert min(one.until.ToDatetime() for one in later.values()) > why["a[2]"].until.ToDatetime()
    assert len(worker.assignments) == 1


async def test_an_output_is_computed_once_for_all_who_need_it_and_used_again(
    engines: Engines, peers: Peers
) -> None:
    peers.registry.workflow(
        {"id": "a", "with_": {"x": "${{ inputs.x }}"}, "cache": {"ttl": {"seconds": 60}}},
        inputs={"x": {}},
        outputs={"a": "${{ steps.a.output }}"},
    )
    first, second = await engines.start(), await engines.start()
    async with FakeWorker(first.address, slots=4) as one, FakeWorker(second.address, slots=4) as two:

        async def slow(attempt: Attempt) -> Any:
            await asyncio.sleep(0.1)
            return attempt.inputs

        one.default = two.default = slow
        runs = await asyncio.gather(*(start((first, second)[number % 2], {"x": 1}) for number in range(6)))
        ended = [await first.ended(run.id) for run in runs]
        later = await first.ended((await start(first, {"x": 1})).id)
        other = await first.ended((await start(first, {"x": 2})).id)
        count = len(one.assignments) + len(two.assignments)

    assert count == 2
    assert {str(jsonvalue.from_struct(run.outputs)) for run in (*ended, later)} == {"{'a': {'x': 1}}"}
    assert jsonvalue.from_struct(other.outputs) == {"a": {"x": 2}}
    step = (await second.steps(later.id))["a"]
    assert step.status == Step.CACHED
    assert step.copied_from in {run.id for run in runs}


async def test_who_waits_for_a_computation_that_fails_computes_it(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "cache": {"ttl": {"seconds": 60}}})
    gate = Gate()
    failing = iter([True])

    async def code(attempt: Attempt) -> Any:
        await gate(attempt)
        if next(failing, False):
            raise StepFailed
        return "made"

    worker.code["a"] = code
    first = await start(engine)
    await until(lambda: gate.entered)
    second = await start(engine)
    assert (await explain(engine, second.id)).reasons[0].kind == "CACHE"
    gate.open.set()

    assert (await engine.ended(first.id)).status == Run.FAILED
    assert (await engine.ended(second.id)).status == Run.SUCCESS
    assert (await engine.steps(second.id))["a"].status == Step.SUCCESS


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


def methods(reason: engine_pb2.ExplainRunResponse.Reason) -> list[str]:
    return [one.method.rpartition("/")[2] for one in reason.actions]


async def test_the_end_of_a_runs_time_names_the_steps_that_ran_or_waited_and_the_call_that_repeats_it(
    engine: Engine, peers: Peers
) -> None:
    retry = {"max_attempts": 2, "backoff": {"seconds": 3600}}
    peers.registry.workflow(
        {"id": "runs"},
        {"id": "again", "retry": retry},
        {"id": "queued", "pool": "nowhere"},
        {"id": "far", "needs": ["undecided"]},
        {"id": "undecided", "approval": {"message": "go?"}},
        timeout={"nanos": 700_000_000},
    )

    async def fail(attempt: Attempt) -> Any:
        raise StepFailed("USER_ERROR", "no such file")

    other = FakeWorker(engine.address)
    other.pool = "nowhere"
    async with FakeWorker(engine.address, slots=2) as worker, other:
        await drain(engine, other.id)
        worker.code |= {"runs": Attempt.hang, "again": fail}
        run = await engine.ended((await start(engine)).id)
    why = await explain(engine, run.id)

    by_step = {one.step_id: one for one in why.reasons}
    assert why.summary.startswith("It failed: the run took longer than")
    assert (why.reasons[0].step_id, why.reasons[0].kind) == ("", "FAILED")
    assert {path: one.kind for path, one in by_step.items() if path} == {
        "runs": "STOPPED",
        "again": "STOPPED",
        "queued": "STOPPED",
        "undecided": "STOPPED",
    }
    assert by_step["runs"].message == "Step 'runs' was running, attempt 1, when the run was ended."
    assert by_step["again"].message.endswith(
        "was to be tried again when the run was ended, after: no such file"
    )
    assert (
        by_step["undecided"].message == "Step 'undecided' was waiting for a decision when the run was ended."
    )
    assert by_step["queued"].message == "Step 'queued' was waiting to run when the run was ended."
    assert methods(by_step["runs"]) == ["RerunRun", "RerunRun"]


async def test_every_reason_that_somebody_can_do_something_about_names_the_call(
    engine: Engine, peers: Peers
) -> None:
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(engine.address, slots=1) as worker:
        later = await start(engine, start_at=in_seconds(3600))
        gate = worker.code["a"] = Gate()
        run = await start(engine)
        await until(lambda: worker.holding)
        await engine.cancel(run.id)
        stopping = (await explain(engine, run.id)).reasons
        gate.open.set()
        await engine.ended(run.id)
    waiting = (await explain(engine, later.id)).reasons
    await engine.cancel(later.id)

    assert [(one.kind, methods(one)) for one in waiting] == [("START_TIME", ["CancelRun"])]
    assert [(one.kind, methods(one)) for one in stopping] == [
        ("STOPPING", ["GetStepExecution", "ListWorkers"])
    ]
    assert stopping[0].HasField("until")
    assert "UTC at the latest" in stopping[0].message


async def test_why_a_run_waits_or_failed_is_told_with_the_calls_that_move_it_on(
    engine: Engine, peers: Peers
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    async with FakeWorker(engine.address, slots=1) as worker:
        worker.code["a"] = Attempt.hang
        first, second = await start(engine), await start(engine)
        await until(lambda: worker.holding)
        busy = await explain(engine, second.id)
        runs = await explain(engine, first.id)
        await engine.cancel(first.id)
        await engine.cancel(second.id)
        await engine.ended(first.id)
        cancelled = await explain(engine, first.id)

    assert [one.kind for one in busy.reasons] == ["NO_FREE_SLOT", "UPSTREAM"]
    assert "the 1 worker for PYTHON_SCRIPT is busy" in busy.summary
    assert [one.kind for one in runs.reasons] == ["RUNNING", "UPSTREAM"]
    assert runs.reasons[1].message == f"Step 'b' waits for: a. {runs.reasons[0].message}"
    assert methods(runs.reasons[1]) == ["GetStepExecution", "CancelRun"]
    assert cancelled.summary.startswith("It was cancelled")
    action = cancelled.reasons[0].actions[0]
    assert action.http == f"POST /api/v1/workflow-runs/{first.id}:rerun"
    assert dict(action.request)["runId"] == first.id
