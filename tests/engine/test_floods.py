"""An engine with much to do: it takes no worker for lost for that, and every line of a flood is seen."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from engine.dispatch import inbox
from mcpanel.engine.v1 import run_pb2
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, until
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker

Run = run_pb2.Run


@asynccontextmanager
async def busy(engines: Engines) -> AsyncIterator[None]:
    """PostgreSQL takes no events meanwhile: a transaction that has some to record does not end."""
    async with await psycopg.AsyncConnection.connect(engines.url) as other:
        await other.execute("LOCK TABLE run_events IN EXCLUSIVE MODE")
        yield


class Talker(Gate):
    """Says lines whenever the test wants, and ends when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.attempt: Attempt | None = None

    async def __call__(self, attempt: Attempt) -> Any:
        self.attempt = attempt
        return await super().__call__(attempt)

    def say(self, *lines: str) -> None:
        assert self.attempt is not None
        self.attempt.log(*lines)


async def talking(engines: Engines, peers: Peers, worker: FakeWorker) -> tuple[Engine, Run, Talker]:
    """A run with a step at work on a connected worker, past the patience that an engine begins with."""
    engine = engines.started[0]
    peers.registry.workflow({"id": "a"})
    talker = Talker()
    worker.code["a"] = talker
    run = await engine.start_run()
    await until(lambda: talker.entered)
    await asyncio.sleep(1.2)
    return engine, run, talker


async def attempts(engine: Engine, run: Run, talker: Talker) -> int:
    """How many attempts there were, once the run has succeeded."""
    talker.open.set()
    assert (await engine.ended(run.id, seconds=15)).status == Run.SUCCESS
    return len((await engine.steps(run.id))["a"].attempts)


@pytest.fixture
async def worker(engines: Engines) -> AsyncIterator[FakeWorker]:
    """A worker at an engine with short leases."""
    engine = await engines.start(lease_seconds=1.0, heartbeat_seconds=0.3, poll_seconds=0.1)
    async with FakeWorker(engine.address) as found:
        yield found


async def test_a_transaction_that_takes_longer_than_a_lease_loses_no_attempt(
    engines: Engines, peers: Peers, worker: FakeWorker
) -> None:
    engine, run, talker = await talking(engines, peers, worker)

    async with busy(engines):
        talker.say("a line")
        await asyncio.sleep(2.5)

    assert await attempts(engine, run, talker) == 1


async def test_a_worker_whose_words_the_engine_has_no_room_for_is_not_lost(
    engines: Engines, peers: Peers, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, run, talker = await talking(engines, peers, worker)
    await engines.start(
        lease_seconds=1.0, heartbeat_seconds=0.3, poll_seconds=0.1
    )  # which judges by leases alone
    peers.registry.workflow({"id": "flood"}, name="flood")
    flood = worker.code["flood"] = Talker()
    noisy = await engine.start_run("flood")
    await until(lambda: flood.entered)
    monkeypatch.setattr(inbox, "FULL", 3)

    async with await psycopg.AsyncConnection.connect(engines.url) as other:
        await other.execute("SELECT FROM runs WHERE id = %s FOR UPDATE", (noisy.id,))
        for number in range(300):
            flood.say(f"line {number}")
        await asyncio.sleep(3.5)
    monkeypatch.undo()
    flood.open.set()

    assert await attempts(engine, run, talker) == 1
    assert (await engine.ended(noisy.id)).status == Run.SUCCESS


async def test_a_sign_of_life_that_comes_before_the_attempt_is_given_up_keeps_it(
    engines: Engines, peers: Peers, worker: FakeWorker
) -> None:
    engine, run, talker = await talking(engines, peers, worker)

    async with busy(engines):
        talker.say("a line")
        await asyncio.sleep(0.2)
        worker.deaf = True
        await asyncio.sleep(1.6)  # the lease has ended, and what follows from it waits behind the line
        worker.deaf = False
        await asyncio.sleep(0.6)

    assert await attempts(engine, run, talker) == 1


async def test_a_look_around_that_comes_late_leaves_workers_as_long_to_be_heard(
    engines: Engines, peers: Peers
) -> None:
    engine = await engines.start(lease_seconds=2.4, heartbeat_seconds=0.3, poll_seconds=0.1)
    async with FakeWorker(engine.address) as worker:
        _, run, talker = await talking(engines, peers, worker)
        await asyncio.sleep(1.4)  # it has been patient since its start for as long as a lease
        await worker.lose_stream()
        await asyncio.sleep(1.5)
        time.sleep(1.1)  # noqa: ASYNC251  # the engine has something else to do while the lease ends
        await asyncio.sleep(0.3)
        await worker.connect()

        assert await attempts(engine, run, talker) == 1


async def test_a_worker_that_is_gone_is_given_up_while_an_engine_is_busy_with_lines(
    engines: Engines, peers: Peers, worker: FakeWorker
) -> None:
    engine, run, talker = await talking(engines, peers, worker)
    peers.registry.workflow({"id": "flood"}, name="flood")
    async with FakeWorker(engine.address, name="other") as other:

        async def flood(attempt: Attempt) -> None:
            while not talker.open.is_set():
                attempt.log(*(f"line {number}" for number in range(200)))
                await asyncio.sleep(0.1)

        other.code["flood"] = worker.code["flood"] = flood
        other.code["a"] = talker
        await worker.close()
        noisy = await engine.start_run("flood")
        await until(lambda: talker.entered == 2)

        assert await attempts(engine, run, talker) == 2
        assert (await engine.ended(noisy.id, seconds=30)).status == Run.SUCCESS


async def test_a_watcher_at_another_replica_sees_every_line_of_a_flood(
    engines: Engines, peers: Peers
) -> None:
    here, there = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"})
    gate = Gate()

    async def flood(attempt: Attempt) -> None:
        await gate(attempt)
        for start in range(0, 3000, 250):
            attempt.log(*(f"line {start + number}" for number in range(250)))

    async with FakeWorker(here.address) as worker:
        worker.code["a"] = flood
        run = await here.start_run()
        watching = there.watch(run.id)
        seen = [(await anext(aiter(watching))).event]
        await until(lambda: gate.entered)
        gate.open.set()
        seen += [item.event async for item in watching if item.HasField("event")]

    assert [one.seq for one in seen] == list(range(1, len(seen) + 1))
    lines = [one.log.message for one in seen if one.HasField("log")]
    assert lines == [f"line {number}" for number in range(3000)]
