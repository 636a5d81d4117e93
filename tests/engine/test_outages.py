"""PostgreSQL killed, NATS wiped, a flood of lines: runs go on, and nothing of them is lost."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from engine.link import Link
from mcpanel.engine.v1 import engine_pb2, run_pb2
from stack.nats import Nats
from tests.engine.conftest import Engine, Engines
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker
from tests.support.callers import EDITOR, as_caller
from tests.support.servers import TestPostgres, start_postgres

Run = run_pb2.Run


async def slow(attempt: Attempt) -> Any:
    attempt.log(f"{attempt.step_id} begins")
    await asyncio.sleep(0.2)
    return attempt.step_id


def chain(peers: Peers, count: int) -> None:
    peers.registry.workflow(
        *({"id": f"s{number}", "needs": [f"s{number - 1}"] if number else []} for number in range(count))
    )


async def test_the_engines_own_connections_are_given_up_soon_when_nothing_arrives(
    postgres: TestPostgres,
) -> None:
    url = postgres.create_database("engine", migrate="engine")
    link = Link(url, "test")
    inside = socket.socket(fileno=os.dup((await link.get()).fileno()))

    with inside:
        assert inside.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
    await link.close()
    postgres.drop_database(url)


async def patiently(engine: Engine, run_id: str) -> run_pb2.Run:
    """The run once it has ended, whatever answers in between."""
    async with asyncio.timeout(40):
        while True:
            try:
                return await engine.ended(run_id, seconds=30)
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    raise
                await asyncio.sleep(0.1)


async def check_story(engine: Engine, run: run_pb2.Run) -> None:
    assert run.status == Run.SUCCESS
    events = await engine.events(run.id)
    assert [one.seq for one in events] == list(range(1, run.last_seq + 1))
    final = [one.step_status_change for one in events if one.HasField("step_status_change")]
    ended = [one.step_id for one in final if one.status == run_pb2.StepExecution.SUCCESS]
    assert sorted(ended) == sorted(set(ended))


@pytest.fixture
async def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TestPostgres]:
    server = start_postgres(tmp_path_factory.mktemp("own"))
    yield server
    server.server.stop()


async def test_a_run_outlives_a_postgresql_that_is_killed(
    own_postgres: TestPostgres, nats: Nats, peers: Peers, socket: Callable[[], str], tmp_path: Path
) -> None:
    engines = Engines(
        own_postgres.create_database("own", migrate="engine"), nats.url, peers, socket, tmp_path
    )
    engine = await engines.start()
    chain(peers, 6)
    try:
        async with FakeWorker(engine.address) as worker:
            worker.default = slow
            run = await engine.start_run()
            while len(worker.assignments) < 3:
                await asyncio.sleep(0.01)
            assert (await engine.get(run.id)).status == Run.RUNNING

            own_postgres.server.kill()
            await asyncio.sleep(0.5)
            own_postgres.server.start()

            await check_story(engine, await patiently(engine, run.id))
    finally:
        await engines.stop(engine)


async def test_a_run_outlives_a_nats_that_is_killed_and_wiped(
    engines: Engines, nats: Nats, peers: Peers
) -> None:
    one, two = await engines.start(), await engines.start()
    chain(peers, 5)
    async with FakeWorker(one.address) as first, FakeWorker(two.address) as second:
        first.default = second.default = slow
        run = await one.start_run()
        while not first.assignments and not second.assignments:
            await asyncio.sleep(0.01)

        nats.kill()
        await asyncio.sleep(0.5)
        nats.wipe()

        await check_story(one, await two.ended(run.id, seconds=20))


async def test_callers_that_give_up_in_the_middle_leave_nothing_half_done(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    chain(peers, 2)

    async def give_up(moment: float) -> None:
        starting = asyncio.ensure_future(engine.start_run())
        await asyncio.sleep(moment)
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)

    for first in range(0, 36, 3):
        await asyncio.gather(*(give_up((first + 5 * number) % 36 / 1000) for number in range(6)))
    last = await engine.ended((await engine.start_run()).id)
    listed = await engine.stub.ListRuns(
        engine_pb2.ListRunsRequest(page_size=1000), metadata=as_caller(EDITOR)
    )

    assert last.status == Run.SUCCESS
    for run in listed.runs:
        await check_story(engine, await engine.ended(run.id))
    assert all(not session.held for session in engine.built.dispatcher.sessions)


async def test_a_step_that_floods_its_log_holds_up_no_other_run(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    lines = 6000

    async def flood(attempt: Attempt) -> Any:
        for start in range(0, lines, 200):
            attempt.log(*(f"line {start + number}" for number in range(200)))
        return None

    peers.registry.workflow({"id": "flood"}, name="flood")
    peers.registry.workflow({"id": "quiet"}, name="quiet")
    worker.code["flood"] = flood

    noisy = await engine.start_run("flood")
    while not worker.unacked:
        await asyncio.sleep(0.001)
    quiet = await engine.ended((await engine.start_run("quiet")).id)
    noise_is_on = (await engine.get(noisy.id)).status == Run.RUNNING
    ended = await engine.ended(noisy.id, seconds=30)

    assert quiet.status == ended.status == Run.SUCCESS
    assert noise_is_on
    assert ended.last_seq == lines + 6
