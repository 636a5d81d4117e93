"""The way to an app: a stream to the engine that carries bytes."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, TypeVar

from chassis.client import EOF, ServiceChannel
from chassis.errors import Unavailable
from mcpanel.engine.v1 import app_pb2, app_pb2_grpc

T = TypeVar("T")

Request = app_pb2.ConnectAppRequest
_PATIENCE: Final = 10.0
"""Seconds in which some replica of the engine has to know the app's worker."""
_CHUNK: Final = 65536


async def at_the_right_replica(call: Callable[[], Awaitable[T]]) -> T:
    """What a call answers, made again while the replica of the engine that it reached says to ask the next.

    Raises ServiceError.
    """
    pause = 0.0
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while True:
        try:
            return await call()
        except Unavailable as error:
            if error.reason != "APP_ELSEWHERE" or asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # jitter
        pause = min(0.5, pause * 1.5 + 0.005)


class Tunnel:
    """One connection to an app, as long as its context lasts."""

    def __init__(self, engine: ServiceChannel, app: str, cookie: str) -> None:
        """`engine` is a channel with the gateway's own key."""
        self._stub: Any = app_pb2_grpc.AppServiceStub(engine)
        self._open = Request(open=Request.Open(app=app, cookie=cookie))
        self._call: Any = None

    async def __aenter__(self) -> "Tunnel":
        """Connects, asking one replica after the other. Raises ServiceError."""
        await at_the_right_replica(self._connect)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def _connect(self) -> None:
        self._call = self._stub.ConnectApp()
        try:
            await self._call.write(self._open)
            await self._call.read()  # `opened`, or it raises
        except BaseException:
            self.close()
            raise

    async def write(self, data: bytes) -> None:
        """Sends bytes, when there is room on the way. Raises ServiceError when there is no way any more."""
        for start in range(0, len(data), _CHUNK):
            try:
                await self._call.write(Request(chunk=data[start : start + _CHUNK]))
            except asyncio.InvalidStateError:
                raise Unavailable("APP_NOT_ANSWERING", "the app has closed the connection") from None

    async def read(self) -> bytes:
        """The next bytes; none when the app has closed. Raises ServiceError."""
        message = await self._call.read()
        return b"" if message is EOF else bytes(message.chunk)

    def close(self) -> None:
        """Ends the connection."""
        if self._call is not None:
            self._call.cancel()
