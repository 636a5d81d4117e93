"""Contents as files in a folder, named by the SHA-256 of their content."""

import asyncio
import contextlib
import fcntl
import hashlib
import math
import os
import re
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Final

from engine.artifacts.contents import CHUNK, MAX_BYTES, Stored, missing, too_large

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class FileUpload:
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
            raise too_large(self._limit)
        self._digest.update(chunk)
        await asyncio.to_thread(self._file.write, chunk)

    async def finish(self) -> Stored:
        """Makes the file durable under its content's name."""
        stored = Stored(self._digest.hexdigest(), self._size)
        await asyncio.to_thread(self._move, stored.sha256)
        return stored

    def _move(self, sha256: str) -> None:
        self._file.flush()
        os.utime(self._file.fileno())  # its age counts from here, however long the upload took
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


class Folder:
    """Files under one folder, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"

    @asynccontextmanager
    async def upload(self, limit: int = MAX_BYTES) -> AsyncIterator[FileUpload]:
        """A new file; gone at the end of the block unless it was finished."""
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o750)
        file = tempfile.NamedTemporaryFile(dir=self._incoming, delete=False)  # noqa: SIM115  # closed below
        try:
            with contextlib.suppress(OSError):  # where files cannot be locked, none is swept
                fcntl.flock(file, fcntl.LOCK_EX)
            yield FileUpload(self._root, file, limit)
        finally:
            file.close()
            await asyncio.to_thread(Path(file.name).unlink, missing_ok=True)

    async def read(
        self, sha256: str, offset: int = 0, length: int | None = None, size: int = CHUNK
    ) -> AsyncIterator[bytes]:
        """`length` bytes of a content from `offset` on, `size` at a time. Raises DataLoss when it is not there."""
        try:
            file = await asyncio.to_thread(_path(self._root, sha256).open, "rb")
        except FileNotFoundError:
            raise missing() from None
        try:
            # Beyond some offset a file system refuses to look; beyond the end there is nothing to see.
            file.seek(min(offset, os.fstat(file.fileno()).st_size))
            left = math.inf if length is None else length
            while left and (chunk := await asyncio.to_thread(file.read, int(min(size, left)))):
                left -= len(chunk)
                yield chunk
        finally:
            file.close()

    async def discard_broken_off(self, age: float, most: int) -> int:
        """Removes at most `most` files of uploads that broke off more than `age` seconds ago, and counts them.

        A running upload holds a lock on its file, in whichever process it runs.
        """
        return await asyncio.to_thread(self._discard_broken_off, age, most)

    def _discard_broken_off(self, age: float, most: int) -> int:
        removed = 0
        for path in islice(self._old_incoming(age), most):
            with contextlib.suppress(OSError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                removed += 1
        return removed

    def _old_incoming(self, age: float) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError), os.scandir(self._incoming) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if _is_old(entry.stat(), age):
                        yield Path(entry.path)

    async def contents(self, after: str, most: int) -> list[str]:
        """The SHA-256 of at most `most` stored contents, in order, that come after `after`."""
        return await asyncio.to_thread(self._contents, after, most)

    def _contents(self, after: str, most: int) -> list[str]:
        found: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
                if folder.name >= after[:2]:
                    names = (path.name for path in folder.iterdir())
                    found += sorted(name for name in names if name > after and _SHA256.fullmatch(name))
                if len(found) >= most:
                    break
        return found[:most]

    async def discard(self, sha256: str, age: float) -> bool:
        """Removes a content that was stored more than `age` seconds ago; whether it did."""
        return await asyncio.to_thread(self._discard, sha256, age)

    def _discard(self, sha256: str, age: float) -> bool:
        target, aside = _path(self._root, sha256), self._incoming / uuid.uuid4().hex
        try:
            if not _is_old(target.stat(), age):
                return False
            self._incoming.mkdir(exist_ok=True, mode=0o750)
            target.rename(aside)
            if _is_old(aside.stat(), age):
                aside.unlink()
                return True
            aside.replace(target)  # the same content was stored anew just now
        except FileNotFoundError:
            pass  # another replica was first
        return False


def _is_old(found: os.stat_result, age: float) -> bool:
    return time.time() - found.st_mtime > age


def _path(root: Path, sha256: str) -> Path:
    return root / sha256[:2] / sha256
