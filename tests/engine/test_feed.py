"""WatchRuns: what there is, then what changes, on every replica, whatever breaks in between."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from chassis.errors import Exhausted
from engine.feed import Feed, Wish
from engine.sight import Sight
from engine.store.runs import Reader
from mcpanel.engine.v1 import engine_pb2, run_pb2
from stack.nats import Nats
from tests.engine.conftest import Engine, Engines
from tests.engine.support.calls import Gate, until
from tests.engine.support.errors import refused
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker
from tests.support.callers import EDITOR, OTHER_EDITOR, as_caller

Run = run_pb2.Run


class Watch:
    """A watch that is read in the background."""

    def __init__(self, engine: Engine, caller: Any = EDITOR, **fields: Any) -> None:
        request = engine_pb2.WatchRunsRequest(**fields)
        self.call = engine.stub.WatchRuns(request, metadata=as_caller(caller))
        self.messages: list[engine_pb2.WatchRunsResponse] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.call:
            self.messages.append(message)

    async def live(self) -> "Watch":
        await until(lambda: "live" in self.kinds())
        return self

    def kinds(self) -> list[str]:
        return [message.WhichOneof("item") or "" for message in self.messages]

    def statuses(self, run_id: str) -> list[int]:
        return [one.run.status for one in self.messages if one.HasField("run") and one.run.id == run_id]

    def left(self) -> list[str]:
        return [one.left for one in self.messages if one.HasField("left")]

    def cursor(self) -> str:
        return next(one.cursor for one in reversed(self.messages) if one.cursor)

    def listed(self) -> list[str]:
        return next(list(one.live.run_ids) for one in self.messages if one.HasField("live"))

    async def stop(self) -> None:
        self.call.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_watch_begins_with_what_there_is_and_goes_on_with_what_changes(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, {"id": "b", "needs": ["a"]})
    old = [await engine.ended((await engine.start_run()).id) for _ in range(3)]
    gate = Gate()
    worker.code["b"] = gate

    watch = await Watch(engine, page_size=2).live()
    run = await engine.start_run()
    await until(lambda: Run.RUNNING in watch.statuses(run.id))
    await until(lambda: any(one.run.id == run.id and one.run.steps_ended == 1 for one in watch.messages))
    gate.open.set()
    await until(lambda: Run.SUCCESS in watch.statuses(run.id))
    await watch.stop()

    assert watch.kinds()[:3] == ["run", "run", "live"]
    assert watch.listed() == [old[2].id, old[1].id]
    assert [bool(one.cursor) for one in watch.messages[:3]] == [False, False, True]
    assert all(one.cursor for one in watch.messages[3:])
    last = [one.run for one in watch.messages if one.run.id == run.id][-1]
    assert last == await engine.get(run.id) or (last.status, last.steps_ended) == (Run.SUCCESS, 2)


async def test_a_run_that_fits_no_longer_is_told_once_and_others_never(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"}, name="one")
    peers.registry.workflow({"id": "a"}, name="other")
    gate = Gate()
    worker.code["a"] = gate

    watch = await Watch(engine, filter='workflow_name = "one" AND status = "RUNNING"').live()
    run, other = await engine.start_run("one"), await engine.start_run("other")
    await until(lambda: Run.RUNNING in watch.statuses(run.id))
    gate.open.set()
    await engine.ended(other.id)
    await until(watch.left)
    await watch.stop()

    assert watch.left() == [run.id]
    assert watch.statuses(other.id) == []


async def test_watchers_on_other_replicas_see_the_same_and_private_runs_stay_private(
    engines: Engines, peers: Peers
) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"}, name="public")
    peers.registry.workflow({"id": "a"}, name="private", visibility=2)
    async with FakeWorker(one.address):
        mine, others = await Watch(two).live(), await Watch(two, OTHER_EDITOR).live()
        secret, seen = await one.start_run("private"), await one.start_run("public")
        await until(lambda: Run.SUCCESS in others.statuses(seen.id))
        await until(lambda: Run.SUCCESS in mine.statuses(seen.id))
        await until(lambda: Run.SUCCESS in mine.statuses(secret.id))
        await mine.stop()
        await others.stop()

    assert others.statuses(secret.id) == []


async def test_without_nats_changes_elsewhere_are_found_all_the_same(
    engines: Engines, peers: Peers, nats: Nats
) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"})
    nats.stop()
    try:
        async with FakeWorker(one.address):
            watch = await Watch(two).live()
            run = await one.start_run()
            await one.ended(run.id)
            await until(lambda: Run.SUCCESS in watch.statuses(run.id))
            await watch.stop()
    finally:
        nats.start()


async def test_a_watch_goes_on_from_its_cursor_on_another_engine(engines: Engines, peers: Peers) -> None:
    one, two = await engines.start(), await engines.start()
    peers.registry.workflow({"id": "a"})
    gate = Gate()
    async with FakeWorker(two.address) as worker:
        old = await two.ended((await two.start_run()).id)
        await age(two, old.id)
        worker.code["a"] = gate
        first = await Watch(one).live()
        run = await two.start_run()
        await until(lambda: Run.RUNNING in first.statuses(run.id))
        await engines.stop(one)
        await asyncio.wait([first.task])
        gate.open.set()
        await two.ended(run.id)

        again = await Watch(two, cursor=first.cursor()).live()
        await again.stop()

    assert old.id in [one.run.id for one in first.messages]
    assert again.statuses(run.id) == [Run.SUCCESS]
    assert again.statuses(old.id) == []
    assert again.listed() == [run.id, old.id]


async def age(engine: Engine, run_id: str) -> None:
    """Has the run have ended an hour ago."""
    async with engine.built.db.begin(idempotent=False, audited=False) as tx:
        sql = text("UPDATE runs SET ended_at = now() - interval '1 hour' WHERE id = :id")
        await tx.execute(sql, {"id": run_id})


async def test_a_silent_watch_gives_signs_of_life_and_ends_when_the_engine_drains(
    engines: Engines, peers: Peers
) -> None:
    engine = await engines.start(keep_alive_seconds=0.1)
    watch = await Watch(engine).live()
    await until(lambda: watch.kinds().count("keep_alive") >= 2)

    stopping = asyncio.create_task(engine.built.server.stop(grace=5))
    await until(lambda: watch.kinds()[-1] == "end")
    await asyncio.wait([watch.task])
    await stopping

    assert watch.messages[-1].end.sent == 0
    assert watch.messages[-1].cursor


async def test_a_client_that_reads_too_slowly_is_told_to_come_back(
    engine: Engine, peers: Peers, worker: FakeWorker
) -> None:
    peers.registry.workflow({"id": "a"})
    built = engine.built
    feed = Feed(built.db, built.hub, built.bus, limit=2)
    stream = feed.watch(Wish(), Sight(Reader(None)), asyncio.Event())
    live = await anext(stream)
    for _ in range(4):
        await engine.ended((await engine.start_run()).id)
        await asyncio.sleep(0.15)

    with pytest.raises(Exhausted) as caught:
        async for _ in stream:
            pass

    assert caught.value.reason == "WATCHER_TOO_SLOW"
    assert caught.value.metadata["cursor"] == live.cursor
    assert not built.hub.is_listened


async def test_what_cannot_be_watched_is_refused(engine: Engine) -> None:
    async def refusal(**fields: Any) -> tuple[str, str]:
        call = engine.stub.WatchRuns(engine_pb2.WatchRunsRequest(**fields), metadata=as_caller(EDITOR))
        found = await refused(anext(aiter(call)))
        return found.code, found.reason

    assert await refusal(filter="colour = 1") == ("INVALID_ARGUMENT", "INVALID_FILTER")
    assert await refusal(filter="status =") == ("INVALID_ARGUMENT", "INVALID_FILTER")
    for cursor in ("x", "-1", "1e3", "9" * 17, "٣"):
        assert await refusal(cursor=cursor) == ("INVALID_ARGUMENT", "INVALID_CURSOR")
    assert (await refusal(page_size=1001))[0] == "INVALID_ARGUMENT"
    assert not engine.built.hub.is_listened
