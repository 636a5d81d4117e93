"""However much one run has to do, the others move on beside it, and nothing of it holds them up afterwards."""

import asyncio
from typing import Any

import pytest

from mcpanel.engine.v1 import run_pb2
from mcpanel.registry.v1 import component_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker

Run = run_pb2.Run


class Ledger:
    """Code that notes which run's step it was, in order."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    async def __call__(self, attempt: Attempt) -> Any:
        self.runs.append(attempt.ref.run_id)
        await asyncio.sleep(0.002)
        return attempt.number


def fan_out(peers: Peers) -> None:
    step = {"id": "a", "for_each": "${{ inputs.items }}", "max_parallel": 5}
    peers.registry.workflow(step, inputs={"items": {}})


def small(peers: Peers, kind: Any = component_pb2.Definition.PYTHON_SCRIPT) -> None:
    peers.registry.workflow(*chain(3, peers, kind), name="small")


def chain(count: int, peers: Peers, kind: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": f"s{number}",
            "needs": [f"s{number - 1}"] * bool(number),
            "component": peers.registry.component(f"s{number}", kind),
        }
        for number in range(count)
    ]


async def test_a_run_beside_a_large_fan_out_waits_for_a_few_of_its_items(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    worker.default = ledger = Ledger()
    fan_out(peers)
    large = await engine.start_run(items=list(range(200)))
    small(peers)
    while len(ledger.runs) < 20:
        await asyncio.sleep(0.005)

    ended = await engine.ended((await engine.start_run("small")).id)

    assert ended.status == Run.SUCCESS
    assert (await engine.get(large.id)).status == Run.RUNNING
    assert (await engine.ended(large.id, seconds=30)).status == Run.SUCCESS
    first = ledger.runs.index(ended.id)
    assert ledger.runs[first : first + 20].count(ended.id) == 3


async def test_a_run_of_another_type_on_the_same_worker_is_not_held_up_either(
    engine: Engine, peers: Peers
) -> None:
    ledger = Ledger()
    fan_out(peers)
    small(peers, component_pb2.Definition.TYPESCRIPT_SCRIPT)
    worker = FakeWorker(engine.address)
    worker.kinds.append(component_pb2.Definition.TYPESCRIPT_SCRIPT)
    worker.default = ledger
    async with worker:
        large = await engine.start_run(items=list(range(200)))
        while len(ledger.runs) < 20:
            await asyncio.sleep(0.005)

        ended = await engine.ended((await engine.start_run("small")).id)

        assert ended.status == Run.SUCCESS
        assert (await engine.get(large.id)).status == Run.RUNNING


async def test_a_run_beside_a_long_chain_begins_before_that_ends(engine: Engine, peers: Peers) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def first(_: Attempt) -> None:
        begun.set()
        await go_on.wait()

    peers.registry.workflow(*chain(80, peers, component_pb2.Definition.PYTHON_SCRIPT))
    small(peers)
    async with FakeWorker(engine.address, slots=1) as worker:
        worker.default, worker.code["s0"] = Ledger(), first
        long = await engine.start_run()
        await begun.wait()

        beside = await engine.start_run("small")
        go_on.set()
        ended = await engine.ended(beside.id)

        assert ended.status == Run.SUCCESS
        assert (await engine.get(long.id)).status == Run.RUNNING


async def test_nothing_of_a_fan_out_is_left_in_the_backlog_when_it_has_ended(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    fan_out(peers)

    run = await engine.ended((await engine.start_run(items=list(range(200)))).id, seconds=30)

    assert run.status == Run.SUCCESS
    assert engine.built.dispatcher.desk.backlog.total() == 0


async def test_an_ended_run_is_not_loaded_for_a_step_that_another_replica_ran(
    engines: Engines, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"})
    dispatcher = one.built.dispatcher
    async with FakeWorker(two.address):
        ended = await two.ended((await two.start_run()).id)
    loaded: list[str] = []
    load = dispatcher.plans.load

    async def noted(run: Any, run_ids: Any) -> Any:
        loaded.extend(run_ids)
        return await load(run, run_ids)

    monkeypatch.setattr(dispatcher.plans, "load", noted)
    dispatcher.desk.backlog.add("PYTHON_SCRIPT", (ended.id, "a"), begins=True)
    async with FakeWorker(one.address):
        next_run = await one.ended((await one.start_run()).id)

    assert next_run.status == Run.SUCCESS
    assert dispatcher.desk.backlog.total() == 0
    assert ended.id not in loaded
