"""The suite's health: what every service says of itself, asked at the moment of the question."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.client import ServiceChannel
from chassis.errors import ServiceError

SERVING: Final[int] = health_pb2.HealthCheckResponse.SERVING
_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    """One service's answer."""

    serving: bool
    message: str
    seconds: float


class Suite:
    """Asks the services, by name: name → (full gRPC name, channel)."""

    def __init__(self, services: Mapping[str, tuple[str, ServiceChannel]]) -> None:
        self._services = services
        self.grpc_names: Final = {full: name for name, (full, _) in services.items()}

    async def check(self, name: str) -> Health:
        """What the service `name` says; a service that is down is an answer too. Raises KeyError for no such name."""
        full, channel = self._services[name]
        started = time.monotonic()
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=full), timeout=_SECONDS
            )
        except ServiceError as error:
            return Health(False, error.message, time.monotonic() - started)
        serving = answer.status == SERVING
        return Health(serving, "serving" if serving else "not serving", time.monotonic() - started)

    async def check_all(self) -> dict[str, Health]:
        """What every service says, asked side by side."""
        answers = await asyncio.gather(*(self.check(name) for name in self._services))
        return dict(zip(self._services, answers, strict=True))
