"""A step's pipes as the worker reads them: frames, files and lines, none of them to be trusted."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from worker.inside import frames

_READ: Final = 256 * 1024
_READ_OUTPUT: Final = 16 * 1024
"""Bytes of output that are made lines of at once: thousands of lines, when they are short."""
_MARK: Final = "\0J"
"""What the step library begins its lines with, on standard output."""


class RequestError(Exception):
    """A request of a step was refused; the message is shown to its author.

    `kind` is the kind of failure that it is where the step cannot go on without.
    """

    def __init__(self, message: str, kind: str = "INVALID_OUTPUT") -> None:
        super().__init__(message)
        self.kind = kind


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
    """A file, or whatever `what` names, on its way from a step: chunks up to an empty one."""

    def __init__(self, pipe: Pipe, limit: int, what: str = "artifact") -> None:
        self._pipe = pipe
        self._limit = limit
        self._what = what
        self._ended = False

    async def _next(self) -> bytes:
        frame = await self._pipe.receive()
        if frame is None:
            self._ended = True
            raise ProtocolError(f"an {self._what} without its end")
        kind, payload = frame
        self._ended = kind == frames.JSON or not payload
        if kind == frames.JSON:
            raise RequestError(f"the step gave up on the {self._what}")
        return payload

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content. Raises RequestError when it is too large or the step gives up."""
        total = 0
        while payload := await self._next():
            total += len(payload)
            if total > self._limit:
                raise RequestError(f"the {self._what} is over the limit of {self._limit:,} bytes")
            yield payload

    async def skip_rest(self) -> None:
        """Reads to the end what a refusal left unread."""
        while not self._ended:
            with contextlib.suppress(RequestError):
                await self._next()


class Lines:
    """One of a step's output streams, cut into lines. Keeps no more than one line.

    `emit` takes stream, level, text and whether the line goes on, as one does that is too long; `take` says how many of
    so many bytes may be kept, and `drop` is told how many lines end in those that may not. A line of the step library
    comes in between, marked, with a level of its own.
    """

    def __init__(
        self,
        fd: int,
        stream: str,
        level: str,
        *,
        limit: int,
        emit: Callable[[str, str, str, bool], None],
        take: Callable[[int], int],
        drop: Callable[[int], None],
    ) -> None:
        self._fd = fd
        self._stream = stream
        self._level = level
        self._limit = limit
        self._emit = emit
        self._take = take
        self._drop = drop
        self._line = bytearray()
        self._goes_on = False
        self._is_cut_off = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._on_readable)
        self._open = True

    def _on_readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._read_once()

    def _read_once(self) -> bool:
        data = os.read(self._fd, _READ_OUTPUT)
        if not data:
            self.stop()
            return False
        kept = self._take(len(data))
        if kept < len(data):
            self._is_cut_off = True
            self._drop(data.count(b"\n", kept))
            data = data[:kept]
        self._line += data
        if b"\n" in data or len(self._line) > self._limit:
            *lines, rest = self._line.split(b"\n")
            for line in lines:
                self._cut(bytes(line))
            self._line = bytearray(rest)
            if len(self._line) > self._limit:
                self._cut(bytes(self._line), goes_on=True)
                self._line.clear()
        return True

    def _cut(self, line: bytes, *, goes_on: bool = False) -> None:
        for start in range(0, len(line) or 1, self._limit):
            self._goes_on = goes_on or start + self._limit < len(line)
            text = line[start : start + self._limit].decode("utf-8", "replace").rstrip("\r")
            printed, mark, marked = text.partition(_MARK)
            if printed or not mark:
                printed = printed.replace("\0", "\ufffd")
                self._emit(self._stream, self._level, printed, self._goes_on and not mark)
            if mark:
                self._emit_marked(marked)

    def _emit_marked(self, text: str) -> None:
        try:
            found = json.loads(text)
            level, message = str(found["level"]), str(found["message"])
        except (ValueError, TypeError, KeyError, RecursionError):
            level, message = "", text
        known = level in ("DEBUG", "INFO", "WARNING", "ERROR")
        self._emit("log", level if known else self._level, message.replace("\0", "\ufffd"), False)

    def drain(self) -> None:
        """Reads what has been written up to now."""
        with contextlib.suppress(BlockingIOError):
            while self._open and self._read_once():
                pass

    def close(self) -> None:
        """Emits the unfinished last line, and stops reading."""
        self.drain()
        if self._line or (self._goes_on and not self._is_cut_off):
            self._cut(bytes(self._line), goes_on=self._is_cut_off)
            self._line.clear()
        self.stop()

    def stop(self) -> None:
        """Stops reading."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._fd)


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
