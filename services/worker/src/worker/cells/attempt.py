"""One attempt as the worker sees it: its pipes, what it says on them, and what became of it."""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from worker.cells import calls
from worker.cells.kept import Kept
from worker.cells.limits import Limits
from worker.cells.pipes import Lines, Pipe, ProtocolError, RequestError, Upload, canonical
from worker.cells.usage import Budget, Usage, counted, left, with_called
from worker.inside import frames
from worker.network import Reach

_CPUS: Final = os.cpu_count() or 1
_KINDS: Final = frozenset(
    {"USER_ERROR", "CANCELLED", "OUT_OF_MEMORY", "INVALID_OUTPUT", "BAD_INPUT"}
    | {"INVALID_INPUT", "TIMED_OUT", "DEPENDENCY_ERROR"}
)
_LONGEST_KEY: Final = 401
_MOST_COUNTED: Final = 100
_MOST_ITEMS: Final = 2**31
_MOST_WRITTEN: Final = 256 * 1024 * 1024
"""Bytes of JSON that a step writes into a table at once."""
_PARTS: Final = frozenset({"", "object", "list", "string", "number", "boolean", "null"})


class Shape(NamedTuple):
    """What is known of a large output, as its step says: by JSON Pointer, the lengths of lists, and what parts are."""

    items: dict[str, int]
    kinds: dict[str, str]


class Content(Protocol):
    """A large input, or a part of one, that lies outside of memory."""

    @property
    def path(self) -> Sequence[str]:
        """Where it belongs in the inputs."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in parts of at most 256 KiB."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """What an attempt runs."""

    component: str
    code: str
    """The component's code; unused where the cell runs a program."""
    inputs_json: bytes
    timeout: float
    """Seconds it may run."""
    silence: float | None = None
    """Seconds it may say nothing; None: as long as it runs."""
    context: dict[str, Any] = field(default_factory=dict)
    large: Sequence[Content] = ()
    """What is missing in the inputs."""
    grace: float = 0.0
    """Seconds that it gets, when its time is up, to keep what it has made."""
    config: dict[str, Any] = field(default_factory=dict)
    """What the cell's program is told beside the inputs."""
    max_output: int = 0
    """The largest output that is taken, in bytes of JSON; 0: no more than fits into one message."""
    reach: Reach | None = None
    """What it may reach, in a cell with network."""


