"""The large inputs of attempts, on this machine's disk: fetched from the engine once, and kept while there is room."""

import asyncio
import hashlib
import mmap
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from chassis import errors
from chassis.jsonschema.aside import Part
from mcpanel.engine.v1 import worker_pb2 as pb
from mcpanel.engine.v1 import worker_pb2_grpc as pb_grpc
from worker import parts
from worker.sink import patiently

_CHUNK: Final = 256 * 1024
_MOST_BYTES: Final = 2 * 1024**3
_MOST: Final = 64


class ValueUnavailableError(Exception):
    """A large input cannot be had; the message says why, and `kind` what kind of failure that is."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Value:
    """A large input, or a part of one. Close it."""

    path: tuple[str, ...]
    _fd: int
    _span: parts.Span

    @property
    def part(self) -> Part:
        """Where it lies."""
        return Part(self.path, self._fd, self._span)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in parts of at most 256 KiB."""
        start, end = self._span
        while start < end:
            chunk = os.pread(self._fd, min(_CHUNK, end - start), start)
            if not chunk:
                return
            start += len(chunk)
            yield chunk

    def close(self) -> None:
        """Lets go of it."""
        os.close(self._fd)


@dataclass(slots=True)
class _Content:
    file: IO[bytes]
    size: int
    known: dict[str, dict[str, parts.Span]] = field(default_factory=dict)
    """Where the members of its lists and objects lie, as far as somebody asked."""


class Values:
    """Contents by their SHA-256, the ones used last. Their files have no names: the end of this process frees them."""

    def __init__(
        self, folder: Path, engine: "pb_grpc.WorkerServiceAsyncStub", most: int = _MOST_BYTES
    ) -> None:
        """`most`: how many bytes are kept, beside what running attempts hold."""
        self._folder = folder
        self._engine = engine
        self._most = most
        self._kept: OrderedDict[str, _Content] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, ref: pb.AttemptRef, wanted: Iterable[pb.EngineMessage.LargeInput]) -> list[Value]:
        """What is missing in the inputs of an attempt. Raises ValueUnavailableError."""
        found: list[Value] = []
        try:
            for one in wanted:
                found.append(await self._one(ref, one))  # noqa: PERF401  # what was opened is closed below
        except BaseException:
            for value in found:
                value.close()
            raise
        return found

    async def _one(self, ref: pb.AttemptRef, one: pb.EngineMessage.LargeInput) -> Value:
        lock = self._locks.setdefault(one.sha256, asyncio.Lock())
        try:
            async with lock:
                content = self._kept.get(one.sha256)
                if content is None:
                    content = await self._fetch(ref, one.sha256)
                    self._keep(one.sha256, content)
                self._kept.move_to_end(one.sha256)
                fd = os.dup(content.file.fileno())
                try:
                    span = await asyncio.to_thread(_find, fd, content, one.pointer)
                except BaseException:
                    os.close(fd)
                    raise
        except parts.NoSuchPartError as error:
            name = ".".join(one.path) or "inputs"
            raise ValueUnavailableError(
                f"the input '{name}' is a part ({one.pointer}) of a value that has none such: {error}",
                "INVALID_INPUT",
            ) from None
        finally:
            if not lock.locked():
                self._locks.pop(one.sha256, None)
        return Value(tuple(one.path), fd, span)

    async def _fetch(self, ref: pb.AttemptRef, sha256: str) -> _Content:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  # kept open
        try:
            size = await patiently(lambda: self._download(ref, sha256, file))
        except errors.ServiceError as error:
            file.close()
            raise ValueUnavailableError(
                f"a large input could not be read: {error.message}", "INTERNAL"
            ) from None
        except BaseException:
            file.close()
            raise
        return _Content(file, size)

    async def _download(self, ref: pb.AttemptRef, sha256: str, file: IO[bytes]) -> int:
        file.seek(0)
        file.truncate()
        digest, ended = hashlib.sha256(), False
        async for message in self._engine.ReadInput(pb.ReadInputRequest(ref=ref, sha256=sha256)):
            digest.update(message.chunk)
            file.write(message.chunk)
            ended = message.HasField("end")
        if not ended or digest.hexdigest() != sha256:
            raise errors.Unavailable(
                "DEPENDENCY_UNAVAILABLE", "the engine sent something else than was asked for"
            )
        file.flush()
        return file.tell()

    def _keep(self, sha256: str, content: _Content) -> None:
        self._kept[sha256] = content
        while len(self._kept) > 1 and (
            len(self._kept) > _MOST or sum(one.size for one in self._kept.values()) > self._most
        ):
            _, oldest = self._kept.popitem(last=False)
            oldest.file.close()


def _find(fd: int, content: _Content, pointer: str) -> parts.Span:
    if not pointer:
        return 0, content.size
    if not content.size:
        raise parts.NoSuchPartError("it is empty")
    with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
        return parts.find(view, pointer, content.known)
