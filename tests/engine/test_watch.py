"""WatchRun: gapless from any position, across disconnects, replicas and the loss of NATS."""

import asyncio
from typing import Any

import grpc.aio
import pytest

from chassis.errors import Exhausted
from engine.hub import Hub, Live
from engine.store.runs import Reader
from engine.watch import Pace, Watcher
from mcpanel.engine.v1 import engine_pb2, run_pb2
from stack.nats import Nats
from tests.engine.conftest import Engine, Engines
from tests.engine.support.errors import Refusal, refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import Attempt, FakeWorker

Run = run_pb2.Run


async def collect(stream: Any) -> tuple[list[int], list[str]]:
    """The numbers of the events, and every item's kind, until the stream ends."""
    seqs, kinds = [], []
    async for message in stream:
        item = message.WhichOneof("item")
        kinds.append(item if item != "event" else message.event.WhichOneof("event"))
        if item == "event":
            seqs.append(message.event.seq)
    return seqs, kinds


async def chatty(attempt: Attempt) -> Any:
    for number in range(20):
        attempt.log(f"line {number}")
        await asyncio.sleep(0.005)
    return None


async def test_a_watch_replays_goes_live_and_ends_with_the_end(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    worker.default = chatty
    run = await engine.start_run()

    seqs, kinds = await collect(engine.watch(run.id))

    last = (await engine.get(run.id)).last_seq
    assert seqs == list(range(1, last + 1))
    assert kinds.count("live") == 1
    assert kinds[-1] == "end"
    assert kinds.count("log") == 40


async def test_a_finished_run_replays_from_any_position_and_ends(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    run = await engine.ended((await engine.start_run()).id)

    for after in range(run.last_seq):
        seqs, kinds = await collect(engine.watch(run.id, after))
        assert seqs == list(range(after + 1, run.last_seq + 1))
        assert kinds[-1] == "end"
    assert await collect(engine.watch(run.id, run.last_seq)) == ([run.last_seq], ["end"])
    refusal = await refused(collect(engine.watch(run.id, run.last_seq + 1)))
    assert (refusal.code, refusal.reason) == ("OUT_OF_RANGE", "POSITION_OUT_OF_RANGE")


async def test_a_client_that_comes_back_again_and_again_misses_nothing(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    worker.default = chatty
    run = await engine.start_run()
    seen: list[int] = []

    ended = False
    while not ended:
        stream = engine.watch(run.id, seen[-1] if seen else 0)
        taken = 0
        async for message in stream:
            if message.HasField("event"):
                seen.append(message.event.seq)
                ended = message.event.HasField("end")
                taken += 1
            if taken == 4 and not ended:
                stream.cancel()
                break

    assert seen == list(range(1, (await engine.get(run.id)).last_seq + 1))


async def test_a_watch_on_another_replica_sees_the_same(engines: Engines, peers: Peers) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(one.address) as worker:
        worker.code["a"] = chatty
        run = await one.start_run()

        seqs, kinds = await collect(two.watch(run.id))

    assert seqs == list(range(1, (await one.get(run.id)).last_seq + 1))
    assert kinds[-1] == "end"


async def test_without_nats_everything_still_works_and_every_event_arrives(
    engines: Engines, peers: Peers, nats: Nats
) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    nats.stop()
    try:
        async with FakeWorker(one.address) as worker:
            worker.default = chatty
            run = await two.start_run()

            here, there = await asyncio.gather(collect(one.watch(run.id)), collect(two.watch(run.id)))
            ended = await two.ended(run.id)
    finally:
        nats.start()

    assert ended.status == Run.SUCCESS
    assert here[0] == there[0] == list(range(1, ended.last_seq + 1))


async def test_a_silent_watch_gives_signs_of_life(engines: Engines, peers: Peers) -> None:
    engine = await engines.start(keep_alive_seconds=0.1)
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(engine.address) as worker:
        worker.code["a"] = Attempt.hang
        run = await engine.start_run()
        kinds: list[str] = []
        async for message in engine.watch(run.id):
            kinds.append(str(message.WhichOneof("item")))
            if kinds.count("keep_alive") == 2:
                break
        await engine.cancel(run.id)

    assert kinds[-2:] == ["keep_alive", "keep_alive"]


async def test_a_watch_of_nothing_is_not_found(engine: Engine) -> None:
    refusal = await refused(collect(engine.watch("0197f000-0000-7000-8000-000000000001")))

    assert (refusal.code, refusal.reason) == ("NOT_FOUND", "RUN_NOT_FOUND")


async def test_a_server_that_stops_tells_its_watchers(engines: Engines, peers: Peers) -> None:
    engine = await engines.start()
    peers.registry.workflow({"id": "a"})
    async with FakeWorker(engine.address):
        pass
    run = await engine.start_run()
    stream = engine.watch(run.id)
    messages = aiter(stream)
    assert (await anext(messages)).HasField("event")

    stopping = asyncio.create_task(engine.built.server.stop(grace=5))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect(messages)
    await stopping
    engines.started.clear()

    assert Refusal(caught.value).reason == "DRAINING"


async def test_a_slow_client_falls_back_to_the_record_and_loses_nothing(
    engine: Engine, peers: Peers, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.built.hub, "_limit", 3)
    peers.registry.workflow({"id": "a"})
    worker.code["a"] = chatty
    run = await engine.start_run()
    watcher = Watcher(engine.built.db, engine.built.reads, engine.built.hub, Pace())
    seqs = []
    async for message in watcher.watch(run.id, 0, Reader(None), asyncio.Event()):
        if message.HasField("event"):
            seqs.append(message.event.seq)
            await asyncio.sleep(0.02)

    assert seqs == list(range(1, (await engine.get(run.id)).last_seq + 1))


async def test_a_client_that_stalls_while_its_queue_overflows_is_told_to_come_back(
    engine: Engine, peers: Peers, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.built.hub, "_limit", 3)
    peers.registry.workflow({"id": "a"})
    worker.code["a"] = Attempt.hang
    run = await engine.start_run()
    watcher = Watcher(engine.built.db, engine.built.reads, engine.built.hub, Pace(stalled=0.05))

    async def stall() -> None:
        async for message in watcher.watch(run.id, 0, Reader(None), asyncio.Event()):
            attempt = next(iter(worker.holding.values()))
            if message.HasField("live"):
                attempt.log("first")
            elif message.HasField("event") and message.event.HasField("log"):
                attempt.log(*(f"line {number}" for number in range(20)))
                await asyncio.sleep(0.3)

    with pytest.raises(Exhausted, match="too slowly"):
        await stall()
    await engine.cancel(run.id)


def test_a_hub_keeps_no_more_than_its_limit() -> None:
    hub = Hub(limit=2)
    subscription = hub.subscribe("run")
    for seq in range(1, 5):
        hub.put("run", Live(seq, None))
        hub.put("other", Live(seq, None))

    assert [one.seq for one in subscription.take()] == [1, 2]
    assert subscription.overflowed
    assert subscription.is_behind()
    hub.unsubscribe(subscription)
    assert hub.watched() == []


async def test_list_run_events_pages_from_a_position(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    run = await engine.ended((await engine.start_run()).id)
    request = engine_pb2.ListRunEventsRequest(run_id=run.id, after_seq=1, page_size=2)
    seqs = []
    while True:
        answer = await engine.stub.ListRunEvents(
            request, metadata=(("authorization", "Bearer editor-token"),)
        )
        seqs += [one.seq for one in answer.events]
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token

    assert seqs == list(range(2, run.last_seq + 1))
