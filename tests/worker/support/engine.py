"""An engine for tests: a real gRPC server that hands out assignments and remembers what it hears."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc.aio
from google.protobuf import struct_pb2

from mcpanel.datasources.v1 import datasources_pb2 as ds
from mcpanel.datasources.v1 import datasources_pb2_grpc as ds_grpc
from mcpanel.datasources.v1 import secrets_pb2
from mcpanel.datasources.v1 import secrets_pb2_grpc as secrets_grpc
from mcpanel.engine.v1 import worker_pb2 as pb
from mcpanel.engine.v1 import worker_pb2_grpc as pb_grpc
from mcpanel.registry.v1 import component_pb2

Context = grpc.aio.ServicerContext[Any, Any]


def ref(step: str = "s1", *, run: str = "r1", epoch: int = 1) -> pb.AttemptRef:
    """An attempt."""
    return pb.AttemptRef(run_id=run, step_id=step, attempt=1, epoch=epoch)


def python_version(
    code: str,
    *,
    version_id: str = "v1",
    requirements: str = "",
    source: str = "",
    hosts: Sequence[str] = (),
) -> component_pb2.Version:
    """A version of a Python script."""
    version = component_pb2.Version(
        id=version_id,
        definition_name="sample",
        type=component_pb2.Definition.PYTHON_SCRIPT,
        python_script=component_pb2.PythonScriptConfig(code_content=code, requirements=requirements),
        network_hosts=hosts,
    )
    if source:
        version.data_sources.add(id=f"id-of-{source}", name=source)
    return version


@dataclass
class Engine(
    pb_grpc.WorkerServiceServicer, ds_grpc.DataSourceServiceServicer, secrets_grpc.SecretServiceServicer
):
    """Serves one worker at a time. `heard` has its messages by kind; `acknowledge` says whether results are."""

    heard: list[pb.WorkerMessage] = field(default_factory=list)
    artifacts: dict[str, bytes] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    acknowledge: bool = True
    lost: list[pb.AttemptRef] = field(default_factory=list)
    lease: float = 10.0
    streams: int = 0
    away: int = 0
    """How many uploads still find the engine away."""
    values: dict[str, bytes] = field(default_factory=dict)
    """The large inputs there are, by their SHA-256."""
    read: list[str] = field(default_factory=list)
    """Those that were asked for."""
    max_output_bytes: int = 0
    artifact_id: str = "0197f000-0000-7000-8000-000000000001"
    secrets: dict[str, str] = field(default_factory=dict)
    """The values of the secrets there are, by their ids."""
    revealed: list[tuple[str, str]] = field(default_factory=list)
    """The credential and the id of each secret that was asked for."""
    written: list[list[ds.WriteRowsRequest]] = field(default_factory=list)
    """The messages of each write."""
    source_deleted: bool = False
    """Whether queries find no data source."""

    def __post_init__(self) -> None:
        self._outbox: asyncio.Queue[pb.EngineMessage | None] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._server = grpc.aio.server()
        pb_grpc.add_WorkerServiceServicer_to_server(self, self._server)
        ds_grpc.add_DataSourceServiceServicer_to_server(self, self._server)
        secrets_grpc.add_SecretServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    async def start(self) -> None:
        """Starts serving."""
        await self._server.start()

    async def stop(self) -> None:
        """Stops serving at once."""
        self._outbox.put_nowait(None)
        await self._server.stop(0)

    def send(self, **message: Any) -> None:
        """Sends an EngineMessage to the worker."""
        self._outbox.put_nowait(pb.EngineMessage(**message))

    def drop_stream(self) -> None:
        """Ends the stream, as a restart would."""
        self._outbox.put_nowait(None)

    def assign(
        self, version: component_pb2.Version, inputs: Any = None, *, step: str = "s1", **more: Any
    ) -> pb.AttemptRef:
        """Sends a component and an assignment of it."""
        self.send(component=pb.EngineMessage.Component(version=version))
        at = ref(step)
        assignment = pb.EngineMessage.Assignment(
            ref=at,
            component_version_id=version.id,
            inputs_json=json.dumps(inputs or {}).encode(),
            started_by=more.pop("started_by", "u1"),
            idempotency_key=f"r1/{step}",
            **more,
        )
        if not assignment.HasField("timeout"):
            assignment.timeout.FromSeconds(20)
        self.send(assignment=assignment)
        return at

    async def Work(self, requests: AsyncIterator[pb.WorkerMessage], context: Context) -> None:  # type: ignore[override]
        """The stream: welcomes, sends what `send` was given, acknowledges results."""
        self.streams += 1
        outbox = self._outbox = asyncio.Queue()
        hello = await context.read()
        assert isinstance(hello, pb.WorkerMessage)
        self._hear(hello)
        welcome = pb.EngineMessage.Welcome(lost=self.lost, max_output_bytes=self.max_output_bytes)
        welcome.lease.FromMilliseconds(int(self.lease * 1000))
        welcome.heartbeat_interval.FromMilliseconds(int(self.lease * 333))
        await context.write(pb.EngineMessage(welcome=welcome))
        listening = asyncio.create_task(self._listen(context, outbox))
        try:
            while (message := await outbox.get()) is not None:
                await context.write(message)
        finally:
            listening.cancel()

    async def _listen(self, context: Context, outbox: "asyncio.Queue[pb.EngineMessage | None]") -> None:
        while isinstance(messages := await context.read(), pb.WorkerMessage):
            for message in (messages, *messages.also):
                self._answer(message, outbox)

    def _answer(self, message: pb.WorkerMessage, outbox: "asyncio.Queue[pb.EngineMessage | None]") -> None:
        self._hear(message)
        if message.WhichOneof("message") == "result" and self.acknowledge:
            ack = pb.EngineMessage.ResultAck(ref=message.result.ref, accepted=True)
            outbox.put_nowait(pb.EngineMessage(result_ack=ack))
        if message.WhichOneof("message") == "logs" and self.acknowledge:
            for line in message.logs.lines:
                heard = pb.EngineMessage.LogsAck(ref=line.ref, number=line.number)
                outbox.put_nowait(pb.EngineMessage(logs_ack=heard))

    def _hear(self, message: pb.WorkerMessage) -> None:
        self.heard.append(message)
        self._changed.set()

    def messages(self, kind: str) -> list[Any]:
        """What was heard of one kind."""
        return [getattr(m, kind) for m in self.heard if m.WhichOneof("message") == kind]

    def lines(self) -> list[tuple[str, str]]:
        """Stream and text of every line heard."""
        return [(line.stream, line.message) for logs in self.messages("logs") for line in logs.lines]

    async def hears(self, kind: str, count: int = 1) -> list[Any]:
        """Waits until so many messages of a kind were heard; they."""
        async with asyncio.timeout(20):
            while len(found := self.messages(kind)) < count:
                self._changed.clear()
                await self._changed.wait()
        return found

    async def UploadArtifact(
        self, requests: AsyncIterator[pb.UploadArtifactRequest], context: Context
    ) -> pb.UploadArtifactResponse:
        """Keeps the file."""
        if self.away > 0:
            self.away -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        header, content = pb.UploadArtifactRequest.Header(), b""
        async for request in requests:
            if request.HasField("header"):
                header = request.header
            content += request.chunk
        self.artifacts[header.name] = content
        response = pb.UploadArtifactResponse()
        response.artifact.id = self.artifact_id
        response.artifact.name = header.name
        response.artifact.size_bytes = len(content)
        return response

    async def ReadInput(
        self, request: pb.ReadInputRequest, context: Context
    ) -> AsyncIterator[pb.ReadInputResponse]:
        """Streams what the test put there, in small parts."""
        self.read.append(request.sha256)
        content = self.values[request.sha256]
        for start in range(0, len(content), 100_000):
            yield pb.ReadInputResponse(chunk=content[start : start + 100_000])
        yield pb.ReadInputResponse(end=pb.ReadInputResponse.End(size_bytes=len(content)))

    async def RevealSecret(
        self, request: secrets_pb2.RevealSecretRequest, context: Context
    ) -> secrets_pb2.RevealSecretResponse:
        """Tells the value that the test put there."""
        metadata = dict(context.invocation_metadata() or ())
        self.revealed.append((str(metadata["authorization"]), request.secret_id))
        if request.secret_id not in self.secrets:
            await context.abort(grpc.StatusCode.NOT_FOUND, "secret '…' does not exist")
        return secrets_pb2.RevealSecretResponse(secret_value=self.secrets[request.secret_id])

    async def WriteRows(
        self, requests: AsyncIterator[ds.WriteRowsRequest], context: Context
    ) -> ds.WriteRowsResponse:
        """Keeps what is written; while `away`, takes it and is gone before it answers."""
        messages = [one async for one in requests]
        metadata = dict(context.invocation_metadata() or ())
        self.tokens.append(str(metadata["authorization"]))
        self.written.append(messages)
        if self.away:
            self.away -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return ds.WriteRowsResponse(row_count=sum(len(one.rows.rows) for one in messages))

    async def ExecuteQuery(
        self, request: ds.ExecuteQueryRequest, context: Context
    ) -> AsyncIterator[ds.ExecuteQueryResponse]:
        """Answers one row: the source's id and the first parameter, where there is one."""
        metadata = dict(context.invocation_metadata() or ())
        self.tokens.append(str(metadata["authorization"]))
        if self.source_deleted:
            await context.abort(grpc.StatusCode.NOT_FOUND, "data source '…' does not exist")
        columns = [ds.ResultColumn(name="source"), ds.ResultColumn(name="parameter")][
            : 1 + len(request.parameters)
        ]
        yield ds.ExecuteQueryResponse(columns=ds.ExecuteQueryResponse.Columns(query_id="q", columns=columns))
        row = struct_pb2.ListValue(
            values=[struct_pb2.Value(string_value=request.data_source_id), *request.parameters]
        )
        yield ds.ExecuteQueryResponse(rows=ds.ExecuteQueryResponse.Rows(rows=[row]))
        yield ds.ExecuteQueryResponse(end=ds.ExecuteQueryResponse.End(row_count=1))
