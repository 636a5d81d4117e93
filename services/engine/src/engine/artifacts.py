"""The artifact store: a folder of files named by the SHA-256 of their content."""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from chassis.errors import DataLoss, TooLarge

MAX_BYTES: Final = 100 * 1024 * 1024
"""The largest artifact."""
CHUNK: Final = 64 * 1024
"""How much is read at a time."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored."""

    sha256: str
    size_bytes: int


class Upload:
    """A file that is being written. Becomes visible with `finish`, whole or not at all."""

    def __init__(self, root: Path, file: IO[bytes], limit: int) -> None:
        self._root = root
        self._file = file
        self._limit = limit
        self._digest = hashlib.sha256()
        self._size = 0

    async def write(self, chunk: bytes) -> None:
        """Adds bytes. Raises TooLarge ARTIFACT_INVALID."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLarge(
                "ARTIFACT_INVALID",
                f"an artifact holds at most {self._limit} bytes",
                metadata={"limit_bytes": str(self._limit)},
            )
        self._digest.update(chunk)
        await asyncio.to_thread(self._file.write, chunk)

    async def finish(self) -> Stored:
        """Makes the file durable under its content's name."""
        stored = Stored(self._digest.hexdigest(), self._size)
        await asyncio.to_thread(self._move, stored.sha256)
        return stored

    def _move(self, sha256: str) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        target = _path(self._root, sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(self._file.name).chmod(0o440)
        Path(self._file.name).replace(target)
        for folder in (target.parent, self._root):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


class ArtifactStore:
    """Files under one folder, which is made when it is first needed."""

    def __init__(self, root: Path, limit: int = MAX_BYTES) -> None:
        self._root = root
        self._limit = limit

    @contextmanager
    def upload(self) -> Iterator[Upload]:
        """A new file; gone at the end of the block unless it was finished."""
        folder = self._root / "incoming"
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        file = tempfile.NamedTemporaryFile(dir=folder, delete=False)  # noqa: SIM115  # closed below
        try:
            yield Upload(self._root, file, self._limit)
        finally:
            file.close()
            Path(file.name).unlink(missing_ok=True)

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        """The content in chunks. Raises DataLoss when the file is not there."""
        try:
            file = await asyncio.to_thread(_path(self._root, sha256).open, "rb")
        except FileNotFoundError:
            raise DataLoss("UNEXPECTED", "the artifact's content is missing from the store") from None
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
        finally:
            file.close()


def _path(root: Path, sha256: str) -> Path:
    return root / sha256[:2] / sha256
