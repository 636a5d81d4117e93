"""A stand-in for the engine that speaks the real protocol: it streams the events a test wrote down."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2


def event(seq: int, **fields: Any) -> engine_pb2.WatchRunResponse:
    """A WatchRun message with one event; without fields, a log line."""
    made = run_pb2.RunEvent(run_id="r", seq=seq, **fields or {"log": run_pb2.LogLine(message=f"line {seq}")})
    made.time.FromJsonString("2026-01-02T03:04:05Z")
    return engine_pb2.WatchRunResponse(event=made)


def end(seq: int) -> engine_pb2.WatchRunResponse:
    """The last message of a run that succeeded."""
    return event(seq, end=run_pb2.RunEnd(status=run_pb2.Run.SUCCESS, event_count=seq))


LIVE = engine_pb2.WatchRunResponse(live=engine_pb2.WatchRunResponse.Live())


class ScriptedEngine(engine_pb2_grpc.EngineServiceServicer):
    """Each call of WatchRun plays the next script: messages, then an abort if the last item is a status code."""

    def __init__(self) -> None:
        self.scripts: list[list[Any]] = []
        self.requests: list[engine_pb2.WatchRunRequest] = []
        self.wishes: list[engine_pb2.WatchRunsRequest] = []
        self.metadata: list[dict[str, Any]] = []
        self.artifact: list[engine_pb2.ReadArtifactResponse] = []
        self.reads: list[tuple[int, int]] = []
        """The parts that were asked for."""
        self._server = grpc.aio.server()
        engine_pb2_grpc.add_EngineServiceServicer_to_server(self, self._server)

    async def start(self, target: str = "127.0.0.1:0") -> int:
        """Serves; returns the port."""
        port = self._server.add_insecure_port(target)
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Stops at once."""
        await self._server.stop(None)

    async def WatchRun(
        self, request: engine_pb2.WatchRunRequest, context: Any
    ) -> AsyncIterator[engine_pb2.WatchRunResponse]:
        """Plays the next script."""
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        for item in self.scripts.pop(0):
            if isinstance(item, grpc.StatusCode):
                await context.abort(item, "the script says so")
            yield item

    async def WatchRuns(
        self, request: engine_pb2.WatchRunsRequest, context: Any
    ) -> AsyncIterator[engine_pb2.WatchRunsResponse]:
        """Plays the next script."""
        self.wishes.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        for item in self.scripts.pop(0):
            if isinstance(item, grpc.StatusCode):
                await context.abort(item, "the script says so")
            if item is None:
                await asyncio.sleep(60)
            yield item

    async def ReadArtifact(
        self, request: engine_pb2.ReadArtifactRequest, context: Any
    ) -> AsyncIterator[engine_pb2.ReadArtifactResponse]:
        """Streams the artifact the test put here."""
        self.reads.append((request.offset, request.length))
        for item in self.artifact:
            if item.HasField("chunk"):
                end = request.offset + request.length if request.length else None
                item = engine_pb2.ReadArtifactResponse(chunk=item.chunk[request.offset : end])  # noqa: PLW2901
            yield item
