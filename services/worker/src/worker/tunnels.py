"""Tunnels: connections of visitors to apps that run here, each carried by a stream to the engine."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Final

from chassis import errors
from chassis.client import EOF
from mcpanel.engine.v1 import worker_pb2 as pb
from mcpanel.engine.v1 import worker_pb2_grpc as pb_grpc
from worker.apps import App

log = logging.getLogger(__name__)

_CHUNK: Final = 65536
_PATIENCE: Final = 10.0
"""Seconds in which the replica of the engine that asked has to be found."""


class Tunnels:
    """Every tunnel of this worker."""

    def __init__(
        self, engine: "pb_grpc.WorkerServiceAsyncStub", find: Callable[[pb.AttemptRef], App | None]
    ) -> None:
        """`find` tells the app that an attempt runs here."""
        self._engine: Any = engine
        self._find = find
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, wanted: pb.EngineMessage.OpenTunnel) -> None:
        """Connects a visitor to an app."""
        task = asyncio.create_task(self._carry(wanted), name="tunnel")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ends all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, wanted: pb.EngineMessage.OpenTunnel) -> None:
        app = self._find(wanted.ref)
        try:
            if app is None:
                raise ConnectionRefusedError("it is not there yet, or not any more")
            async with app.connection() as (reader, writer):
                call = await self._call(wanted.tunnel_token)
                try:
                    await _both(call, reader, writer)
                finally:
                    call.cancel()
        except ConnectionRefusedError as error:
            await self._refuse(wanted.tunnel_token, str(error))
        except (errors.ServiceError, OSError, asyncio.InvalidStateError) as error:
            log.debug("a connection to an app broke", extra={"error": str(error)})

    async def _call(self, token: str, refused: str = "") -> Any:
        """The stream to the replica that asked. Raises ServiceError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        pause = 0.0
        opened = pb.CarryTunnelRequest.Open(tunnel_token=token, refused=refused[:1000])
        while True:
            call = self._engine.CarryTunnel(None)
            try:
                await call.write(pb.CarryTunnelRequest(open=opened))
                await call.read()  # `opened`, or it raises
            except errors.Unavailable as error:
                call.cancel()
                if error.reason != "APP_ELSEWHERE" or loop.time() > deadline:
                    raise
            except BaseException:
                call.cancel()
                raise
            else:
                return call
            await asyncio.sleep(pause)
            pause = min(0.25, pause * 1.5 + 0.005)

    async def _refuse(self, token: str, why: str) -> None:
        with contextlib.suppress(errors.ServiceError, asyncio.InvalidStateError):
            (await self._call(token, why)).cancel()


async def _both(call: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carries bytes both ways until either end closes; what the app said last arrives."""
    inwards = asyncio.create_task(_inwards(call, writer))
    outwards = asyncio.create_task(_outwards(call, reader))
    try:
        done, _ = await asyncio.wait({inwards, outwards}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if outwards in done:
            await call.done_writing()
            await inwards  # until the engine has passed everything on
    finally:
        for task in (inwards, outwards):
            task.cancel()
        await asyncio.gather(inwards, outwards, return_exceptions=True)


async def _inwards(call: Any, writer: asyncio.StreamWriter) -> None:
    while (message := await call.read()) is not EOF:
        if message.chunk:
            writer.write(message.chunk)
            await writer.drain()


async def _outwards(call: Any, reader: asyncio.StreamReader) -> None:
    while data := await reader.read(_CHUNK):
        await call.write(pb.CarryTunnelRequest(chunk=data))
