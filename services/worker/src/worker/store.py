"""Folders made once for what is in them, by their digests: shared by the workers of a machine, the least used go first.

A worker holds a shared lock on a folder as long as anything of it may use it; only a folder nobody holds is removed.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_LOCK: Final = ".lock"
_SIZE: Final = ".size"
_FORGOTTEN: Final = 86_400.0
"""After so many seconds a draft is one whose worker was killed."""


def _nothing() -> Collection[str]:
    return ()


class DependencyError(Exception):
    """The packages cannot be had; the message is the installer's own, to the component's author."""


class Store:
    """The folders below one folder."""

    def __init__(
        self, folder: Path, *, limit: int | None = None, in_use: Callable[[], Collection[str]] = _nothing
    ) -> None:
        """`limit` is how many bytes are kept, None for any number; `in_use` names folders that may not go now."""
        self.folder = folder
        self._limit = limit
        self._in_use = in_use
        self._used: Counter[str] = Counter()
        self._held: dict[str, int] = {}
        self._making: dict[str, asyncio.Task[None]] = {}

    @contextlib.asynccontextmanager
    async def made(
        self, digest: str, make: Callable[[Path], Awaitable[None]], log: Callable[[str], None]
    ) -> AsyncIterator[Path]:
        """The folder, which stays until the end; if there is none yet, what `make` puts into a draft.

        Callers with the same digest share one making. Raises DependencyError, and what `make` raises.
        """
        with self.using(digest):
            folder = self.find(digest)
            if folder is None:
                task = self._making.get(digest)
                if task is None:
                    task = self._making[digest] = asyncio.create_task(self._make(digest, make))
                    task.add_done_callback(lambda _: self._making.pop(digest, None))
                else:
                    log("waiting for the same packages, which are being installed already")
                await asyncio.shield(task)
                folder = self.find(digest)
            if folder is None:
                raise DependencyError(f"the packages could not be kept in {self.folder}")
            yield folder

    async def _make(self, digest: str, make: Callable[[Path], Awaitable[None]]) -> None:
        draft = self.draft()
        try:
            await make(draft)
            await asyncio.to_thread(self.publish, draft, digest)
        finally:
            await asyncio.to_thread(remove, [draft, *self.evict()])

    @contextlib.contextmanager
    def using(self, digest: str) -> Iterator[None]:
        """Keeps this folder, or the one that is to be made, until the end."""
        self._used[digest] += 1
        try:
            yield
        finally:
            self._used[digest] -= 1
            if not self._used[digest]:
                del self._used[digest]

    def find(self, digest: str) -> Path | None:
        """The folder, if it is there; it counts as used now."""
        path = self.folder / digest
        if not path.is_dir():
            return None
        if digest not in self._held or not _is(self._held[digest], path / _LOCK):
            self._let_go(digest)
            fd = _open(path / _LOCK)
            if fd is None or not _lock(fd, fcntl.LOCK_SH) or not _is(fd, path / _LOCK):
                if fd is not None:
                    os.close(fd)
                return None  # it is being removed
            self._held[digest] = fd
        with contextlib.suppress(OSError):
            os.utime(self._held[digest])
        return path

    def draft(self) -> Path:
        """A new folder to put things into. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".draft-", dir=self.folder))

    def publish(self, draft: Path, digest: str) -> bool:
        """Makes a draft the folder of its digest, unless another worker was faster; whether there is one. Blocks."""
        _make_readable(draft)
        (draft / _SIZE).write_text(str(_bytes_in(draft)))
        (draft / _LOCK).touch(mode=0o644)
        with contextlib.suppress(OSError):
            draft.rename(self.folder / digest)
        return (self.folder / digest).is_dir()

    def evict(self) -> list[Path]:
        """Takes the folders used least recently out of the store until the rest keeps to the limit.

        Returns them under other names, for `remove`, and what killed workers left; what is in use stays, whatever its
        size.
        """
        if self._limit is None or not self.folder.is_dir():
            return []
        forgotten = time.time() - _FORGOTTEN
        gone = [path for path in self.folder.glob(".*-*") if _last_used(path) < forgotten]
        found = [
            (_last_used(path), path)
            for path in self.folder.iterdir()
            if path.is_dir() and path.name[0] != "."
        ]
        sizes = {path: _size(path) for _, path in found}
        total = sum(sizes.values())
        kept = {*self._used, *self._in_use()}
        for _, path in sorted(found):
            if total <= self._limit:
                break
            if path.name not in kept and (moved := self._take_out(path)):
                gone.append(moved)
                total -= sizes[path]
        return gone

    def _take_out(self, path: Path) -> Path | None:
        self._let_go(path.name)
        fd = _open(path / _LOCK)
        if fd is None:
            return None
        try:
            if not _lock(fd, fcntl.LOCK_EX):
                return None
            moved = Path(tempfile.mkdtemp(prefix=".gone-", dir=self.folder)) / path.name
            path.rename(moved)
        except OSError:
            return None
        else:
            log.info("packages that were not used for long were removed", extra={"digest": path.name})
            return moved.parent
        finally:
            os.close(fd)

    def _let_go(self, digest: str) -> None:
        fd = self._held.pop(digest, None)
        if fd is not None:
            os.close(fd)


def remove(folders: Collection[Path]) -> None:
    """Removes what `evict` took out. Blocks."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return None


def _lock(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except OSError:
        return False


def _last_used(path: Path) -> float:
    for one in (path / _LOCK, path):
        with contextlib.suppress(OSError):
            return one.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    try:
        return int((path / _SIZE).read_text())
    except (OSError, ValueError):
        return _bytes_in(path)


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_blocks * 512
    return total


def _make_readable(folder: Path) -> None:
    """Lets the cells' user read everything, whatever this process's umask is."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
