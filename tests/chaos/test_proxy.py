"""The proxy does to connections what it says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.chaos.proxy import COMMITTED, Proxy, Twice

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve = Callable[..., Awaitable[Proxy]]


@pytest.fixture
async def proxy() -> AsyncIterator[Serve]:
    """Starts a proxy before a server that answers with what it got."""
    started: list[Any] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def start(**arguments: Any) -> Proxy:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        one = Proxy(server.sockets[0].getsockname()[1], **arguments)
        await one.start()
        started.extend((server, one))
        return one

    yield start
    for one in started:
        if isinstance(one, Proxy):
            await one.stop()
        else:
            one.close()


async def connect(proxy: Proxy) -> Pair:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def say(pair: Pair, words: bytes) -> bytes:
    """The answer; empty when the connection ends instead."""
    pair[1].write(words)
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(5):
            if answer := await pair[0].read(65536):
                return answer
    pair[1].close()
    return b""


async def test_it_passes_everything_on(proxy: Serve) -> None:
    pair = await connect(await proxy())

    assert await say(pair, b"hello") == b"hello"
    pair[1].close()


async def test_the_answer_to_a_commit_is_lost_with_its_connection_and_the_next_is_not(proxy: Serve) -> None:
    one = await proxy()
    one.cuts_commit = 1

    lost = await say(await connect(one), COMMITTED)
    pair = await connect(one)
    again = await say(pair, COMMITTED)
    pair[1].close()

    assert (lost, again, one.cuts) == (b"", COMMITTED, 1)


async def test_a_half_open_connection_says_nothing_and_ends_when_it_heals(proxy: Serve) -> None:
    one = await proxy()
    pair = await connect(one)
    await say(pair, b"hello")

    count = one.half_open()
    answer = asyncio.create_task(say(pair, b"are you there"))
    while not one.swallowed:
        await asyncio.sleep(0.01)
    was_silent = not answer.done()
    one.heal()

    assert (count, was_silent, await answer) == (1, True, b"")
    pair = await connect(one)
    assert await say(pair, b"hello") == b"hello"
    pair[1].close()


async def test_every_message_of_nats_arrives_twice_however_it_is_cut(proxy: Serve) -> None:
    twice = Twice()
    twice.on = True
    change = twice()
    stream = b"INFO {}\r\nMSG a 1 5\r\nhe\r\no\r\nPING\r\nHMSG a 1 2 4\r\nabcd\r\n"

    got = b"".join(change(stream[at : at + 3]) for at in range(0, len(stream), 3))

    message, other = b"MSG a 1 5\r\nhe\r\no\r\n", b"HMSG a 1 2 4\r\nabcd\r\n"
    assert got == b"INFO {}\r\n" + message * 2 + b"PING\r\n" + other * 2
    assert twice.count == 2
