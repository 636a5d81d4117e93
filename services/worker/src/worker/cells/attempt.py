"""One attempt as the worker sees it: its pipes, what it says on them, and what became of it."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from worker.cells.limits import Limits
from worker.inside import frames

_READ: Final = 256 * 1024
_KINDS: Final = frozenset({"USER_ERROR", "CANCELLED", "OUT_OF_MEMORY", "INVALID_OUTPUT", "BAD_INPUT"})


@dataclass(frozen=True, slots=True)
class Job:
    """What an attempt runs."""

    component: str
    code: str
    inputs_json: bytes
    timeout: float
    """Seconds it may run."""
    context: dict[str, Any] = field(default_factory=dict)


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


class Sink(Protocol):
    """Where an attempt's words go, and who answers its requests."""

    def log(self, stream: str, level: str, message: str) -> None:
        """Takes one line."""

    def progress(self, fraction: float, message: str) -> None:
        """Takes how far the step is."""

    def preview(self, value_json: bytes) -> None:
        """Takes an intermediate value."""

    async def artifact(self, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Stores a file; its record. Raises RequestError with a sentence for the step's author."""

    def query(
        self, source: str, sql: str, params: Any, max_rows: int
    ) -> AsyncIterator[dict[str, Any] | list[Any]]:
        """Runs a query: first `{"columns": […]}`, then lists of rows, last `{"end": true, "truncated": …}`.

        Raises RequestError with a sentence for the step's author.
        """


class RequestError(Exception):
    """A request of a step was refused; the message is shown to its author."""


class ProtocolError(Exception):
    """A step wrote something else than frames on its pipe."""


async def _ready(fd: int, *, write: bool = False) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    (loop.add_writer if write else loop.add_reader)(fd, wake)
    try:
        await future
    finally:
        (loop.remove_writer if write else loop.remove_reader)(fd)


class Pipe:
    """The frames of a step: read from one descriptor, written to another. Reads no more than is asked for."""

    def __init__(self, to_step: int, from_step: int) -> None:
        self._to_step = to_step
        self._from_step = from_step
        self._buffer = bytearray()

    async def send(self, *parts: bytes) -> None:
        """Writes the frames. Raises BrokenPipeError when the step is gone."""
        view = memoryview(b"".join(parts))
        while view:
            try:
                view = view[os.write(self._to_step, view) :]
            except BlockingIOError:
                await _ready(self._to_step, write=True)

    async def receive(self) -> tuple[int, bytes] | None:
        """The next frame, None at the end. Raises ProtocolError."""
        while True:
            if len(self._buffer) >= frames.HEAD.size:
                length, kind = frames.HEAD.unpack_from(self._buffer)
                if length > frames.LIMIT or kind not in (frames.JSON, frames.BYTES):
                    raise ProtocolError(
                        "the step wrote something else than the step library does on its pipe"
                    )
                end = frames.HEAD.size + length
                if len(self._buffer) >= end:
                    payload = bytes(self._buffer[frames.HEAD.size : end])
                    del self._buffer[:end]
                    return kind, payload
            try:
                data = os.read(self._from_step, _READ)
            except BlockingIOError:
                await _ready(self._from_step)
                continue
            if not data:
                if self._buffer:
                    raise ProtocolError("the step closed its pipe in the middle of a message")
                return None
            self._buffer += data


class Upload:
    """A file on its way from a step: chunks up to an empty one."""

    def __init__(self, pipe: Pipe, limit: int) -> None:
        self._pipe = pipe
        self._limit = limit
        self._ended = False

    async def _next(self) -> bytes:
        frame = await self._pipe.receive()
        if frame is None:
            self._ended = True
            raise ProtocolError("an artifact without its end")
        kind, payload = frame
        self._ended = kind == frames.JSON or not payload
        if kind == frames.JSON:
            raise RequestError("the step gave up on the artifact")
        return payload

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content. Raises RequestError when it is too large or the step gives up."""
        total = 0
        while payload := await self._next():
            total += len(payload)
            if total > self._limit:
                raise RequestError(f"the artifact is over the limit of {self._limit:,} bytes")
            yield payload

    async def skip_rest(self) -> None:
        """Reads to the end what a refusal left unread."""
        while not self._ended:
            with contextlib.suppress(RequestError):
                await self._next()


class Output:
    """One of a step's output streams, cut into lines. Keeps no more than one line."""

    def __init__(self, fd: int, emit: Callable[[str], None], take: Callable[[int], int], limit: int) -> None:
        self._fd = fd
        self._emit = emit
        self._take = take
        self._limit = limit
        self._line = bytearray()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._on_readable)
        self._open = True

    def _on_readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._read_once()

    def _read_once(self) -> bool:
        data = os.read(self._fd, _READ)
        if not data:
            self._stop()
            return False
        allowed = self._take(len(data))
        self._line += data[:allowed]
        if b"\n" in data or len(self._line) > self._limit:
            *lines, rest = self._line.split(b"\n")
            for line in lines:
                self._cut(bytes(line))
            self._line = bytearray(rest)
            if len(self._line) > self._limit:
                self._cut(bytes(self._line))
                self._line.clear()
        return True

    def _cut(self, line: bytes) -> None:
        for start in range(0, len(line) or 1, self._limit):
            text = line[start : start + self._limit].decode("utf-8", "replace")
            self._emit(text.rstrip("\r").replace("\0", "\ufffd"))

    def drain(self) -> None:
        """Reads what has been written up to now."""
        with contextlib.suppress(BlockingIOError):
            while self._open and self._read_once():
                pass

    def close(self) -> None:
        """Emits the unfinished last line, and stops reading."""
        self.drain()
        if self._line:
            self._cut(bytes(self._line))
            self._line.clear()
        self._stop()

    def _stop(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)


