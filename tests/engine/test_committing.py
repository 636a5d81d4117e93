"""What comes together shares a transaction, and what fails in it fails alone."""

import asyncio
from typing import Any

import grpc.aio
import pytest

from engine import machine
from engine.store import hot
from mcpanel.engine.v1 import run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, until
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker

Run = run_pb2.Run


async def test_results_that_arrive_together_share_a_transaction(
    engines: Engines, peers: Peers, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await engines.start()
    committer = engine.built.dispatcher._committer
    sizes: list[int] = []
    apply = committer._apply

    async def counted(items: Any, *births: Any, **options: Any) -> bool:
        sizes.append(len(items))
        await asyncio.sleep(0.05)
        return await apply(items, *births, **options)

    monkeypatch.setattr(committer, "_apply", counted)
    peers.registry.workflow(*({"id": f"s{number}"} for number in range(8)))
    gate = Gate()
    async with FakeWorker(engine.address, slots=8) as worker:
        worker.default = gate
        run = await engine.start_run()
        await until(lambda: gate.entered == 8)
        sizes.clear()
        gate.open.set()
        assert (await engine.ended(run.id)).status == Run.SUCCESS

    assert max(sizes) > 1
    assert sum(sizes) == 8


async def test_runs_that_start_together_share_a_transaction(
    engine: Engine, peers: Peers, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    committer = engine.built.dispatcher._committer
    sizes: list[int] = []
    apply = committer._apply

    async def counted(items: Any, births: Any = (), **options: Any) -> bool:
        sizes.append(len(births))
        await asyncio.sleep(0.05)
        return await apply(items, births, **options)

    monkeypatch.setattr(committer, "_apply", counted)
    peers.registry.workflow({"id": "a"})

    runs = await asyncio.gather(*(engine.start_run() for _ in range(12)))

    assert sum(sizes) == 12
    assert max(sizes) > 1
    assert {(await engine.ended(run.id)).status for run in runs} == {Run.SUCCESS}


async def test_a_run_that_cannot_be_made_fails_its_own_call_and_no_other(
    engine: Engine, peers: Peers, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = machine.create

    def trip(run_id: str, plan: Any, inputs: Any, *rest: Any, **options: Any) -> Any:
        if inputs.value == {"n": 3}:
            raise RuntimeError("a defect")
        return create(run_id, plan, inputs, *rest, **options)

    monkeypatch.setattr(machine, "create", trip)
    peers.registry.workflow({"id": "a"}, inputs={"n": {}})

    answers = await asyncio.gather(*(engine.start_run(n=n) for n in range(6)), return_exceptions=True)

    failed = [one for one in answers if isinstance(one, BaseException)]
    assert len(failed) == 1
    assert isinstance(failed[0], grpc.aio.AioRpcError)
    assert failed[0].code() == grpc.StatusCode.INTERNAL
    for run in answers:
        if not isinstance(run, BaseException):
            assert (await engine.ended(run.id)).status == Run.SUCCESS


async def test_a_run_that_cannot_be_written_fails_its_own_call_and_no_other(
    engine: Engine, peers: Peers, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = hot.insert_run_sql

    def broken(info: Any, state: Any, *rest: Any) -> Any:
        if state.inputs.value == {"n": 3}:
            return [("SELECT 1/0", ())]
        return insert(info, state, *rest)

    monkeypatch.setattr(hot, "insert_run_sql", broken)
    peers.registry.workflow({"id": "a"}, inputs={"n": {}})

    answers = await asyncio.gather(*(engine.start_run(n=n) for n in range(6)), return_exceptions=True)

    assert sum(isinstance(one, grpc.aio.AioRpcError) for one in answers) == 1
    for run in answers:
        if not isinstance(run, BaseException):
            assert (await engine.ended(run.id)).status == Run.SUCCESS


async def test_what_cannot_be_applied_fails_its_own_run_and_no_other(
    engine: Engine, peers: Peers, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def poison(_: Attempt) -> Any:
        return "poison"

    step = machine.step

    def trip(state: Any, event: Any, now: Any) -> Any:
        if getattr(getattr(event, "output", None), "raw", b"") == b'"poison"':
            raise RuntimeError("a defect")
        return step(state, event, now)

    monkeypatch.setattr(machine, "step", trip)
    peers.registry.workflow({"id": "bad"}, name="bad")
    peers.registry.workflow({"id": "good"}, name="good")
    worker.code["bad"] = poison

    bad, good = await asyncio.gather(engine.start_run("bad"), engine.start_run("good"))

    assert (await engine.ended(good.id)).status == Run.SUCCESS
    async with asyncio.timeout(10):
        while not (step_now := (await engine.steps(bad.id))["bad"]).attempts[0].HasField("error"):
            await asyncio.sleep(0.02)
    assert step_now.attempts[0].error.kind == run_pb2.RunError.INTERNAL
