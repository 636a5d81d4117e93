"""An engine around a fresh database, with small peers and workers."""

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from chassis.client import ServiceChannel
from chassis.config import Address
from engine import service
from engine.config import EngineConfig
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2
from stack.nats import Nats
from tests.engine.support.large import make_rows, sizes
from tests.engine.support.peers import Peers
from tests.engine.support.worker import FakeWorker
from tests.support.callers import EDITOR, TestAuthenticator, as_caller
from tests.support.channels import plain
from tests.support.servers import TestPostgres


@pytest.fixture
def socket() -> Iterator[Callable[[], str]]:
    """Fresh unix socket addresses, in a folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as folder:
        numbers = itertools.count()
        yield lambda: f"unix:{Path(folder) / str(next(numbers))}"


@pytest.fixture
async def peers(socket: Callable[[], str]) -> AsyncIterator[Peers]:
    """The registry, identity and audit that the engines of a test call."""
    started = Peers(socket())
    await started.start()
    yield started
    await started.stop()


class Engine:
    """An engine that serves; `stub` calls it as an editor unless told otherwise."""

    def __init__(self, built: service.Service, address: str) -> None:
        self.built = built
        self.address = address
        self.channel = plain(address)
        self.stub = engine_pb2_grpc.EngineServiceStub(self.channel)

    async def stop(self) -> None:
        await self.channel.close(None)
        await self.built.server.stop(grace=0)

    async def start_run(self, workflow: str = "flow", **inputs: Any) -> run_pb2.Run:
        request = engine_pb2.StartRunRequest(workflow=workflow, inputs=inputs)
        return (await self.stub.StartRun(request, metadata=as_caller(EDITOR))).run

    async def get(self, run_id: str) -> run_pb2.Run:
        request = engine_pb2.GetRunRequest(run_id=run_id)
        return (await self.stub.GetRun(request, metadata=as_caller(EDITOR))).run

    async def cancel(self, run_id: str) -> run_pb2.Run:
        request = engine_pb2.CancelRunRequest(run_id=run_id)
        return (await self.stub.CancelRun(request, metadata=as_caller(EDITOR))).run

    async def ended(self, run_id: str, seconds: float = 5) -> run_pb2.Run:
        """The run once it has ended: told by its events, for asking again and again keeps a processor busy."""
        async with asyncio.timeout(seconds):
            while (run := await self.get(run_id)).status not in (4, 5, 6):
                with contextlib.suppress(grpc.aio.AioRpcError):
                    async for _ in self.watch(run_id):
                        pass
                await asyncio.sleep(0.02)
        return run

    async def steps(self, run_id: str) -> dict[str, run_pb2.StepExecution]:
        request = engine_pb2.ListStepExecutionsRequest(run_id=run_id, view=engine_pb2.FULL, page_size=1000)
        found: dict[str, run_pb2.StepExecution] = {}
        while True:
            answer = await self.stub.ListStepExecutions(request, metadata=as_caller(EDITOR))
            found |= {one.step_id: one for one in answer.step_executions}
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    async def events(self, run_id: str) -> list[run_pb2.RunEvent]:
        request = engine_pb2.ListRunEventsRequest(run_id=run_id, page_size=1000)
        return list((await self.stub.ListRunEvents(request, metadata=as_caller(EDITOR))).events)

    def watch(self, run_id: str, after_seq: int = 0) -> Any:
        request = engine_pb2.WatchRunRequest(run_id=run_id, after_seq=after_seq)
        return self.stub.WatchRun(request, metadata=as_caller(EDITOR))


class Engines:
    """Starts engines on one database; each is a replica of the others."""

    def __init__(
        self, url: str, nats_url: str, peers: Peers, socket: Callable[[], str], folder: Path
    ) -> None:
        self.url = url
        self.peers = peers
        self.authenticator = TestAuthenticator()
        self.settings: dict[str, Any] = {"heartbeat_seconds": 0.2, "poll_seconds": 0.2}
        self._nats_url = nats_url
        self._socket = socket
        self.folder = folder
        self.started: list[Engine] = []

    async def start(self, **settings: Any) -> Engine:
        address = self._socket()
        config = EngineConfig(
            **{
                "database_url": self.url,
                "nats_url": self._nats_url,
                "listen": Address(address),
                "metrics_listen": None,
                "artifacts_dir": self.folder / "artifacts",
                "keys_dir": self.folder / "keys",
                **self.settings,
                **settings,
            }
        )
        channels: dict[str, ServiceChannel] = {
            name: self.peers.channel(name) for name in ("registry", "identity", "audit")
        }
        built = service.build(config, service.Peers(**channels), self.authenticator)
        await built.server.start()
        engine = Engine(built, address)
        self.started.append(engine)
        return engine

    async def stop(self, engine: Engine) -> None:
        self.started.remove(engine)
        await engine.stop()


@pytest.fixture
async def engines(
    postgres: TestPostgres, nats: Nats, peers: Peers, socket: Callable[[], str], tmp_path: Path
) -> AsyncIterator[Engines]:
    """`await engines.start()` starts another replica."""
    with postgres.lend("engine") as url:
        all_of_them = Engines(url, nats.url, peers, socket, tmp_path)
        yield all_of_them
        for engine in list(all_of_them.started):
            await all_of_them.stop(engine)


@pytest.fixture
def brief_lease(engines: Engines) -> None:
    """What a test starts takes a silent worker for lost after two seconds, not fifteen.

    Whoever does not wait for that keeps the default: a busy machine is silent for two seconds, too.
    """
    engines.settings["lease_seconds"] = 2.0


@pytest.fixture
async def engine(engines: Engines) -> Engine:
    """One engine."""
    return await engines.start()


@pytest.fixture
async def worker(engine: Engine) -> AsyncIterator[FakeWorker]:
    """One worker, connected to it."""
    async with FakeWorker(engine.address) as connected:
        yield connected


@pytest.fixture
def large_steps(worker: FakeWorker) -> None:
    """The worker's steps called `make` have a large output; every other tells the sizes of its inputs."""
    worker.code["make"] = make_rows
    worker.default = sizes
