"""A worker whose steps are apps: it carries tunnels to a TCP server of the test, as a real one does to a cell."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc.aio

from mcpanel.engine.v1 import worker_pb2, worker_pb2_grpc
from mcpanel.registry.v1 import component_pb2
from tests.engine.support.worker import FakeWorker
from tests.support.channels import plain

Request = worker_pb2.CarryTunnelRequest


class AppWorker(FakeWorker):
    """`port` is where its apps listen; 0: they do not."""

    def __init__(self, address: str, port: int = 0, *, carries_at: str = "") -> None:
        super().__init__(address)
        self.kinds = [component_pb2.Definition.STREAMLIT_APP]
        self.default = lambda attempt: attempt.hang()
        self.port = port
        self.refusals: list[grpc.StatusCode] = []
        self._carries_at = carries_at or address

    def _receive(self, message: worker_pb2.EngineMessage) -> None:
        if message.WhichOneof("message") == "open_tunnel":
            task = asyncio.create_task(self._carry(message.open_tunnel.tunnel_token))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        super()._receive(message)

    async def _carry(self, token: str) -> None:
        opened = Request.Open(tunnel_token=token)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            opened.refused = "nothing listens"
            reader, writer = asyncio.StreamReader(), None
            reader.feed_eof()

        async def sent() -> AsyncIterator[Request]:
            yield Request(open=opened)
            while chunk := await reader.read(65536):
                yield Request(chunk=chunk)

        async with plain(self._carries_at) as channel:
            stub = worker_pb2_grpc.WorkerServiceStub(channel)
            try:
                async for message in stub.CarryTunnel(sent(), metadata=self.metadata):
                    if writer is not None and message.chunk:
                        writer.write(message.chunk)
                        await writer.drain()
            except grpc.aio.AioRpcError as error:
                self.refusals.append(error.code())
            finally:
                if writer is not None:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
