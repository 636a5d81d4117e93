"""Rate limits give each step one moment; an output is computed once for all who need it."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from chassis import jsonvalue
from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, explain, pause, resume, start, until
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker, StepFailed
from tests.support.callers import EDITOR, OTHER_EDITOR, as_caller

Run = run_pb2.Run
Step = run_pb2.StepExecution
HOURLY = {"limit": 1, "period": {"seconds": 3600}, "key": "mails"}


async def fetch(engines: Engines, query: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(engines.url, autocommit=True) as connection:
        return await (await connection.execute(query)).fetchall()


async def moments(engines: Engines, count: int) -> set[str]:
    """The runs with a step that was let through a rate limit and has not begun, as soon as there are so many."""
    async with asyncio.timeout(5):
        query = "SELECT run_id::text FROM run_steps WHERE gate <> '' AND due_at IS NOT NULL"
        while len(found := {run_id for (run_id,) in await fetch(engines, query)}) != count:
            await asyncio.sleep(0.02)
    return found


async def timeline(engine: Engine, run_id: str) -> Sequence[engine_pb2.Wait]:
    """What the run's first step waits for."""
    request = engine_pb2.GetRunTimelineRequest(run_id=run_id)
    return (await engine.stub.GetRunTimeline(request, metadata=as_caller(EDITOR))).steps[0].waits


async def held(engine: Engine, run_id: str, *paths: str, said: str = "") -> dict[str, Any]:
    """The reasons of a run's steps, as soon as these are held back until some moment."""
    async with asyncio.timeout(5):
        while True:
            why = {one.step_id: one for one in (await explain(engine, run_id)).reasons}
            if set(why) == set(paths) and all(
                one.HasField("until") and said in one.message for one in why.values()
            ):
                return why
            await asyncio.sleep(0.02)


async def test_nobody_uses_up_somebody_elses_rate_limit(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    for owner in (EDITOR, OTHER_EDITOR):
        # Behind another step: the run is read back from the database in between.
        steps = {"id": "first"}, {"id": "a", "needs": ["first"], "rate_limit": HOURLY}
        peers.registry.workflow(*steps, owner_id=owner.id)
        assert (await engine.ended((await start(engine)).id)).status == Run.SUCCESS

    again = await start(engine)

    await held(engine, again.id, "a", said="the rate limit 'mails'")
    assert (await engine.steps(again.id))["a"].gate == "rate:mails"
    await engine.cancel(again.id)


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


async def test_runs_that_start_at_once_on_two_replicas_begin_one_interval_apart_under_a_rate_limit(
    engines: Engines, peers: Peers
) -> None:
    replicas = [await engines.start(), await engines.start()]
    peers.registry.workflow({"id": "a", "rate_limit": {"limit": 20, "period": {"seconds": 1}, "key": "k"}})

    async with FakeWorker(replicas[0].address, slots=8), FakeWorker(replicas[1].address, slots=8):
        runs = await asyncio.gather(*(start(one) for one in replicas * 10))
        for run in runs:
            await replicas[0].ended(run.id, seconds=15)
        attempts = [(await replicas[0].steps(run.id))["a"].attempts[0] for run in runs]

    rows = await fetch(engines, "SELECT queued_at, started_at FROM attempts ORDER BY queued_at")
    assert len(rows) == len(attempts) == 20
    moments = [moment for moment, _ in rows]
    assert all(after - before >= timedelta(seconds=0.05) for before, after in itertools.pairwise(moments))
    assert all(began >= moment for moment, began in rows)


async def test_a_step_that_a_rate_limit_holds_back_is_said_to_be_until_when_and_by_which_however_often_it_is_paused(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "for_each": [1, 2, 3], "rate_limit": HOURLY})
    run = await start(engine)

    why = await held(engine, run.id, "a[1]", "a[2]")
    waits = (await engine.get(run.id)).waiting_for
    axis = await engine.stub.GetRunTimeline(
        engine_pb2.GetRunTimelineRequest(run_id=run.id), metadata=as_caller(EDITOR)
    )
    gates = {path: one.gate for path, one in (await engine.steps(run.id)).items()}
    for _ in range(3):
        await pause(engine, run.id)
        await resume(engine, run.id)
    later = await held(engine, run.id, "a[1]", "a[2]")
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
    assert {path: one.until for path, one in later.items()} == {path: one.until for path, one in why.items()}
    assert len(worker.assignments) == 1


@pytest.mark.parametrize("steer", ["cancel", "pause"])
async def test_the_moment_of_a_step_that_does_not_run_goes_to_the_next_whoever_that_is(
    engines: Engines, peers: Peers, steer: str
) -> None:
    engine, other = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a", "rate_limit": HOURLY, "waiting_timeout": {"seconds": 3600}})
    first = await start(engine)
    await moments(engines, 1)  # it waits for a worker: none is connected
    second = await start(other)
    await (pause(engine, first.id) if steer == "pause" else engine.cancel(first.id))

    assert await moments(engines, 1) == {second.id}
    async with FakeWorker(other.address):
        assert (await other.ended(second.id)).status == Run.SUCCESS
        if steer == "pause":
            await resume(engine, first.id)
            why = await held(engine, first.id, "a")
            ended = (await other.get(second.id)).ended_at.ToDatetime()
            assert why["a"].until.ToDatetime() - ended < timedelta(hours=1)
            await engine.cancel(first.id)


