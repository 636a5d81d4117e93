"""What a database's server that means ill, or is an impostor, gets: no password and no service that hangs."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.calls import create, sales, try_out
from tests.datasources.conftest import World, run
from tests.support.authorities import Authority, make_authority
from tests.support.servers import TestPostgres

CANARY = b"canary-5f0e7a1c9b"
_SSL_REQUEST = 80877103
_POURED = 64 * 1024
_FLOOD = 128 * 1024 * 1024


class Impostor:
    """A server that talks PostgreSQL's first words and remembers all that it hears."""

    def __init__(self) -> None:
        self.heard = b""
        self.port = 0
        self.encrypted = False
        self.poured = 0


@asynccontextmanager
async def impostor(
    answer: bytes, certificate: ssl.SSLContext | None = None, flood: bytes = b""
) -> AsyncIterator[Impostor]:
    """An impostor that says `answer` to the startup message, over TLS when it has a certificate.

    With a `flood`, it says that to the next message, and then pours bytes, up to `_FLOOD` of them.
    """
    found = Impostor()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            size, code = struct.unpack("!II", await reader.readexactly(8))
            if code == _SSL_REQUEST:
                writer.write(b"S" if certificate else b"N")
                await writer.drain()
                if certificate:
                    await writer.start_tls(certificate)
                    found.encrypted = True
                size, code = struct.unpack("!II", await reader.readexactly(8))
            found.heard += await reader.readexactly(size - 8)
            writer.write(answer)
            await writer.drain()
            if flood:
                found.heard += await reader.read(1)
                writer.write(flood)
                while found.poured < _FLOOD:
                    writer.write(bytes(_POURED))
                    await writer.drain()
                    found.poured += _POURED
            found.heard += await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()


def authentication(kind: int, extra: bytes = b"") -> bytes:
    """An Authentication message."""
    return b"R" + struct.pack("!II", 8 + len(extra), kind) + extra


def refusal() -> bytes:
    """An ErrorResponse."""
    body = b"SFATAL\0C28P01\0Mpassword authentication failed for user x\0\0"
    return b"E" + struct.pack("!I", 4 + len(body)) + body


def notice(size: int) -> bytes:
    """The beginning of a NoticeResponse that says it is this large."""
    return b"N" + struct.pack("!I", size) + b"M"


CLEARTEXT = authentication(3)
WELCOME = authentication(0) + b"Z" + struct.pack("!I", 5) + b"I"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority's certificate, and what makes servers' certificates that it signs."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def world(postgres: TestPostgres, tmp_path: Path, authority: Authority) -> AsyncIterator[World]:
    """A service that trusts the authority."""
    settings = {"MCPANEL_ALLOWED_NETWORKS": "127.0.0.0/8", "MCPANEL_TLS_ROOTS": str(authority[0])}
    async for found in run(postgres, tmp_path, settings):
        found.names["db.example.com"] = ["127.0.0.1"]
        yield found


def bait(port: int, **fields: Any) -> pb.DataSource:
    """A data source that points to the impostor."""
    return sales(name="sample", host="db.example.com", port=port, secret_value=CANARY.decode(), **fields)


async def test_a_server_that_asks_for_the_password_in_the_clear_does_not_get_it(world: World) -> None:
    async with impostor(CLEARTEXT) as server:
        await create(world, bait(server.port, tls_mode=pb.DataSource.PREFER))

        found = await try_out(world)

    assert not found.ok
    assert "in the clear" in found.message
    assert b"reader" in server.heard
    assert CANARY not in server.heard


async def test_an_impostor_with_an_untrusted_certificate_hears_nothing(world: World, tmp_path: Path) -> None:
    _, of_nobody = make_authority(tmp_path)
    context = of_nobody("db.example.com")

    async with impostor(CLEARTEXT, context) as server:
        await create(world, bait(server.port, tls_mode=pb.DataSource.REQUIRE_VERIFIED))

        found = await try_out(world)

    assert (found.ok, found.message) == (False, "the server's certificate could not be verified")
    assert server.heard == b""


async def test_a_trusted_certificate_for_another_name_is_not_enough(
    world: World, authority: Authority
) -> None:
    async with impostor(CLEARTEXT, authority[1]("other.example.com")) as server:
        await create(world, bait(server.port, tls_mode=pb.DataSource.REQUIRE_VERIFIED))

        found = await try_out(world)

    assert (found.ok, found.message) == (False, "the server's certificate is for another name")
    assert server.heard == b""


async def test_a_server_without_tls_is_not_spoken_to_where_it_is_required(world: World) -> None:
    async with impostor(CLEARTEXT) as server:
        await create(world, bait(server.port, tls_mode=pb.DataSource.REQUIRE_VERIFIED))

        found = await try_out(world)

    assert (found.ok, found.message) == (
        False,
        "the server does not offer TLS, which this data source requires",
    )
    assert server.heard == b""


async def test_a_proved_server_is_logged_in_to(world: World, authority: Authority) -> None:
    async with impostor(refusal(), authority[1]("db.example.com")) as server:
        await create(world, bait(server.port, tls_mode=pb.DataSource.REQUIRE_VERIFIED))

        found = await try_out(world)

    assert (found.ok, found.message) == (False, "the database refused the login: wrong user name or password")
    assert server.encrypted
    assert b"reader" in server.heard


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"R\xff\xff\xff\xff", b""]
)
async def test_what_is_no_database_is_a_failed_connection(answer: bytes, world: World) -> None:
    async with impostor(answer) as server:
        await create(world, bait(server.port, tls_mode=pb.DataSource.PREFER))

        found = await try_out(world)

    assert not found.ok
    assert CANARY not in server.heard
    assert CANARY.decode() not in found.message


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_server_that_floods_whom_it_let_in_is_cut_off(
    encrypted: bool, world: World, authority: Any
) -> None:
    certificate = authority[1]("db.example.com") if encrypted else None
    async with impostor(WELCOME, certificate, notice(_FLOOD)) as server:
        await create(world, bait(server.port, tls_mode=pb.DataSource.PREFER))

        found = await try_out(world)

    assert (found.ok, found.message) == (False, "the connection was made, but the test query failed")
    assert server.encrypted == encrypted
    assert 0 < server.poured < _FLOOD / 4
