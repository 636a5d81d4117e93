"""Runs that start when others end: once for each, with what those made, and never without end."""

import asyncio
from typing import Any

from engine.triggers import LONGEST_CHAIN
from mcpanel.engine.v1 import engine_pb2, run_pb2, trigger_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.automation import PRIVATE, create_trigger, eventually, get_trigger, quick, runs
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker, StepFailed
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, as_caller

Run = run_pb2.Run


async def started_by(engine: Engine, run_id: str) -> list[run_pb2.Run]:
    return await runs(engine, f'triggered_by = "run:{run_id}"')


async def test_a_run_follows_the_end_of_another_with_what_it_made(engine: Engine, peers: Peers) -> None:
    quick(peers)
    quick(peers, "report")
    inputs = {"n": "${{ run.outputs.got + run.inputs.n }}"}
    made = await create_trigger(
        engine, name="after", workflow="report", inputs=inputs, run_end={"workflow": "flow"}
    )

    first = await engine.start_run(n=4)
    (second,) = await eventually(lambda: started_by(engine, first.id))

    ended = await engine.ended(second.id)
    assert (ended.workflow_name, ended.outputs["got"], ended.started_by) == ("report", 8, EDITOR.id)
    assert made.secret == ""
    found = await get_trigger(engine, "after")
    assert (found.last_start.cause, found.last_start.run_id) == (f"run:{first.id}", second.id)


async def test_only_ends_in_the_named_statuses_count(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    quick(peers, "clean-up")
    await create_trigger(
        engine,
        name="after",
        workflow="clean-up",
        inputs={"n": "${{ run.status + ': ' + run.error.message }}"},
        run_end={"workflow": "flow", "statuses": ["FAILED"]},
    )
    good = await engine.start_run()
    await engine.ended(good.id)

    async def fail(attempt: Any) -> Any:
        raise StepFailed

    worker.default = fail
    bad = await engine.start_run()
    (follower,) = await eventually(lambda: started_by(engine, bad.id))

    assert str((await engine.ended(follower.id)).outputs["got"]).startswith("FAILED: ")
    assert await started_by(engine, good.id) == []


async def test_each_end_is_followed_once_whoever_looks(engines: Engines, peers: Peers) -> None:
    quick(peers)
    quick(peers, "report")
    first, second = await engines.start(), await engines.start()
    await create_trigger(first, name="after", workflow="report", run_end={"workflow": "flow"})

    started = await asyncio.gather(*((first, second)[number % 2].start_run() for number in range(20)))

    async def all_followed() -> bool:
        return len(await runs(first, 'workflow_name = "report"')) >= len(started)

    await eventually(all_followed)
    await asyncio.sleep(0.5)
    causes = [one.triggered_by for one in await runs(first, 'workflow_name = "report"')]
    assert sorted(causes) == sorted(f"run:{one.id}" for one in started)


async def test_a_chain_of_runs_has_an_end(engine: Engine, peers: Peers) -> None:
    quick(peers)
    await create_trigger(
        engine, name="loop", inputs={"n": "${{ run.outputs.got + 1 }}"}, run_end={"workflow": "flow"}
    )

    await engine.start_run()

    async def stopped() -> str:
        return (await get_trigger(engine, "loop")).last_start.error

    error = await eventually(stopped, 20)
    assert "CHAIN_TOO_LONG" in error
    started = await runs(engine)
    assert len(started) == LONGEST_CHAIN + 1
    last = max(started, key=lambda one: one.id)
    assert f"run '{last.id}' is the last of {len(started)} runs in a row" in error


async def test_what_cannot_follow_is_recorded_and_the_next_does(engine: Engine, peers: Peers) -> None:
    quick(peers)
    quick(peers, "report")
    inputs = {"n": "${{ 10 / run.inputs.n }}"}
    await create_trigger(engine, name="after", workflow="report", inputs=inputs, run_end={"workflow": "flow"})

    zero = await engine.start_run(n=0)

    async def failed() -> str:
        return (await get_trigger(engine, "after")).last_start.error

    error = await eventually(failed)
    five = await engine.start_run(n=5)
    (follower,) = await eventually(lambda: started_by(engine, five.id))

    assert "inputs.n" in error
    assert await started_by(engine, zero.id) == []
    assert (await engine.ended(follower.id)).outputs["got"] == 2


async def test_what_does_not_answer_is_waited_for(engine: Engine, peers: Peers) -> None:
    quick(peers)
    quick(peers, "report")
    await create_trigger(engine, name="after", workflow="report", run_end={"workflow": "flow"})
    peers.identity.answers = False
    first = await engine.start_run()

    async def waits() -> str:
        return (await get_trigger(engine, "after")).last_start.error

    assert "tried again" in await eventually(waits)
    peers.identity.answers = True
    assert len(await eventually(lambda: started_by(engine, first.id))) == 1


async def test_private_runs_of_others_start_nothing(engine: Engine, peers: Peers) -> None:
    flow = quick(peers, owner_id=OTHER_EDITOR.id, visibility=PRIVATE)
    quick(peers, "report")
    await create_trigger(engine, name="after", workflow="report", run_end={"workflow": "flow"})
    request = engine_pb2.StartRunRequest(workflow=flow.name)

    await engine.stub.StartRun(request, metadata=as_caller(OTHER_EDITOR))

    async def failed() -> str:
        return (await get_trigger(engine, "after")).last_start.error

    assert "private to somebody else" in await eventually(failed)
    assert await runs(engine, 'workflow_name = "report"') == []


async def test_a_paused_or_deleted_trigger_starts_nothing(engine: Engine, peers: Peers) -> None:
    quick(peers)
    quick(peers, "report")
    for name, paused in (("paused", True), ("gone", False)):
        await create_trigger(
            engine, name=name, workflow="report", paused=paused, run_end={"workflow": "flow"}
        )
    request = trigger_pb2.DeleteTriggerRequest(trigger_id="gone")
    await engine.stub.DeleteTrigger(request, metadata=as_caller(ADMIN))

    run = await engine.start_run()
    await engine.ended(run.id)
    await asyncio.sleep(0.5)

    assert await started_by(engine, run.id) == []
