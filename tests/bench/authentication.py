"""What proving the caller costs: `python -m tests.bench.authentication`.

One server process answers the same read, the same row of PostgreSQL, under two rules: open to everybody, and for those
who hold a permission. Rounds with and without a credential take turns, so that what else the machine does falls
on both.
"""

import asyncio
import dataclasses
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import grpc.aio
import jwt
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from sqlalchemy import MetaData, text

from chassis.authentication import RemoteAuthenticator
from chassis.client import channel
from chassis.config import Address, ServiceConfig
from chassis.database import Database
from chassis.interceptors import Pipeline
from chassis.rules import Rule, methods
from chassis.server import Server
from chassis.tables import NAMING, chassis_tables
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from mcpanel.registry.v1 import registry_pb2, registry_pb2_grpc
from tests.support.callers import SERVICE, TestAuthenticator
from tests.support.servers import start_postgres

AT_ONCE: Final = 16
CALLS: Final = 480
ROUNDS: Final = 15
KEY: Final = "mcp_bench_key"
_READ: Final = "/mcpanel.registry.v1.RegistryService/GetDefinition"


class Reader(registry_pb2_grpc.RegistryServiceServicer):
    """Reads one row."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def GetDefinition(self, request: Any, context: Any) -> registry_pb2.GetDefinitionResponse:
        """A definition with a name from the database."""
        async with self._db.read() as tx:
            found = (await tx.execute(text("select 'weather' as name"))).one()
        answer = registry_pb2.GetDefinitionResponse()
        answer.definition.name = found.name
        return answer


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    """Knows one signing key and one API key."""

    def __init__(self, jwk: dict[str, str]) -> None:
        self._jwk = jwk

    async def GetJwks(self, request: Any, context: Any) -> identity_pb2.GetJwksResponse:
        """The public key."""
        return identity_pb2.GetJwksResponse(
            keys=[identity_pb2.JsonWebKey(alg="EdDSA", use="sig", **self._jwk)]
        )

    async def Authenticate(self, request: Any, context: Any) -> identity_pb2.AuthenticateResponse:
        """A user who may read."""
        principal = identity_pb2.Principal(
            id="u1", kind="API_KEY", name="bench", permissions=["definitions.read"]
        )
        return identity_pb2.AuthenticateResponse(principal=principal)

    async def GetRevocations(self, request: Any, context: Any) -> identity_pb2.GetRevocationsResponse:
        """None: every session goes on."""
        return identity_pb2.GetRevocationsResponse()


async def serve(folder: Path, url: str) -> None:
    """Serves both rules until standard input closes; says the ports and the token on standard output."""
    key = Ed25519PrivateKey.generate()
    known = dict(OKPAlgorithm.to_jwk(key.public_key(), as_dict=True))
    jwk = {"kty": known["kty"], "crv": known["crv"], "x": known["x"], "kid": "bench"}
    address = Address(f"unix:{folder / 'identity'}")
    pair = (identity_pb2_grpc.add_IdentityServiceServicer_to_server, Identity(jwk))
    identity = Server(ServiceConfig(listen=address), [pair], authenticator=TestAuthenticator())
    await identity.start()
    metadata = MetaData(naming_convention=NAMING)
    chassis_tables(metadata)
    db = Database(url, metadata)
    authenticator = RemoteAuthenticator(channel(address, peer="identity", key=SERVICE.credential))
    known_methods = methods(["mcpanel.registry.v1.RegistryService"])
    opened = dataclasses.replace(known_methods[_READ], rule=Rule(access=Rule.PUBLIC))
    ports = []
    servers = []
    for rules in (known_methods, known_methods | {_READ: opened}):
        server = grpc.aio.server(interceptors=[Pipeline(rules, authenticator, asyncio.Event())])
        registry_pb2_grpc.add_RegistryServiceServicer_to_server(Reader(db), server)
        ports.append(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        servers.append(server)
    now = int(time.time())
    claims = {"iss": "mcpanel", "aud": "mcpanel", "sub": "u1", "jti": "j1", "iat": now, "exp": now + 3600}
    claims |= {"name": "bench@example.com", "roles": ["Viewer"], "permissions": ["definitions.read"]}
    token = jwt.encode(claims, key, algorithm="EdDSA", headers={"typ": "at+jwt", "kid": "bench"})
    print(json.dumps({"known": ports[0], "open": ports[1], "token": token}), flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.read)
    for server in servers:
        await server.stop(None)
    await db.close()


async def timed(port: int, credential: str, calls: int, server: psutil.Process) -> "Spent":
    """What so many reads take, AT_ONCE at a time."""
    metadata = (("authorization", f"Bearer {credential}"),) if credential else ()
    request = registry_pb2.GetDefinitionRequest(definition_id="weather")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        stub = registry_pb2_grpc.RegistryServiceStub(opened)
        await stub.GetDefinition(request, metadata=metadata)

        async def share() -> None:
            for _ in range(calls // AT_ONCE):
                await stub.GetDefinition(request, metadata=metadata)

        busy, started = _busy(server), time.perf_counter()
        await asyncio.gather(*(share() for _ in range(AT_ONCE)))
        return Spent(time.perf_counter() - started, _busy(server) - busy)


@dataclasses.dataclass
class Spent:
    """Seconds on the clock, and of the server's processor: what else the machine does falls on the first alone."""

    clock: float = 0.0
    processor: float = 0.0

    def __iadd__(self, other: "Spent") -> "Spent":
        self.clock += other.clock
        self.processor += other.processor
        return self


def _busy(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


def interval(values: list[float]) -> tuple[float, float]:
    """Where the median lies with 95 % confidence, by resampling."""
    chance = random.Random(1)  # noqa: S311 - no secret
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[-50]


def _said(values: list[float]) -> str:
    low, high = interval(values)
    return f"{statistics.median(values):.3f} ({low:.3f} to {high:.3f})"


async def compare(folder: Path, url: str) -> None:
    """Runs the rounds and prints a line for each kind of credential."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.authentication", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": "", "BENCH_DATABASE": url},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    found = json.loads(await child.stdout.readline())
    server = psutil.Process(child.pid)
    try:
        for name, credential in (("an access token", found["token"]), ("an API key", KEY)):
            clock, processor, bare = [], [], []
            for number in range(ROUNDS + 1):
                order = [("open", ""), ("known", credential), ("known", credential), ("open", "")]
                spent = {"open": Spent(), "known": Spent()}
                for which, shown in order if number % 2 else [*order[1::2], *order[::2]]:
                    spent[which] += await timed(found[which], shown, CALLS, server)
                if number:  # the first warms up
                    clock.append(spent["known"].clock / spent["open"].clock)
                    processor.append(spent["known"].processor / spent["open"].processor)
                    bare.append(spent["open"].clock / 2 / CALLS * 1e6)
            print(  # noqa: T201
                f"{name}: {_said(clock)} times an open read on the clock, {_said(processor)} times its processor time"
                f" (an open read: {statistics.median(bare):.0f} us, {AT_ONCE} at once)",
                flush=True,
            )
    finally:
        child.stdin.close()
        await child.wait()


def main() -> None:
    """Starts PostgreSQL, measures, stops it."""
    with tempfile.TemporaryDirectory(prefix="mcb") as name:
        postgres = start_postgres(Path(name) / "postgres")
        try:
            asyncio.run(compare(Path(name), postgres.create_database()))
        finally:
            postgres.server.stop()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(serve(Path(sys.argv[1]), os.environ["BENCH_DATABASE"]))
    else:
        main()
