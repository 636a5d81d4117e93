"""Seeing workers and draining them, wherever they are connected."""

import asyncio
from typing import Any

from mcpanel.engine.v1 import engine_pb2, run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, drain, explain, undrain, until
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker
from tests.support.callers import EDITOR, VIEWER, as_caller


async def workers(engine: Engine, caller: Any = VIEWER, **fields: Any) -> dict[str, engine_pb2.Worker]:
    request = engine_pb2.ListWorkersRequest(**fields)
    answer = await engine.stub.ListWorkers(request, metadata=as_caller(caller))
    return {one.id: one for one in answer.workers}


def session_is_drained(engine: Engine, worker: FakeWorker, wanted: bool = True) -> bool:
    session = engine.built.dispatcher.sessions.get(worker.id)
    return session is not None and session.drained is wanted


async def test_every_replica_lists_the_workers_of_all(engines: Engines, peers: Peers) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"})
    gate = Gate()
    here, there = FakeWorker(one.address, slots=3, name="here"), FakeWorker(two.address, name="there")
    here.pool, here.labels, here.cpus, here.memory_bytes = "", ["cuda", "big"], 4.0, 2**33
    async with here:
        here.code["a"] = gate
        run = await one.start_run()
        await until(lambda: gate.entered)
        async with there:
            seen = await workers(two)
            page = await two.stub.ListWorkers(
                engine_pb2.ListWorkersRequest(page_size=1), metadata=as_caller(VIEWER)
            )
            rest = await workers(two, page_size=1, page_token=page.next_page_token)
            busy = await workers(two, filter='labels:cuda AND drained = false AND types:"PYTHON_SCRIPT"')
        gate.open.set()
        await one.ended(run.id)

    assert list(seen) == ["here", "there"]
    first = seen["here"]
    assert (first.slots, first.busy, first.cpus, first.memory_bytes) == (3, 1, 4.0, 2**33)
    assert (list(first.labels), list(first.types), first.host) == (["big", "cuda"], ["PYTHON_SCRIPT"], "test")
    assert (first.alive, first.drained, first.leaving) == (True, False, False)
    assert first.engine_version
    assert first.HasField("connected_at")
    assert first.HasField("last_seen_at")
    assert seen["there"].busy == 0
    assert [one.id for one in page.workers] == ["here"]
    assert list(rest) == ["there"]
    assert list(busy) == ["here"]


async def test_a_drained_worker_finishes_what_it_holds_and_takes_nothing_new_until_it_may(
    engines: Engines, peers: Peers
) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    gate = Gate()
    async with FakeWorker(one.address, slots=1) as worker:
        worker.code["a"] = gate
        run = await two.start_run()
        await until(lambda: gate.entered)

        drained = await drain(two, worker.id)
        await until(lambda: session_is_drained(one, worker))
        gate.open.set()
        async with asyncio.timeout(5):
            while (await two.steps(run.id))["a"].status != run_pb2.StepExecution.SUCCESS:
                await asyncio.sleep(0.02)
        why = await explain(two, run.id)
        later = await two.start_run()
        given = [assigned.ref.step_id for assigned in worker.assignments]
        free = await undrain(two, worker.id)
        ended = [await two.ended(one.id) for one in (run, later)]

    assert (drained.drained, drained.busy) == (True, 1)
    assert given == ["a"]
    assert why.reasons[0].kind == "DRAINING"
    assert worker.id in why.summary
    assert why.reasons[0].actions[0].http == f"POST /api/v1/workers/{worker.id}:undrain"
    assert not free.drained
    assert {run.status for run in ended} == {run_pb2.Run.SUCCESS}


async def test_a_worker_stays_drained_when_it_comes_back_elsewhere_and_without_nats(
    engines: Engines, peers: Peers, nats: Any
) -> None:
    one, two = await engines.start(), await engines.start()
    worker = FakeWorker(one.address)
    nats.stop()
    try:
        async with worker:
            await drain(two, worker.id)
            await until(lambda: session_is_drained(one, worker))
            await worker.lose_stream()
            await worker.connect(two.address)
            await until(lambda: two.built.dispatcher.sessions.get(worker.id) is not None)
            still = session_is_drained(two, worker)
            await undrain(one, worker.id)
            await until(lambda: session_is_drained(two, worker, wanted=False))
    finally:
        nats.start()

    assert still


async def test_draining_is_recorded_once_and_refused_where_it_cannot_be(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    await drain(engine, worker.id, request_id="once")
    await undrain(engine, worker.id)
    repeated = await drain(engine, worker.id, request_id="once")
    now = await workers(engine)
    unknown = await refused(drain(engine, "nobody"))
    request = engine_pb2.DrainWorkerRequest(worker_id=worker.id)
    forbidden = await refused(engine.stub.DrainWorker(request, metadata=as_caller(EDITOR)))
    empty = await refused(drain(engine, ""))
    await until(
        lambda: {"WORKER_DRAINED", "WORKER_UNDRAINED"} <= {one.action for one in peers.audit.records.values()}
    )

    assert repeated.drained
    assert not now[worker.id].drained
    assert (unknown.code, unknown.reason) == ("NOT_FOUND", "WORKER_NOT_FOUND")
    assert (forbidden.code, forbidden.metadata["permission"]) == ("PERMISSION_DENIED", "workers.drain")
    assert (empty.code, list(empty.fields)) == ("INVALID_ARGUMENT", ["worker_id"])
    drained = [one for one in peers.audit.records.values() if one.action == "WORKER_DRAINED"]
    recorded = [(one.entity_type, one.entity_id) for one in drained if one.outcome == "OK"]
    assert recorded == [("worker", worker.id)]