def cpu_seconds(job: Job) -> int:
    """The processor time that each process of a Python job may use."""
    return int(job.timeout * _CPUS) + 10


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed. `kind` is one of the contract's words, or BAD_INPUT."""

    kind: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt: an output (JSON) or a failure."""

    output_json: bytes | None
    failure: Failure | None
    seconds: float
    cpu_seconds: float
    peak_memory: int
    output_artifact: str = ""
    """The artifact that holds the output, when that was too large for one message."""
    usage: Usage | None = None


class Sink(Protocol):
    """Where an attempt's words go, and who answers its requests."""

    def log(self, stream: str, level: str, message: str, *, more: bool = False) -> None:
        """Takes one line, or a piece of one that has `more` to come."""

    def progress(self, fraction: float, message: str) -> None:
        """Takes how far the step is."""

    def preview(self, value_json: bytes) -> None:
        """Takes an intermediate value."""

    def tool_call(self, call: calls.ToolCall) -> None:
        """Takes what a program tells of a call of a tool; it has its place among the lines."""

    async def artifact(self, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Stores a file; its record. Raises RequestError with a sentence for the step's author."""

    async def output(self, shape: Shape, chunks: AsyncIterator[bytes]) -> str:
        """Stores a large output of this shape; the artifact's id. Raises RequestError."""

    def read_artifact(self, artifact_id: str) -> AsyncIterator[bytes]:
        """Reads a file that a step of the run has stored. Raises RequestError with a sentence for the step's author."""

    async def secret(self, name: str) -> str:
        """The value of a linked secret. Raises RequestError with a sentence for the step's author."""

    def query(
        self, source: str, sql: str, params: Any, max_rows: int
    ) -> AsyncIterator[dict[str, Any] | list[Any]]:
        """Runs a query: first `{"columns": […], "types": […]}`, then lists of rows, last `{"end": true, …}`.

        Raises RequestError with a sentence for the step's author.
        """

    async def write(self, source: str, table: str, chunks: AsyncIterator[bytes], *, replace: bool) -> int:
        """Writes rows, `{"columns": […], "rows": [[…], …]}` a chunk, into a table; how many there were.

        Raises RequestError with a sentence for the step's author.
        """
        ...

    async def call(self, tool: str, inputs: bytes, budget: Budget | None) -> calls.Called:
        """Calls a component, one of the program's tools, with a JSON object and a budget. Raises RequestError."""
        ...


class Attempt:
    """The attempt that waits in a cell, then runs there. Owns its four descriptors."""

    def __init__(
        self,
        descriptors: list[int],
        limits: Limits,
        on_imports: Callable[[list[str]], None],
        *,
        counts: bool = False,
    ) -> None:
        self._descriptors = descriptors
        self._on_imports = on_imports
        self._counts = counts  # whether it tells what its model used and called: own code could tell anything
        for fd in descriptors:
            os.set_blocking(fd, False)
        to_step, from_step, self._stdout, self._stderr = descriptors
        self._pipe = Pipe(to_step, from_step)
        self._limits = limits
        self._outputs: list[Lines] = []
        self._kept = Kept(limits.log_bytes)
        self._calls = 0
        self._sink: Sink | None = None
        self._max_output = 0
        self.output_json: bytes | None = None
        self.output_artifact = ""
        self.failure: Failure | None = None
        self.usage: Usage | None = None
        self.place = ""
        """What the cell's program says that it is doing."""
        self.heap_exhausted = False
        """Whether Deno said, before it died, that its heap was full."""
        self.waited_for_nothing = False
        """Whether Deno said, before it ended, that the module awaits what cannot happen."""

    async def converse(self, job: Job, sink: Sink) -> None:
        """Starts the job and serves what it asks until it closes its pipe."""
        self._sink = sink
        line = self._limits.log_line
        self._outputs = [
            Lines(
                fd, stream, level, limit=line, emit=self._on_line, take=self._kept.take, drop=self._kept.drop
            )
            for fd, stream, level in ((self._stdout, "stdout", "INFO"), (self._stderr, "stderr", "WARNING"))
        ]
        self._max_output = max(job.max_output, self._limits.output)
        start = {
            "component": job.component,
            "code": job.code,
            "config": job.config,
            "context": job.context,
            "output_limit": self._max_output,
            "inline_limit": self._limits.output,
            "large": [list(one.path) for one in job.large],
            "cpu_seconds": cpu_seconds(job),
        }
        try:
            await self._pipe.send(frames.pack_json(start), frames.pack(frames.BYTES, job.inputs_json))
            for one in job.large:
                for chunk in one.chunks():
                    await self._pipe.send(frames.pack(frames.BYTES, chunk))
                await self._pipe.send(frames.pack(frames.BYTES, b""))
            while (message := await self._next_message()) is not None:
                await self._serve(message, sink)
        except (BrokenPipeError, ConnectionResetError):
            return
        except (ProtocolError, ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
            self.output_json = None
            self.failure = Failure("USER_ERROR", f"the step broke its connection to the worker: {error}")
            raise ProtocolError(str(error)) from error

    async def _next_message(self) -> dict[str, Any] | None:
        frame = await self._pipe.receive()
        if frame is None:
            return None
        kind, payload = frame
        if kind != frames.JSON:
            raise ProtocolError("bytes without a message before them")
        message: dict[str, Any] = json.loads(payload)
        return message

    async def _payload(self) -> bytes:
        frame = await self._pipe.receive()
        if frame is None or frame[0] != frames.BYTES:
            raise ProtocolError("a message without its bytes")
        return frame[1]

    async def _serve(self, message: dict[str, Any], sink: Sink) -> None:
        kind = message["t"]
        for output in self._outputs:  # what was printed before this message comes before it
            output.drain()
        if kind == "progress":
            sink.progress(min(1.0, max(0.0, float(message["fraction"]))), str(message["message"])[:1000])
        elif kind == "preview":
            payload = await self._payload()
            sink.preview(canonical(payload, 64 * 1024))
        elif kind == "result":
            payload = await self._payload()
            self.output_json = canonical(payload, self._limits.output)
        elif kind == "output":
            await self._store_output(message, sink)
        elif kind == "failure":
            word = str(message["kind"])
            if word not in _KINDS:
                raise ProtocolError("an unknown kind of failure")
            self.failure = Failure(
                word, str(message["message"])[:4000], str(message.get("traceback", ""))[:65536]
            )
        elif kind == "imports":
            self._on_imports([str(name) for name in message["modules"]])
        elif kind == "call" and self._counts:
            await self._call(str(message["tool"]), await self._payload(), left(message), sink)
        elif kind == "usage" and self._counts:
            self.usage = counted(self.usage, message)
        elif kind == "tool_call" and self._counts:
            self._note(calls.read(message, await self._payload()), sink)
        elif kind == "at":
            self.place = str(message["place"])[:200]
        elif kind == "artifact":
            await self._store(message, sink)
        elif kind == "secret":
            await self._tell(message, sink)
        elif kind == "query":
            await self._query(message, sink)
        elif kind == "write":
            await self._write(message, sink)
        elif kind == "read":
            await self._read(str(message["artifact_id"]), sink)
        else:
            raise ProtocolError("an unknown message")

    def _note(self, call: calls.ToolCall, sink: Sink) -> None:
        """Passes a call of a tool on. It counts as output; beyond the limit of that it goes without arguments."""
        self._calls += 1
        if self._calls > calls.MOST:
            raise ProtocolError("more calls of tools than there can be")
        fits = self._kept.take(call.size) == call.size
        sink.tool_call(call if fits else call.without_arguments())

    async def _store(self, message: dict[str, Any], sink: Sink) -> None:
        upload = Upload(self._pipe, self._limits.artifact)
        try:
            reply = await sink.artifact(str(message["name"]), str(message["media_type"]), upload.chunks())
        except RequestError as error:
            reply = {"error": str(error)}
        await upload.skip_rest()
        await self._pipe.send(frames.pack_json(reply))

    async def _store_output(self, message: dict[str, Any], sink: Sink) -> None:
        """Stores a large output. What is in it is not looked at: whoever is given it reads it in a cell."""
        upload = Upload(self._pipe, self._max_output)
        items = {str(key)[:_LONGEST_KEY]: int(count) for key, count in message["items"].items()}
        kinds = {str(key)[:_LONGEST_KEY]: str(kind) for key, kind in message["kinds"].items()}
        if len(items) > _MOST_COUNTED or any(
            "\0" in key or not 0 <= count < _MOST_ITEMS for key, count in items.items()
        ):
            raise ProtocolError("lists that there cannot be")
        if len(kinds) > _MOST_COUNTED or any(
            "\0" in key or kind not in _PARTS for key, kind in kinds.items()
        ):
            raise ProtocolError("parts that there cannot be")
        try:
            self.output_artifact = await sink.output(Shape(items, kinds), upload.chunks())
        except RequestError as error:
            self.failure = Failure(error.kind, str(error))
        await upload.skip_rest()
        await self._pipe.send(frames.pack_json({}))

    async def _read(self, artifact_id: str, sink: Sink) -> None:
        """Sends a file in parts, an empty one behind them, and then whether that was all of it."""
        answer: dict[str, Any] = {}
        try:
            async for chunk in sink.read_artifact(artifact_id):
                if chunk:
                    await self._pipe.send(frames.pack(frames.BYTES, chunk))
        except RequestError as error:
            answer = {"error": str(error)}
        await self._pipe.send(frames.pack(frames.BYTES, b""), frames.pack_json(answer))

    async def _write(self, message: dict[str, Any], sink: Sink) -> None:
        upload = Upload(self._pipe, _MOST_WRITTEN, "input of a table")
        source, table = str(message["source"]), str(message["table"])
        try:
            count = await sink.write(source, table, upload.chunks(), replace=bool(message["replace"]))
            reply: dict[str, Any] = {"rows": count}
        except RequestError as error:
            reply = {"error": str(error)}
        await upload.skip_rest()
        await self._pipe.send(frames.pack_json(reply))

    async def _tell(self, message: dict[str, Any], sink: Sink) -> None:
        try:
            reply = {"value": await sink.secret(str(message["name"]))}
        except RequestError as error:
            reply = {"error": str(error)}
        await self._pipe.send(frames.pack_json(reply))

    async def _call(self, tool: str, inputs: bytes, budget: Budget | None, sink: Sink) -> None:
        try:
            called = await sink.call(tool, inputs, budget)
            self.usage = with_called(self.usage, called.usage)
            reply = {"run_id": called.run_id, "truncated": called.truncated, "failure": called.failure}
            if called.usage is not None:
                reply["usage"] = asdict(called.usage)
            await self._pipe.send(frames.pack_json(reply), frames.pack(frames.BYTES, called.output_json))
        except RequestError as error:
            await self._pipe.send(frames.pack_json({"error": str(error)}))

    async def _query(self, message: dict[str, Any], sink: Sink) -> None:
        rows = sink.query(
            str(message["source"]), str(message["sql"]), message["params"], int(message["max_rows"])
        )
        try:
            async for part in rows:
                if isinstance(part, dict):
                    await self._pipe.send(frames.pack_json(part))
                else:
                    data = json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode()
                    await self._pipe.send(frames.pack(frames.BYTES, data))
        except RequestError as error:
            await self._pipe.send(frames.pack_json({"error": str(error)}))

    def _on_line(self, stream: str, level: str, line: str, more: bool) -> None:
        if stream == "stderr" and "JavaScript" in line and "out of memory" in line:
            self.heap_exhausted = True
        if stream == "stderr" and line == "error: Top-level await promise never resolved":
            self.waited_for_nothing = True
        if self._kept.line(line) and self._sink:
            self._sink.log(stream, level, line, more=more)

    def finish(self) -> None:
        """Emits the last lines and says how much was dropped."""
        for output in self._outputs:
            output.close()
        if (said := self._kept.shortfall()) and self._sink:
            self._sink.log("log", "WARNING", said)

    def close(self) -> None:
        """Closes the descriptors."""
        for output in self._outputs:
            output.stop()
        for fd in self._descriptors:
            os.close(fd)
        self._descriptors = []
