"""Identity as it really runs, on a socket of its own, with quick password hashes."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import pytest
from sqlalchemy import delete

from chassis.config import load
from chassis.database import Database
from identity import bootstrap
from identity.config import IdentityConfig
from identity.domain.api_keys import FILE_KEY
from identity.domain.roles import BUILT_IN
from identity.logins import Limits
from identity.service import Service, build
from identity.tables import api_keys, attempts, metadata, roles, service_accounts, users
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
def fresh_url(postgres: TestPostgres) -> str:
    """A migrated database for one test, for what would disturb the others."""
    return postgres.create_database("identity", migrate="identity")


@dataclass
class Site:
    """A bootstrapped database and its folder of key files."""

    url: str
    home: Path
    sockets: Path
    db: Database
    numbers: "itertools.count[int]"

    def environ(self, **settings: str) -> dict[str, str]:
        """The environment of one identity here."""
        return {
            "MCPANEL_HOME": str(self.home),
            "MCPANEL_LISTEN": f"unix:{self.sockets}/{next(self.numbers)}",
            "MCPANEL_METRICS_LISTEN": "",
            "MCPANEL_DATABASE_URL": self.url,
            "MCPANEL_AUDIT_ADDRESS": "127.0.0.1:1",
            "MCPANEL_ARGON2_MEMORY_KIB": "8",
            "MCPANEL_ARGON2_PASSES": "1",
            **settings,
        }

    async def serve(self, limits: Limits | None = None, **settings: str) -> tuple[World, grpc.aio.Channel]:
        """A running identity, and the channel to close at its end."""
        config = load(IdentityConfig, self.environ(**settings))
        service = build(config, None, limits)
        await service.server.start()
        channel = grpc.aio.insecure_channel(str(config.listen))
        return World(service, config, identity_pb2_grpc.IdentityServiceStub(channel)), channel


@pytest.fixture(scope="session")
async def site(postgres: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """The site that most tests share."""
    url, home = postgres.create_database("identity", migrate="identity"), tmp_path_factory.mktemp("identity")
    db = Database(url, metadata, name="test")
    await bootstrap.run(db, home / "keys", home / "keys" / "signing.key")
    with tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as sockets:
        yield Site(url, home, Path(sockets), db, itertools.count())
    await db.close()


@pytest.fixture(scope="session")
async def running(site: Site) -> AsyncIterator[World]:
    """The identity that most tests share."""
    world, channel = await site.serve()
    yield world
    await channel.close(None)
    await world.service.server.stop(grace=0)


@pytest.fixture
async def db(site: Site) -> Database:
    """The shared site's database, as bootstrap left it."""
    tables = site.db.tables
    async with site.db.begin() as tx:
        await tx.execute(delete(users))
        await tx.execute(delete(api_keys).where(api_keys.c.name != FILE_KEY))
        await tx.execute(delete(service_accounts).where(service_accounts.c.kind == "program"))
        await tx.execute(delete(roles).where(roles.c.name.not_in([role.name for role in BUILT_IN])))
        for table in (attempts, tables.outbox, tables.idempotency):
            await tx.execute(delete(table))
    return site.db


@pytest.fixture
def world(running: World, db: Database) -> World:
    """The shared identity, without users."""
    return running


@pytest.fixture
async def start(site: Site, db: Database) -> AsyncIterator[Start]:
    """`await start(limits, MCPANEL_PROFILE="production")` serves one more identity at the shared site: a replica."""
    started: list[tuple[World, grpc.aio.Channel]] = []

    async def run(limits: Limits | None = None, **settings: str) -> World:
        started.append(await site.serve(limits, **settings))
        return started[-1][0]

    yield run
    for world, channel in started:
        await channel.close(None)
        await world.service.server.stop(grace=0)
