"""`grpc.health.v1` for the whole suite."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.suite import SERVING, Suite

NOT_SERVING: Final[int] = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN: Final[int] = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
_WATCH_SECONDS: Final = 2.0


class HealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # its package ships no types
    """One name per service; the empty name stands for all of them together."""

    def __init__(self, suite: Suite, draining: asyncio.Event) -> None:
        self._suite = suite
        self._draining = draining

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """The status of one service, or of all; NOT_FOUND for a name the suite does not have."""
        status = await self._status(request.service)
        if status is None:
            names = ", ".join(self._suite.grpc_names)
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"no service {request.service!r}; there are: {names}"
            )
        return health_pb2.HealthCheckResponse(status=status)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """The status now and whenever it changes, until the client leaves or the gateway stops."""
        last: int | None = None
        while not self._draining.is_set():
            status = await self._status(request.service)
            if status is None:
                status = UNKNOWN
            if status != last:
                yield health_pb2.HealthCheckResponse(status=status)
                last = status
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_WATCH_SECONDS):
                    await self._draining.wait()

    async def _status(self, service: str) -> int | None:
        if not service:
            answers = (await self._suite.check_all()).values()
            return SERVING if all(answer.serving for answer in answers) else NOT_SERVING
        name = self._suite.grpc_names.get(service)
        if name is None:
            return None
        return SERVING if (await self._suite.check(name)).serving else NOT_SERVING
