"""WorkerService: the work stream, and the files that steps make."""

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc.aio

from chassis import jsonvalue
from chassis.context import current
from chassis.database import Database
from chassis.errors import Invalid, NotFound
from chassis.ids import is_uuid, uuid7
from chassis.jsonvalue import Json
from engine import failpoints
from engine.artifacts import MAX_BYTES, ArtifactStore, Stored
from engine.calling import Calls, ComponentCall, stale
from engine.dispatch.dispatcher import Dispatcher
from engine.dispatch.sessions import Session
from engine.dispatch.tunnels import Tunnels
from engine.domain import Ref
from engine.records import ArtifactRecord
from engine.store import artifacts as store
from engine.store.hot import output_name
from engine.wire import runs as run_wire
from engine.wire import work
from mcpanel.engine.v1 import worker_pb2, worker_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]
_PREVIEW: Final = 120
_INPUT_CHUNK: Final = 256 * 1024


class Workers(worker_pb2_grpc.WorkerServiceServicer):
    """The servicer."""

    def __init__(
        self,
        db: Database,
        dispatcher: Dispatcher,
        files: ArtifactStore,
        max_output_bytes: int,
        *,
        tunnels: Tunnels,
        calls: Calls,
    ) -> None:
        self.tunnels = tunnels
        self.calls = calls
        self.db = db
        self.dispatcher = dispatcher
        self.files = files
        self.max_output_bytes = max_output_bytes

    async def Work(
        self, requests: AsyncIterator[worker_pb2.WorkerMessage], context: Context
    ) -> AsyncIterator[worker_pb2.EngineMessage]:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("message") != "hello":
            raise Invalid("INVALID_FIELD", "the first message of a work stream is hello")
        session, lost = await self.dispatcher.attach(first.hello)
        timing = self.dispatcher.timing
        yield work.welcome(timing.lease, timing.heartbeat, lost, self.max_output_bytes)
        self.dispatcher.begin(session)
        receiving = asyncio.create_task(self._receive(session, requests), name=f"worker {session.id}")
        draining = asyncio.create_task(current().draining.wait())
        for task in (receiving, draining):
            task.add_done_callback(lambda _: session.close())
        try:
            while (message := await session.outgoing()) is not None:
                yield message
        finally:
            self.dispatcher.detach(session)
            broken = receiving.done() and not receiving.cancelled()
            for task in (receiving, draining):
                task.cancel()
            await asyncio.gather(receiving, draining, return_exceptions=True)
        if broken:
            receiving.result()  # raises what was wrong with a message

    async def _receive(self, session: Session, requests: AsyncIterator[worker_pb2.WorkerMessage]) -> None:
        async for message in requests:
            for one in (message, *message.also):
                self.dispatcher.receive(session, one)
            await self.dispatcher.room(session)

    async def UploadArtifact(
        self, requests: AsyncIterator[worker_pb2.UploadArtifactRequest], context: Context
    ) -> worker_pb2.UploadArtifactResponse:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("item") != "header":
            raise Invalid("ARTIFACT_INVALID", "the first message of an upload is its header")
        header = first.header
        ref = _ref(header.ref)
        async with self.db.read() as tx:
            if not await store.is_current(tx, ref):
                raise stale(ref)
        begins = b""
        async with self.files.upload(self.max_output_bytes if header.is_output else MAX_BYTES) as upload:
            async for message in requests:
                if message.WhichOneof("item") != "chunk":
                    raise Invalid("ARTIFACT_INVALID", "after the header an upload holds chunks only")
                if len(begins) < _PREVIEW:
                    begins += message.chunk[:_PREVIEW]
                await upload.write(message.chunk)
            failpoints.reach("store.before")
            stored = await upload.finish()
            failpoints.reach("store.after")
        async with self.db.begin(audited=False) as tx:
            record = await store.put(tx, ref, _record(header, ref, stored, begins, tx.now))
            failpoints.reach("upload.before")
        failpoints.reach("upload.after")
        if record is None:
            raise stale(ref)
        return worker_pb2.UploadArtifactResponse(artifact=run_wire.artifact(record))

    async def ReadInput(
        self, request: worker_pb2.ReadInputRequest, context: Context
    ) -> AsyncIterator[worker_pb2.ReadInputResponse]:
        ref = _ref(request.ref)
        async with self.db.read() as tx:
            inputs = await store.inputs_of(tx, ref)
        if inputs is None:
            raise stale(ref)
        if request.sha256 not in {reference.sha256 for _, reference in inputs.references}:
            raise NotFound(
                "ARTIFACT_NOT_FOUND",
                f"attempt {ref.attempt} at step '{ref.step_id}' has no such large input",
                resource=("artifact", request.sha256),
            )
        sent = 0
        async for chunk in self.files.read(request.sha256, size=_INPUT_CHUNK):
            sent += len(chunk)
            yield worker_pb2.ReadInputResponse(chunk=chunk)
        yield worker_pb2.ReadInputResponse(end=worker_pb2.ReadInputResponse.End(size_bytes=sent))

    async def ReadStepArtifact(
        self, request: worker_pb2.ReadStepArtifactRequest, context: Context
    ) -> AsyncIterator[worker_pb2.ReadStepArtifactResponse]:
        ref = _ref(request.ref)
        async with self.db.read() as tx:
            if not await store.is_current(tx, ref):
                raise stale(ref)
            record = await store.of_run(tx, ref.run_id, request.artifact_id)
        sent = 0
        async for chunk in self.files.read(record.sha256, size=_INPUT_CHUNK):
            sent += len(chunk)
            yield worker_pb2.ReadStepArtifactResponse(chunk=chunk)
        yield worker_pb2.ReadStepArtifactResponse(
            end=worker_pb2.ReadStepArtifactResponse.End(size_bytes=sent)
        )

    async def CallComponent(
        self, request: worker_pb2.CallComponentRequest, context: Context
    ) -> AsyncIterator[worker_pb2.CallComponentResponse]:
        draining = current().draining
        call = ComponentCall(
            _ref(request.ref),
            request.number,
            request.version_id,
            _inputs(request.inputs_json),
            work.budget(request),
        )
        run_id = await self.calls.begin(call)
        yield worker_pb2.CallComponentResponse(
            started=worker_pb2.CallComponentResponse.Started(run_id=run_id)
        )
        async for ended in self.calls.follow(run_id, draining):
            if ended is None:
                yield worker_pb2.CallComponentResponse(
                    keep_alive=worker_pb2.CallComponentResponse.KeepAlive()
                )
            else:
                yield worker_pb2.CallComponentResponse(end=work.call_end(ended.run, ended.used))

    async def CarryTunnel(
        self, requests: AsyncIterator[worker_pb2.CarryTunnelRequest], context: Context
    ) -> AsyncIterator[worker_pb2.CarryTunnelResponse]:
        first = await anext(requests, None)
        if first is None or first.WhichOneof("item") != "open":
            raise Invalid("INVALID_FIELD", "the first message of a tunnel is open")
        tunnel = self.tunnels.take(first.open.tunnel_token)
        tunnel.answer(first.open.refused)

        async def receive() -> None:
            async for message in requests:
                await tunnel.from_app.put(message.chunk)

        receiving = asyncio.create_task(receive(), name="from an app")
        receiving.add_done_callback(lambda _: tunnel.close())
        try:
            yield worker_pb2.CarryTunnelResponse(opened=worker_pb2.CarryTunnelResponse.Opened())
            async for chunk in tunnel.to_app:
                yield worker_pb2.CarryTunnelResponse(chunk=chunk)
            yield worker_pb2.CarryTunnelResponse(end=worker_pb2.CarryTunnelResponse.End())
        finally:
            tunnel.close()
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)


