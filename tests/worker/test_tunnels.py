"""A worker carries visitors to the app that runs in a cell, by a stream to the replica of the engine that asked."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from chassis.client import channel
from chassis.errors import Unavailable
from chassis.statuses import to_status
from mcpanel.engine.v1 import worker_pb2 as pb
from mcpanel.engine.v1 import worker_pb2_grpc as pb_grpc
from tests.worker.support.cells import Remembering, job
from worker.apps import App
from worker.cells.bubblewrap import Sandbox
from worker.cells.cell import Cell
from worker.cells.profile import Profile
from worker.tunnels import Tunnels

SHOUT = """
import socket
def main():
    server = socket.create_server(("127.0.0.1", 8501))
    print("listening", flush=True)
    while True:
        connection, _ = server.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data.upper())
                if data == b"bye":
                    break
"""
REF = pb.AttemptRef(run_id="r1", step_id="s1", attempt=1, epoch=1)


class Engine(pb_grpc.WorkerServiceServicer):
    """Sends what the test says, keeps what comes; `elsewhere` calls are for another replica."""

    def __init__(self) -> None:
        self.to_app: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.opened: list[pb.CarryTunnelRequest.Open] = []
        self.received = b""
        self.elsewhere = 0
        self.ended = asyncio.Event()

    async def CarryTunnel(self, requests: Any, context: Any) -> AsyncIterator[pb.CarryTunnelResponse]:
        opened = (await anext(requests)).open
        if self.elsewhere:
            self.elsewhere -= 1
            status = to_status(Unavailable("APP_ELSEWHERE", "the next"))
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the next")
        self.opened.append(opened)

        async def receive() -> None:
            async for message in requests:
                self.received += message.chunk
            self.to_app.put_nowait(None)

        receiving = asyncio.create_task(receive())
        try:
            yield pb.CarryTunnelResponse(opened=pb.CarryTunnelResponse.Opened())
            while (chunk := await self.to_app.get()) is not None:
                yield pb.CarryTunnelResponse(chunk=chunk)
        finally:
            receiving.cancel()
            self.ended.set()


@pytest.fixture
async def engine() -> AsyncIterator[tuple[Engine, Any]]:
    """An engine, and a stub that calls it."""
    one = Engine()
    server = grpc.aio.server()
    pb_grpc.add_WorkerServiceServicer_to_server(one, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    opened = channel(f"127.0.0.1:{port}", peer="engine", key="mcp_worker")
    yield one, pb_grpc.WorkerServiceStub(opened)
    await opened.close()
    await server.stop(0)


@pytest.fixture
async def app(box: Sandbox) -> AsyncIterator[App]:
    """An app that shouts back."""
    cell = await Cell.start(box, Profile(listens=True))
    sink = Remembering()
    running = asyncio.create_task(cell.run(job(SHOUT), sink))
    async with asyncio.timeout(10):
        while "listening" not in sink.text():
            await asyncio.sleep(0.01)
    yield App(cell, "/apps/r1/s1/", 60, sink)
    await cell.close()
    await running


async def test_a_visitors_bytes_reach_the_app_by_the_replica_that_asked(
    engine: tuple[Engine, Any], app: App
) -> None:
    served, stub = engine
    served.elsewhere = 3
    tunnels = Tunnels(stub, lambda ref: app if ref == REF else None)

    tunnels.open(pb.EngineMessage.OpenTunnel(ref=REF, tunnel_token="token"))
    served.to_app.put_nowait(b"x" * 200_000)
    async with asyncio.timeout(10):
        while len(served.received) < 200_000:
            await asyncio.sleep(0.01)
    served.to_app.put_nowait(b"bye")
    async with asyncio.timeout(10):
        await served.ended.wait()
    await tunnels.close()

    assert [one.tunnel_token for one in served.opened] == ["token"]
    assert served.opened[0].refused == ""
    assert served.received == b"X" * 200_000 + b"BYE"


async def test_an_app_that_does_not_run_is_said_not_to_be_there(engine: tuple[Engine, Any]) -> None:
    served, stub = engine
    tunnels = Tunnels(stub, lambda _: None)

    tunnels.open(pb.EngineMessage.OpenTunnel(ref=REF, tunnel_token="token"))
    async with asyncio.timeout(10):
        await served.ended.wait()
    await tunnels.close()

    assert served.opened[0].refused == "it is not there yet, or not any more"


async def test_a_visitor_who_goes_is_gone_at_the_app(engine: tuple[Engine, Any], app: App) -> None:
    served, stub = engine
    tunnels = Tunnels(stub, lambda _: app)
    tunnels.open(pb.EngineMessage.OpenTunnel(ref=REF, tunnel_token="token"))
    served.to_app.put_nowait(b"hello")
    async with asyncio.timeout(10):
        while served.received != b"HELLO":
            await asyncio.sleep(0.01)

    served.to_app.put_nowait(None)

    async with asyncio.timeout(10):
        while app._open:
            await asyncio.sleep(0.01)
    await tunnels.close()
