"""An attempt to connect that nobody waits for any more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import MetaData

from chassis.connecting import connect
from chassis.database import Database


class Silence:
    """A server that takes connections and says nothing."""

    def __init__(self) -> None:
        self.called = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.called.set()
        while await reader.read(1000):
            pass
        self.hung_up.set()
        writer.close()


@pytest.fixture
async def silence() -> AsyncIterator[Silence]:
    found = Silence()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"postgresql://nobody@127.0.0.1:{server.sockets[0].getsockname()[1]}/none"
    yield found
    server.close()


async def by_itself(url: str) -> None:
    await connect(url)


async def in_a_transaction(url: str) -> None:
    async with Database(url, MetaData()).begin():
        pass


@pytest.mark.parametrize("attempt", [by_itself, in_a_transaction])
async def test_an_attempt_that_is_cancelled_hangs_up_at_once(
    silence: Silence, attempt: Callable[[str], Awaitable[Any]]
) -> None:
    task = asyncio.ensure_future(attempt(silence.url))
    await silence.called.wait()

    task.cancel()
    await asyncio.wait([task])

    async with asyncio.timeout(5):
        await silence.hung_up.wait()
    with pytest.raises(asyncio.CancelledError):
        task.result()
