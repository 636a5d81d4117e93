"""Rate limits give each step one moment; an output is computed once for all who need it."""

import asyncio
import itertools
from datetime import datetime, timedelta
from typing import Any

import psycopg

from chassis import jsonvalue
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.engine.test_dispatch import Gate, until
from tests.engine.test_limits import explain, start
from tests.support.callers import EDITOR, as_caller

Run = run_pb2.Run
Step = run_pb2.StepExecution


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


async def test_runs_that_start_at_once_on_two_replicas_are_given_one_moment_each_under_a_rate_limit(
    engines: Engines, peers: Peers
) -> None:
    replicas = [await engines.start(), await engines.start()]
    rate = {"limit": 1, "period": {"seconds": 3600}, "key": "hourly"}
    peers.registry.workflow({"id": "a", "rate_limit": rate, "waiting_timeout": {"seconds": 86400}})

    await asyncio.gather(*(start(one) for one in replicas * 40))

    dues: list[datetime | None] = [None]
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        async with asyncio.timeout(20):
            while None in dues:
                await asyncio.sleep(0.1)
                rows = await connection.execute("SELECT due_at FROM run_steps ORDER BY due_at NULLS FIRST")
                dues = [due for (due,) in await rows.fetchall()]
    moments = [one for one in dues if one is not None]
    assert len(moments) == 80
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