def _record(
    header: worker_pb2.UploadArtifactRequest.Header, ref: Ref, stored: Stored, begins: bytes, now: Any
) -> ArtifactRecord:
    guessed = mimetypes.guess_type(header.name)[0] or "application/octet-stream"
    if header.is_output:
        guessed = "application/json"
    return ArtifactRecord(
        id=uuid7(now),
        run_id=ref.run_id,
        step_id=ref.step_id,
        attempt=ref.attempt,
        name=output_name(header.name) if header.is_output else header.name,
        media_type=guessed if header.is_output else header.media_type or guessed,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        created_at=now,
        preview=_preview(begins, stored.size_bytes) if header.is_output else "",
        items=dict(header.items) if header.is_output else None,
        kinds=dict(header.kinds) if header.is_output else None,
    )


def _preview(begins: bytes, size: int) -> str:
    """How an output begins, as text that PostgreSQL can hold."""
    text = begins[:_PREVIEW].decode(errors="ignore").replace("\0", "�")
    return f"{text}…" if size > _PREVIEW else text


def _ref(message: worker_pb2.AttemptRef) -> Ref:
    """The attempt that is named; what no run is called by is as stale as one that is gone."""
    ref = work.ref(message)
    if not is_uuid(ref.run_id):
        raise stale(ref)
    return ref


def _inputs(given: bytes) -> dict[str, Json]:
    """The inputs of a call. Raises Invalid RUN_INPUT_INVALID."""
    try:
        return jsonvalue.parse_object(given or b"{}")
    except (ValueError, RecursionError):
        raise Invalid("RUN_INPUT_INVALID", "the inputs of a component are a JSON object") from None
