"""Which workflows are shared with somebody: the registry knows, and their runs go with them."""

from typing import Final

from chassis.access import Level
from chassis.client import ServiceChannel
from chassis.context import Caller, use
from chassis.sharing import Remembered
from engine.records import Given
from mcpanel.registry.v1 import registry_pb2, registry_pb2_grpc

_GOOD_FOR: Final = 4.0
"""Seconds: a share that is taken back counts nowhere five seconds later."""
_SECONDS: Final = 2.0


class Reach:
    """Asks the registry, on the engine's own behalf."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = registry_pb2_grpc.RegistryServiceStub(channel)
        self._given: Remembered[tuple[str, frozenset[str]], Given] = Remembered(_GOOD_FOR)

    async def of(self, somebody: Caller) -> Given:
        """What is shared with them now. Raises Unavailable naming the registry."""

        async def ask() -> Given:
            request = registry_pb2.GetSharedWorkflowsRequest(
                subject_id=somebody.id, role_names=sorted(somebody.roles)
            )
            with use(None):
                answer = await self._stub.GetSharedWorkflows(request, timeout=_SECONDS)
            return Given(
                frozenset(one.workflow_id for one in answer.workflows),
                frozenset(one.workflow_id for one in answer.workflows if one.permission >= Level.EDIT),
            )

        return await self._given.get((somebody.id, somebody.roles), ask)
