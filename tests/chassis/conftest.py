"""A server on a unix socket around whatever servicers a test writes, and a database with the chassis's tables."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from chassis.config import Address, ServiceConfig
from chassis.database import Database
from chassis.server import Server
from chassis.tables import NAMING, chassis_tables
from tests.support.callers import TestAuthenticator
from tests.support.channels import plain
from tests.support.servers import TestPostgres

metadata = MetaData(naming_convention=NAMING)
chassis_tables(metadata)
things = Table(
    "things",
    metadata,
    Column("name", String, primary_key=True),
    Column("count", Integer, nullable=False, default=0),
)

Serve = Callable[..., Awaitable[grpc.aio.Channel]]


@pytest.fixture
def sockets() -> Iterator[Callable[[], Address]]:
    """Fresh unix socket addresses, in a folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as folder:
        numbers = itertools.count()
        yield lambda: Address(f"unix:{Path(folder) / str(next(numbers))}")


@pytest.fixture
async def serve(sockets: Callable[[], Address]) -> AsyncIterator[Serve]:
    """`await serve((add, servicer), …, **server_options)` starts a server and gives a channel to it."""
    started: list[tuple[Server, grpc.aio.Channel]] = []

    async def start(*servicers: Any, **options: Any) -> grpc.aio.Channel:
        options.setdefault("authenticator", TestAuthenticator())
        server = Server(ServiceConfig(listen=sockets()), servicers, **options)
        await server.start()
        channel = plain(str(server.config.listen))
        started.append((server, channel))
        channel.server = server  # type: ignore[attr-defined]  # for tests that stop it
        return channel

    yield start
    for server, channel in started:
        await channel.close(None)
        await server.stop(grace=0)


@pytest.fixture
async def db(postgres: TestPostgres) -> AsyncIterator[Database]:
    """A fresh database with the chassis's tables and `things`."""
    database = Database(postgres.create_database("chassis"), metadata, name="test")
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()
