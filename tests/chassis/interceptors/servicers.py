"""Servicers to put the layers around."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from chassis.context import current
from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from mcpanel.registry.v1 import component_pb2, registry_pb2, registry_pb2_grpc

RUN_ID = "018f0000-0000-7000-8000-000000000000"


class Registry(registry_pb2_grpc.RegistryServiceServicer):
    """Answers GetDefinition with whatever `answer` does."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[Any] = []

    async def GetDefinition(self, request: Any, context: Any) -> Any:
        self.calls.append(current())
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            await self.answer(request, context)
        return registry_pb2.GetDefinitionResponse(
            definition=component_pb2.Definition(
                id=request.definition_id, name=current().caller.effective.name
            )
        )

    async def GetVersion(self, request: Any, context: Any) -> Any:
        self.calls.append(current())
        return registry_pb2.GetVersionResponse()

    async def CreateDefinition(self, request: Any, context: Any) -> Any:
        self.calls.append(current())
        return registry_pb2.CreateDefinitionResponse(definition=request.definition)


def registry(servicer: Registry) -> Any:
    """What a server takes of it."""
    return registry_pb2_grpc.add_RegistryServiceServicer_to_server, servicer


GET = registry_pb2.GetDefinitionRequest(definition_id="x")


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    """Has a public method, which answers with the caller's kind, and an internal one."""

    async def GetJwks(self, request: Any, context: Any) -> Any:
        key = identity_pb2.JsonWebKey(kid=current().caller.kind)
        return identity_pb2.GetJwksResponse(keys=[key])

    async def Authenticate(self, request: Any, context: Any) -> Any:
        return identity_pb2.AuthenticateResponse()


IDENTITY = (identity_pb2_grpc.add_IdentityServiceServicer_to_server, Identity())


class Engine(engine_pb2_grpc.EngineServiceServicer):
    """Streams in both styles: WatchRun yields, ReadArtifact writes to the context. Fails after `good` messages."""

    def __init__(self, good: int = 2, error: Exception | None = None) -> None:
        self.good = good
        self.error = error
        self.closed = asyncio.Event()
        self.cleaned = False

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            for seq in range(self.good):
                yield engine_pb2.WatchRunResponse(event=run_pb2.RunEvent(run_id=request.run_id, seq=seq))
            if self.error is not None:
                raise self.error
            await current().draining.wait()
        finally:
            self.cleaned = True
            self.closed.set()

    async def ReadArtifact(self, request: Any, context: Any) -> None:  # type: ignore[override]  # the stub knows yield only
        for _ in range(self.good):
            await context.write(engine_pb2.ReadArtifactResponse(chunk=b"x"))
        if self.error is not None:
            raise self.error
