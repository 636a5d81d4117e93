"""Identity as it really runs, on a socket of its own, with quick password hashes."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest

from chassis.config import load
from chassis.database import Database
from identity import bootstrap
from identity.config import IdentityConfig
from identity.logins import Limits
from identity.service import Service, build
from identity.tables import metadata
from mcpanel.identity.v1 import identity_pb2 as pb
from mcpanel.identity.v1 import identity_pb2_grpc
from tests.support.servers import TestPostgres

PASSWORD = "correct horse battery"
Metadata = tuple[tuple[str, str], ...]


def bearer(credential: str, address: str = "") -> Metadata:
    """The metadata of a caller with this credential, from this client address."""
    shown = (("authorization", f"Bearer {credential}"),) if credential else ()
    return (*shown, *((("x-forwarded-for", address),) if address else ()))


@dataclass
class World:
    """A running identity and what the tests need of it."""

    service: Service
    config: IdentityConfig
    stub: "identity_pb2_grpc.IdentityServiceAsyncStub"

    def key(self, name: str) -> str:
        """The API key of a service account."""
        return (self.config.keys / f"{name}.key").read_text().strip()

    @property
    def admin(self) -> Metadata:
        """The operator, by the admin key."""
        return bearer(self.key("admin"))

    async def register(self, email: str, role: str = "Viewer") -> pb.User:
        """A new user with the usual password."""
        request = pb.RegisterUserRequest(email=email, password=PASSWORD, role_name=role)
        return (await self.stub.RegisterUser(request, metadata=self.admin)).user

    async def login(self, email: str, password: str = PASSWORD) -> pb.LoginResponse:
        """A login's tokens."""
        return await self.stub.Login(pb.LoginRequest(email=email, password=password))

    async def enter(self, email: str, role: str = "Viewer") -> Metadata:
        """Registers a user and logs in: its metadata."""
        await self.register(email, role)
        return bearer((await self.login(email)).access_token)


Start = Callable[..., Awaitable[World]]


@pytest.fixture
def database_url(postgres: TestPostgres) -> str:
    """A migrated database of identity's own."""
    return postgres.create_database("identity", migrate="identity")


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """The tests' own connection to identity's database."""
    database = Database(database_url, metadata, name="test")
    yield database
    await database.close()


@pytest.fixture
async def start(database_url: str, db: Database, tmp_path: Path) -> AsyncIterator[Start]:
    """`await start(limits=…, MCPANEL_PROFILE=…)` bootstraps and serves; several are replicas over one database."""
    running: list[tuple[Service, grpc.aio.Channel]] = []
    numbers = itertools.count()
    with tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as sockets:

        async def run(limits: Limits | None = None, **settings: str) -> World:
            environ = {
                "MCPANEL_HOME": str(tmp_path),
                "MCPANEL_KEYS_DIR": str(tmp_path / "keys"),
                "MCPANEL_LISTEN": f"unix:{sockets}/{next(numbers)}",
                "MCPANEL_METRICS_LISTEN": "",
                "MCPANEL_DATABASE_URL": database_url,
                "MCPANEL_NATS_URL": "nats://127.0.0.1:1",
                "MCPANEL_ARGON2_MEMORY_KIB": "8",
                "MCPANEL_ARGON2_PASSES": "1",
                **settings,
            }
            config = load(IdentityConfig, environ)
            await bootstrap.run(db, config.keys, config.signing_key)
            service = build(config, None, limits)
            await service.bus.start()
            await service.server.start()
            channel = grpc.aio.insecure_channel(str(config.listen))
            running.append((service, channel))
            return World(service, config, identity_pb2_grpc.IdentityServiceStub(channel))

        yield run
        for service, channel in running:
            await channel.close(None)
            await service.server.stop(grace=0)


@pytest.fixture
async def world(start: Start) -> World:
    """An identity with its defaults."""
    return await start()
