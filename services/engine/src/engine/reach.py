"""Which workflows are shared with somebody: the registry knows, and their runs go with them."""

import time
from typing import Final

from chassis.access import Level
from chassis.client import ServiceChannel
from chassis.context import Caller, use
from chassis.sharing import Shared
from engine.records import Given
from mcpanel.registry.v1 import registry_pb2, registry_pb2_grpc

_GOOD_FOR: Final = 4.0
"""Seconds, from the question on: a share that is taken back counts nowhere five seconds later."""
_SECONDS: Final = 2.0
_MOST: Final = 4096


class Reach:
    """Asks the registry, on the engine's own behalf."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = registry_pb2_grpc.RegistryServiceStub(channel)
        self._known: dict[tuple[str, frozenset[str]], tuple[float, Given]] = {}
        self._asking: Shared[tuple[str, frozenset[str]], Given] = Shared()

    async def of(self, somebody: Caller) -> Given:
        """What is shared with them now. Raises Unavailable naming the registry."""
        key = (somebody.id, somebody.roles)
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        until = time.monotonic() + _GOOD_FOR

        async def ask() -> Given:
            request = registry_pb2.GetSharedWorkflowsRequest(subject_id=key[0], role_names=sorted(key[1]))
            with use(None):
                answer = await self._stub.GetSharedWorkflows(request, timeout=_SECONDS)
            return Given(
                frozenset(one.workflow_id for one in answer.workflows),
                frozenset(one.workflow_id for one in answer.workflows if one.permission >= Level.EDIT),
            )

        found = await self._asking.get(key, ask)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[key] = (until, found)
        return found
