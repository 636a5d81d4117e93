"""The folder that holds a stack's state (`MCPANEL_HOME`), the checks before a start, and its lock."""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from stack.errors import InUseError, StackError

DEFAULT = ".mcpanel"
LONGEST = 200  # characters; PostgreSQL, sandboxes and sockets inside add their own
_MIN_FREE_MB = "MCPANEL_MIN_FREE_MB"


class Home:
    """`keys/` (0600 files), `logs/`, `run/` (lock and state), and a folder for each component's data."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The home `MCPANEL_HOME` names; `.mcpanel` in the working directory without it."""
        return cls(Path(environ.get("MCPANEL_HOME") or DEFAULT))

    @property
    def keys(self) -> Path:
        """The folder of generated keys and passwords."""
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        """The folder with one log a process."""
        return self.path / "logs"

    @property
    def state(self) -> Path:
        """The file that says what runs, written at every change."""
        return self.path / "run" / "state.json"

    def prepare(self, environ: Mapping[str, str]) -> None:
        """Create the folders. Raises StackError when the path is too long, not writable, or its disk full."""
        if len(str(self.path)) > LONGEST:
            raise StackError(
                f"the path {self.path} is too long ({len(str(self.path))} characters; at most {LONGEST}): "
                "choose a shorter one with MCPANEL_HOME=…"
            )
        try:
            for folder in (self.path, self.keys, self.logs, self.state.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.path / "run" / f".probe.{os.getpid()}"
            probe.write_bytes(b"\0" * 4096)
            probe.unlink()
        except OSError as error:
            raise explain(error, self.path) from error
        least = environ.get(_MIN_FREE_MB, "256")
        if not least.isdigit():
            raise StackError(f"{_MIN_FREE_MB}={least!r} is not a number of megabytes")
        free = shutil.disk_usage(self.path).free >> 20
        if free < int(least):
            raise StackError(
                f"the disk that holds {self.path} is full: {free} MB are free and {least} MB are needed "
                "to start: free some space, or choose another disk with MCPANEL_HOME=…"
            )


class Lock:
    """An advisory lock on a home; the kernel frees it when its holder ends, however that happens."""

    def __init__(self, home: Home) -> None:
        self._path = home.path / "run" / "lock"
        self._home = home
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and record our pid. Raises InUseError naming the holder."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        for attempt in range(5):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if attempt < 4:  # `holder` takes the lock for an instant
                    time.sleep(0.02)
                    continue
                pid = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
                os.close(descriptor)
                raise InUseError(
                    f"MCPanel is already running in {self._home.path} (pid {pid}): make down stops it"
                ) from error
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def holder(self) -> int | None:
        """The pid of the process that holds the lock now; None when nobody does."""
        try:
            descriptor = os.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, 32, 0).decode().strip()
            return int(text) if text.isdigit() else None
        finally:
            os.close(descriptor)
        return None


def explain(error: OSError, path: Path) -> StackError:
    """The sentence for an error of the file system at `path`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return StackError(
                f"the disk that holds {path} is full: free some space, or choose another with MCPANEL_HOME=…"
            )
        case errno.EACCES | errno.EPERM | errno.EROFS | errno.ENOENT:
            return StackError(
                f"{error.filename or path} cannot be written: change its permissions, "
                "or choose another folder with MCPANEL_HOME=…"
            )
        case errno.ENOTDIR | errno.EEXIST:
            return StackError(f"{path} is not a folder: choose another with MCPANEL_HOME=…")
        case errno.ENAMETOOLONG:
            return StackError(f"the path {path} is too long: choose a shorter one with MCPANEL_HOME=…")
        case _:
            return StackError(f"{error.strerror or error} ({error.filename or path})")
