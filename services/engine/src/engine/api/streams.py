"""What is streamed: events and files."""

from collections.abc import AsyncIterator

from chassis.context import current
from chassis.paging import DEFAULT_SIZE
from engine.api.common import Base, Context
from engine.feed import Wish
from engine.sight import Sight
from engine.store import artifacts as artifact_store
from engine.wire import runs as run_wire
from mcpanel.engine.v1 import engine_pb2


class Streams(Base):
    """Server streams."""

    async def WatchRun(
        self, request: engine_pb2.WatchRunRequest, context: Context
    ) -> AsyncIterator[engine_pb2.WatchRunResponse]:
        draining = current().draining
        who = await self.reader()
        sight = Sight(who, self.known_reader)
        async for message in self.watcher.watch(request.run_id, request.after_seq, who, draining):
            if await sight.moved():
                await self.watcher.require(request.run_id, sight.reader)
            yield message

    async def WatchRuns(
        self, request: engine_pb2.WatchRunsRequest, context: Context
    ) -> AsyncIterator[engine_pb2.WatchRunsResponse]:
        wish = Wish(request.filter, request.page_size or DEFAULT_SIZE, request.cursor)
        who = await self.reader()
        async for message in self.feed.watch(wish, Sight(who, self.known_reader), current().draining):
            yield message

    async def ReadArtifact(
        self, request: engine_pb2.ReadArtifactRequest, context: Context
    ) -> AsyncIterator[engine_pb2.ReadArtifactResponse]:
        who = await self.reader()
        async with self.db.read() as tx:
            record = await artifact_store.get(tx, request.artifact_id, who)
        yield engine_pb2.ReadArtifactResponse(artifact=run_wire.artifact(record))
        sent = 0
        async for chunk in self.files.read(record.sha256, request.offset, request.length or None):
            sent += len(chunk)
            yield engine_pb2.ReadArtifactResponse(chunk=chunk)
        yield engine_pb2.ReadArtifactResponse(end=engine_pb2.ReadArtifactResponse.End(size_bytes=sent))
