"""A worker that speaks the real work stream and runs Python functions instead of cells."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from chassis import jsonvalue
from chassis.ids import uuid7
from engine.domain import put
from mcpanel.engine.v1 import run_pb2, worker_pb2, worker_pb2_grpc
from mcpanel.registry.v1 import component_pb2
from tests.support.callers import WORKER, as_caller
from tests.support.channels import plain
from worker.inside.jsonvalues import kinds as kinds_of

Message = worker_pb2.WorkerMessage
Assignment = worker_pb2.EngineMessage.Assignment
Upload = worker_pb2.UploadArtifactRequest
LARGE = 256 * 1024
AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL)
Code = Callable[["Attempt"], Awaitable[Any]]


class StepFailed(Exception):
    """What code raises to fail its attempt with a kind."""

    def __init__(self, kind: str = "USER_ERROR", message: str = "it broke") -> None:
        super().__init__(message)
        self.kind = kind


class Attempt:
    """An attempt that runs: what code is given."""

    def __init__(self, worker: "FakeWorker", assignment: Assignment) -> None:
        self.worker = worker
        self.assignment = assignment
        self.inputs: Any = json.loads(assignment.inputs_json)
        self.ref = assignment.ref
        self.step_id = assignment.ref.step_id
        self.number = assignment.ref.attempt
        self.cancelled = asyncio.Event()
        self.lines = 0
        self.usage: run_pb2.ModelUsage | None = None
        """What the code says it used of a language model."""

    def log(self, *texts: str) -> None:
        self.say(*({"stream": "stdout", "level": "INFO", "message": text} for text in texts))

    def say(self, *said: dict[str, Any]) -> None:
        """Sends lines, or calls of tools, which have their places among them."""
        lines = [
            Message.Logs.Line(ref=self.ref, number=number, **one)
            for number, one in enumerate(said, self.lines + 1)
        ]
        self.lines += len(lines)
        message = Message(logs=Message.Logs(lines=lines))
        self.worker.unheard.append(message)
        self.worker.send(message)

    async def whole(self) -> Any:
        """The inputs with the large ones in their places."""
        inputs = self.inputs
        for one in self.assignment.large_inputs:
            value = json.loads(await self.worker.read(self.ref, one.sha256))
            for key in one.pointer.split("/")[1:]:
                value = value[int(key) if isinstance(value, list) else key]
            path = [int(key) if key.isdecimal() else key for key in one.path]
            inputs = put(inputs, tuple(path), value)
        return inputs

    async def hang(self) -> None:
        """Runs until it is cancelled."""
        await self.cancelled.wait()
        raise StepFailed("CANCELLED", "stopped")


async def echo(attempt: Attempt) -> Any:
    """The code of steps a test says nothing about: the inputs are the output."""
    return attempt.inputs


class FakeWorker:
    """Connects to an engine at `address`; `code[step id]` is what its steps run."""

    def __init__(self, address: str, *, slots: int = 2, heartbeat: float = 0.2, name: str = "") -> None:
        self.id = name or f"worker-{uuid7()[-6:]}"
        self.address = address
        self.slots = slots
        self.heartbeat = heartbeat
        self.kinds = [component_pb2.Definition.PYTHON_SCRIPT]
        self.code: dict[str, Code] = {}
        self.default: Code = echo
        self.holding: dict[tuple[str, str, int, int], Attempt] = {}
        self.unacked: dict[tuple[str, str, int, int], Message] = {}
        self.unheard: list[Message] = []
        """Lines without an answer."""
        self.acks: list[worker_pb2.EngineMessage.ResultAck] = []
        self.assignments: list[Assignment] = []
        self.cancels: list[worker_pb2.EngineMessage.CancelAttempt] = []
        self.components: list[str] = []
        self.limits: run_pb2.Limits | None = None
        """What it says that its attempts are held to."""
        self.welcome: worker_pb2.EngineMessage.Welcome | None = None
        self.pool, self.cpus, self.memory_bytes = "", 0.0, 0
        self.labels: list[str] = []
        self.metadata = as_caller(WORKER)
        self.deaf = False
        """While set, nothing is sent: results wait, heartbeats stay out."""
        self._outgoing: asyncio.Queue[Message | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stream: asyncio.Task[None] | None = None
        self._channel: grpc.aio.Channel | None = None
        self._welcomed = asyncio.Event()
        self._received = 0

    async def __aenter__(self) -> "FakeWorker":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self, address: str = "") -> None:
        """Opens a stream, waits for the welcome, and sends again what was not acknowledged."""
        self.address = address or self.address
        self._outgoing = asyncio.Queue()
        self._received = 0
        self._welcomed = asyncio.Event()
        hello = Message.Hello(
            worker_id=self.id,
            types=self.kinds,
            slots=self.slots,
            isolation="cell",
            host="test",
            holding=self._held(),
            pool=self.pool,
            labels=self.labels,
            cpus=self.cpus,
            memory_bytes=self.memory_bytes,
        )
        self._channel = plain(self.address)
        self._stream = asyncio.create_task(self._serve(self._channel, Message(hello=hello), self._outgoing))
        waiting = asyncio.create_task(self._welcomed.wait())
        await asyncio.wait({waiting, self._stream}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert self._welcomed.is_set(), self._stream
        for message in [*self.unheard, *self.unacked.values()]:
            self.send(message)

    async def stay(self) -> None:
        """Connects again whenever the stream has ended, for ever."""
        while True:
            if self._stream is not None:
                await asyncio.wait({self._stream})
            await self.lose_stream()
            try:
                await self.connect()
            except AssertionError:
                await asyncio.sleep(0.1)

    async def lose_stream(self) -> None:
        """The stream breaks; what runs goes on running."""
        if self._stream is not None:
            self._stream.cancel()
            await asyncio.gather(self._stream, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close(None)

    async def close(self) -> None:
        await self.lose_stream()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, message: Message) -> None:
        if not self.deaf:
            self._outgoing.put_nowait(message)

    async def _serve(
        self, channel: grpc.aio.Channel, hello: Message, outgoing: asyncio.Queue[Message | None]
    ) -> None:
        async def requests() -> Any:
            yield hello
            while (message := await outgoing.get()) is not None:
                yield message

        beating = asyncio.create_task(self._beat())
        try:
            stub = worker_pb2_grpc.WorkerServiceStub(channel)
            async for message in stub.Work(requests(), metadata=self.metadata):
                for one in (message, *message.also):
                    self._receive(one)
        except grpc.aio.AioRpcError:
            pass
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    def _held(self) -> list[worker_pb2.AttemptRef]:
        """What runs, and what nobody has acknowledged."""
        return [
            *(one.ref for one in self.holding.values()),
            *(one.result.ref for one in self.unacked.values()),
        ]

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat)
            refs = self._held()
            self.send(Message(heartbeat=Message.Heartbeat(holding=refs, assignments=self._received)))

    def _receive(self, message: worker_pb2.EngineMessage) -> None:
        match message.WhichOneof("message"):
            case "welcome":
                self.welcome = message.welcome
                for lost in message.welcome.lost:
                    self.holding.pop(_key(lost), None)
                self._welcomed.set()
            case "component":
                self.components.append(message.component.version.id)
            case "assignment":
                assert message.assignment.component_version_id in self.components
                self._received += 1
                self.assignments.append(message.assignment)
                attempt = Attempt(self, message.assignment)
                self.holding[_key(attempt.ref)] = attempt
                task = asyncio.create_task(self._run(attempt))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case "cancel":
                self.cancels.append(message.cancel)
                held = self.holding.get(_key(message.cancel.ref))
                if held is not None:
                    held.cancelled.set()
            case "logs_ack":
                at = (_key(message.logs_ack.ref), message.logs_ack.number)
                self.unheard = [
                    one for one in self.unheard if _key(one.logs.lines[0].ref) != at[0] or _last(one) > at[1]
                ]
            case "result_ack":
                self.acks.append(message.result_ack)
                self.unacked.pop(_key(message.result_ack.ref), None)

    async def _run(self, attempt: Attempt) -> None:
        result = Message.Result(ref=attempt.ref, limits=self.limits)
        try:
            output = await self.code.get(attempt.step_id, self.default)(attempt)
            result.output_json = output if isinstance(output, bytes) else jsonvalue.canonical(output)
            if not isinstance(output, bytes) and len(result.output_json) > LARGE:
                result.output_artifact_id = await self._upload(attempt.ref, output)
        except StepFailed as failed:
            result.error.CopyFrom(run_pb2.RunError(kind=failed.kind, message=str(failed)))
        if attempt.usage is not None:
            result.usage.CopyFrom(attempt.usage)
        key = _key(attempt.ref)
        self.holding.pop(key, None)
        message = Message(result=result)
        self.unacked[key] = message
        self.send(message)

    async def _upload(self, ref: worker_pb2.AttemptRef, output: Any) -> str:
        """Stores a large output, however often the engine is away; the artifact's id."""
        while True:
            try:
                return (
                    await self.upload(
                        ref, jsonvalue.canonical(output), items=counts(output), kinds=kinds_of(output)
                    )
                ).id
            except (grpc.aio.AioRpcError, grpc.aio.UsageError) as error:
                if isinstance(error, grpc.aio.AioRpcError) and error.code() not in AWAY:
                    raise StepFailed("INTERNAL", str(error.details())) from None
            except asyncio.CancelledError:  # of the call, when its channel was closed
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
            await asyncio.sleep(0.1)

    async def upload(
        self,
        ref: worker_pb2.AttemptRef,
        content: bytes,
        *,
        items: dict[str, int] | None = None,
        kinds: dict[str, str] | None = None,
    ) -> run_pb2.Artifact:
        """Stores an output as the artifact that it is."""

        async def requests() -> Any:
            header = Upload.Header(ref=ref, name="output.json", is_output=True, items=items, kinds=kinds)
            yield Upload(header=header)
            for start in range(0, len(content), 500_000):
                yield Upload(chunk=content[start : start + 500_000])

        assert self._channel is not None
        stub = worker_pb2_grpc.WorkerServiceStub(self._channel)
        return (await stub.UploadArtifact(requests(), metadata=self.metadata)).artifact

    async def read(self, ref: worker_pb2.AttemptRef, sha256: str) -> bytes:
        """A large input of an attempt."""
        assert self._channel is not None
        stub = worker_pb2_grpc.WorkerServiceStub(self._channel)
        request = worker_pb2.ReadInputRequest(ref=ref, sha256=sha256)
        parts = [message.chunk async for message in stub.ReadInput(request, metadata=self.metadata)]
        return b"".join(parts)


def counts(output: Any) -> dict[str, int]:
    """How many items the lists in an output have."""
    if isinstance(output, list):
        return {"": len(output)}
    fields = output.items() if isinstance(output, dict) else ()
    return {f"/{name}": len(value) for name, value in fields if isinstance(value, list)}


def _last(message: Message) -> int:
    return message.logs.lines[-1].number


def _key(ref: worker_pb2.AttemptRef) -> tuple[str, str, int, int]:
    return (ref.run_id, ref.step_id, ref.attempt, ref.epoch)
