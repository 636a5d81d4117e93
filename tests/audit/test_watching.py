"""The live tail: what there was, a mark, and each entry as it is recorded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from audit import watching
from audit.watching import Pace
from chassis import errors
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import Start, World, record, records
from tests.support.callers import ADMIN, EDITOR, as_caller


@asynccontextmanager
async def watch(world: World, **fields: Any) -> AsyncIterator[Any]:
    """An open watch."""
    request = pb.WatchActionLogsRequest(**fields)
    call = world.stub.WatchActionLogs(request, metadata=as_caller(ADMIN))
    try:
        yield aiter(call)
    finally:
        call.cancel()


async def taken(stream: Any, count: int) -> list[str]:
    """The next messages: entries by their ids, others by what they are."""
    found = []
    async with asyncio.timeout(30):
        for _ in range(count):
            message = await anext(stream)
            item = message.WhichOneof("item")
            found.append(message.action_log.id if item == "action_log" else item)
    return found


async def test_the_newest_come_first_then_each_as_it_is_recorded(world: World) -> None:
    await world.append(records(0, 5))

    async with watch(world, page_size=2) as stream:
        before = await taken(stream, 3)
        await world.append(records(5, 7))
        after = await taken(stream, 2)

    assert (before, after) == (["r3", "r4", "live"], ["r5", "r6"])


async def test_what_another_replica_appends_is_seen_too(start: Start) -> None:
    here, elsewhere = await start(), await start()

    async with watch(here) as stream:
        mark = await taken(stream, 1)
        await elsewhere.append(records(0, 1))
        found = await taken(stream, 1)

    assert (mark, found) == (["live"], ["r0"])


async def test_only_what_fulfils_the_filter_is_shown_with_who_people_are(world: World) -> None:
    bob = pb.Actor(id="u2", kind="user", name="bob@example.com")

    async with watch(world, filter='actor_name = "bob@example.com"') as stream:
        mark = await taken(stream, 1)
        await world.append([*records(0, 3), record("mine", actor=bob), *records(3, 5)])
        async with asyncio.timeout(30):
            found = await anext(stream)

    assert mark == ["live"]
    assert (found.action_log.id, found.action_log.actor.name) == ("mine", "bob@example.com")
    assert found.next_index == 4


async def test_a_watch_goes_on_where_another_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WINDOW", 2)
    await world.append(records(0, 7))
    async with watch(world, from_index=0) as stream:
        first = await taken(stream, 3)
        next_index = 3

    async with watch(world, from_index=next_index) as stream:
        rest = await taken(stream, 5)

    assert first + rest == [*(f"r{number}" for number in range(7)), "live"]


async def test_silence_is_told_from_death_and_an_end_says_where_to_go_on(start: Start) -> None:
    world = await start(pace=Pace(keep_alive=0.2, poll=0.05, longest=1.0))
    await world.append(records(0, 2))

    async with watch(world, page_size=1) as stream, asyncio.timeout(30):
        messages = [message async for message in stream]

    kinds = [message.WhichOneof("item") for message in messages]
    assert kinds[:3] == ["action_log", "live", "keep_alive"]
    assert (kinds[-1], messages[-1].end.sent, messages[-1].next_index) == ("end", 1, 2)


async def test_a_watch_ends_when_the_process_stops(world: World) -> None:
    async with watch(world) as stream:
        mark = await taken(stream, 1)
        world.server.draining.set()
        end = await taken(stream, 1)

    assert (mark, end) == (["live"], ["end"])


async def test_a_watch_that_cannot_be_is_refused_with_what_can(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.append(records(0, 2))
    monkeypatch.setattr(watching, "MOST", 1)

    async def refused(**fields: Any) -> errors.ServiceError:
        with pytest.raises(errors.ServiceError) as caught:
            async with watch(world, **fields) as stream:
                await taken(stream, 1)
        return caught.value

    beyond = await refused(from_index=3)
    wrong = await refused(filter="mood = 1")
    async with watch(world) as stream:
        await taken(stream, 1)
        many = await refused()
    with pytest.raises(errors.Denied):
        await anext(
            aiter(world.stub.WatchActionLogs(pb.WatchActionLogsRequest(), metadata=as_caller(EDITOR)))
        )

    assert (beyond.reason, beyond.metadata["tree_size"]) == ("POSITION_OUT_OF_RANGE", "2")
    assert (wrong.reason, many.reason) == ("INVALID_FILTER", "TOO_MANY_REQUESTS")