class Attempt:
    """The attempt that waits in a cell, then runs there. Owns its four descriptors."""

    def __init__(
        self, descriptors: list[int], limits: Limits, on_imports: Callable[[list[str]], None]
    ) -> None:
        self._descriptors = descriptors
        self._on_imports = on_imports
        for fd in descriptors:
            os.set_blocking(fd, False)
        to_step, from_step, self._stdout, self._stderr = descriptors
        self._pipe = Pipe(to_step, from_step)
        self._limits = limits
        self._outputs: list[Output] = []
        self._log_bytes = 0
        self._dropped = 0
        self._sink: Sink | None = None
        self.output_json: bytes | None = None
        self.failure: Failure | None = None
        self.last_error_line = ""

    async def converse(self, job: Job, sink: Sink) -> None:
        """Starts the job and serves what it asks until it closes its pipe."""
        self._sink = sink
        self._outputs = [
            Output(self._stdout, self._on_stdout, self._take, self._limits.log_line),
            Output(self._stderr, self._on_stderr, self._take, self._limits.log_line),
        ]
        start = {
            "component": job.component,
            "code": job.code,
            "context": job.context,
            "output_limit": self._limits.output,
            "cpu_seconds": int(job.timeout * (os.cpu_count() or 1)) + 10,
        }
        try:
            await self._pipe.send(frames.pack_json(start), frames.pack(frames.BYTES, job.inputs_json))
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
        if kind == "log":
            self._structured(str(message["level"]), str(message["message"]))
        elif kind == "progress":
            sink.progress(min(1.0, max(0.0, float(message["fraction"]))), str(message["message"])[:1000])
        elif kind == "preview":
            payload = await self._payload()
            sink.preview(canonical(payload, 64 * 1024))
        elif kind == "result":
            payload = await self._payload()
            self.output_json = canonical(payload, self._limits.output)
        elif kind == "failure":
            word = str(message["kind"])
            if word not in _KINDS:
                raise ProtocolError("an unknown kind of failure")
            self.failure = Failure(
                word, str(message["message"])[:4000], str(message.get("traceback", ""))[:65536]
            )
        elif kind == "imports":
            self._on_imports([str(name) for name in message["modules"]])
        elif kind == "artifact":
            await self._store(message, sink)
        elif kind == "query":
            await self._query(message, sink)
        else:
            raise ProtocolError("an unknown message")

    async def _store(self, message: dict[str, Any], sink: Sink) -> None:
        upload = Upload(self._pipe, self._limits.artifact)
        try:
            reply = await sink.artifact(str(message["name"]), str(message["media_type"]), upload.chunks())
        except RequestError as error:
            reply = {"error": str(error)}
        await upload.skip_rest()
        await self._pipe.send(frames.pack_json(reply))

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

    def _on_stdout(self, line: str) -> None:
        if self._sink:
            self._sink.log("stdout", "INFO", line)

    def _on_stderr(self, line: str) -> None:
        self.last_error_line = line or self.last_error_line
        if self._sink:
            self._sink.log("stderr", "ERROR", line)

    def _structured(self, level: str, message: str) -> None:
        if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise ProtocolError("an unknown level")
        data = message.encode("utf-8", "replace")
        if self._take(len(data)) == len(data) and self._sink:
            self._sink.log("log", level, message[: self._limits.log_line].replace("\0", "\ufffd"))

    def _take(self, size: int) -> int:
        """How many of `size` bytes of logs may still be kept."""
        allowed = max(0, min(size, self._limits.log_bytes - self._log_bytes))
        self._log_bytes += allowed
        self._dropped += size - allowed
        return allowed

    def finish(self) -> None:
        """Emits the last lines and says how much was dropped."""
        for output in self._outputs:
            output.close()
        if self._dropped and self._sink:
            self._sink.log(
                "log",
                "WARNING",
                f"{self._dropped:,} bytes of output were dropped: a step keeps {self._limits.log_bytes:,}",
            )
            self._dropped = 0

    def close(self) -> None:
        """Closes the descriptors."""
        for output in self._outputs:
            output._stop()
        for fd in self._descriptors:
            os.close(fd)
        self._descriptors = []


def canonical(payload: bytes, limit: int) -> bytes:
    """The JSON with sorted keys and no spaces.

    Raises ProtocolError unless it is JSON a store can keep: what comes from a step's process is not to be trusted.
    """
    if len(payload) > limit:
        raise ProtocolError(f"a value of {len(payload)} bytes, over the limit of {limit}")
    try:
        value = json.loads(payload, parse_constant=_refuse)
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        data = text.encode()
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a value that is not JSON: {error}") from None
    if b"\\u0000" in data and _holds_nul(value):
        raise ProtocolError("a value with a NUL character")
    return data


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any("\0" in key or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_holds_nul(item) for item in value)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not JSON")