async def test_the_timeline_tells_the_rate_limit_and_pauses_apart_also_of_a_step_whose_time_was_over(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    waiting = {"nanos": 300_000_000}
    peers.registry.workflow({"id": "a", "rate_limit": HOURLY, "waiting_timeout": waiting})
    await engine.ended((await start(engine)).id)
    run = await start(engine)
    await pause(engine, run.id)
    paused = await timeline(engine, run.id)
    await resume(engine, run.id)
    await engine.ended(run.id)

    waits = await timeline(engine, run.id)

    assert [(one.reason, one.HasField("ended_at")) for one in paused] == [
        ("RATE_LIMIT", True),
        ("PAUSED", False),
    ]
    assert [one.reason for one in waits] == ["RATE_LIMIT", "PAUSED", "RATE_LIMIT"]
    assert [one.ended_at for one in waits[:-1]] == [one.started_at for one in waits[1:]]
    assert waits[-1].ended_at == (await engine.steps(run.id))["a"].ended_at


async def test_a_moment_that_nobody_has_yet_is_the_next_ones_when_who_was_first_in_the_queue_is_cancelled(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a", "rate_limit": HOURLY})
    await engine.ended((await start(engine)).id)
    first, second, third = [await start(engine) for _ in range(3)]
    before = [(await held(engine, run.id, "a"))["a"].until for run in (first, second, third)]

    await engine.cancel(second.id)
    await engine.ended(second.id)
    after = [(await held(engine, run.id, "a"))["a"].until for run in (first, third)]

    assert after == before[:2]


async def test_who_came_to_a_rate_limit_first_goes_first_and_the_higher_priority_before(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "before"}, {"id": "a", "needs": ["before"], "rate_limit": HOURLY})
    await engine.ended((await start(engine)).id)
    gate = worker.code["before"] = Gate()
    oldest = await start(engine)
    await until(lambda: gate.entered)
    del worker.code["before"]
    newer, urgent = await start(engine), await start(engine, priority=1)
    await held(engine, newer.id, "a")
    gate.open.set()

    turns = {}
    for run in (oldest, newer, urgent):
        turns[run.id] = (await held(engine, run.id, "a"))["a"].until.ToDatetime()

    assert sorted(turns, key=lambda run_id: turns[run_id]) == [urgent.id, newer.id, oldest.id]


async def test_a_retry_that_backs_off_holds_nobody_else_under_its_rate_limit_up(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    retry = {"max_attempts": 2, "backoff": {"seconds": 3600}}
    rate = {"limit": 100, "period": {"seconds": 1}, "key": "k"}
    peers.registry.workflow({"id": "a", "retry": retry, "rate_limit": rate})
    failing = iter([True])

    async def code(attempt: Attempt) -> Any:
        if next(failing, False):
            raise StepFailed

    worker.code["a"] = code
    first = await start(engine)
    why = await held(engine, first.id, "a", said="again")
    second = await engine.ended((await start(engine)).id)
    await engine.cancel(first.id)

    assert second.status == Run.SUCCESS
    assert why["a"].until.ToDatetime() - second.created_at.ToDatetime() > timedelta(minutes=50)
    assert why["a"].message.endswith("It is tried again after: it broke")


async def test_after_a_time_without_a_worker_no_more_begin_at_once_than_the_rate_limit_allows(
    engines: Engines, peers: Peers
) -> None:
    engine = await engines.start()
    rate = {"limit": 1, "period": {"nanos": 600_000_000}, "key": "k"}
    peers.registry.workflow({"id": "a", "rate_limit": rate, "waiting_timeout": {"seconds": 3600}})
    runs = [await start(engine) for _ in range(3)]
    first = await moments(engines, 1)
    last = next(run for run in reversed(runs) if run.id not in first)
    async with asyncio.timeout(10):
        while "the steps before it wait for a worker" not in (await explain(engine, last.id)).summary:
            await asyncio.sleep(0.05)

    async with FakeWorker(engine.address, slots=8):
        for run in runs:
            await engine.ended(run.id)

    begun = [row[0] for row in await fetch(engines, "SELECT started_at FROM attempts ORDER BY started_at")]
    assert len(begun) == 3
    assert all(after - before >= timedelta(seconds=0.6) for before, after in itertools.pairwise(begun))


async def test_a_step_without_a_worker_holds_nobody_up_who_shares_its_rate_limit_and_has_one(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    rate = {"limit": 1, "period": {"nanos": 100_000_000}, "key": "k"}
    peers.registry.workflow({"id": "a", "pool": "nowhere", "rate_limit": rate}, name="elsewhere")
    peers.registry.workflow({"id": "a", "rate_limit": rate})
    others = [await engine.start_run("elsewhere") for _ in range(20)]
    async with asyncio.timeout(5):
        while "before it wait for a worker" not in (await explain(engine, others[-1].id)).summary:
            await asyncio.sleep(0.05)

    assert (await engine.ended((await start(engine)).id)).status == Run.SUCCESS
    for run in others:
        await engine.cancel(run.id)


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
