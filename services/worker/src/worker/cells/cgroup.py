"""Memory limits of cells by cgroup v2, where the worker was given a group of its own to divide.

Source: Documentation/admin-guide/cgroup-v2.rst ("Delegation", "No Internal Process Constraint").
"""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from worker.cells.limits import Limits

ROOT: Final = Path("/sys/fs/cgroup")


class Cgroup:
    """A delegated group, or one cell's group in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    @classmethod
    def detect(cls, root: Path = ROOT, process: Path = Path("/proc/self/cgroup")) -> "Cgroup | None":
        """The worker's own group with the memory controller on, None where the machine or its owner offers none."""
        try:
            line = next(text for text in process.read_text().splitlines() if text.startswith("0::"))
            path = root / line.removeprefix("0::").lstrip("/")
            if "memory" not in (path / "cgroup.controllers").read_text().split():
                return None
            if "memory" not in (path / "cgroup.subtree_control").read_text().split():
                own = path / "worker"  # a group that divides its memory may hold no process itself
                own.mkdir(exist_ok=True)
                (own / "cgroup.procs").write_text(str(os.getpid()))
                (path / "cgroup.subtree_control").write_text("+memory")
        except (OSError, StopIteration):
            return None
        return cls(path)

    def enclose(self, pid: int, limits: Limits) -> "Cgroup | None":
        """A new group around the process, or None when the kernel refuses one."""
        self._count += 1
        path = self._path / f"cell-{os.getpid()}-{self._count}"
        try:
            path.mkdir()
            (path / "memory.max").write_text(str(limits.memory))
            (path / "memory.oom.group").write_text("1")
            with contextlib.suppress(OSError):
                (path / "memory.swap.max").write_text("0")
            (path / "cgroup.procs").write_text(str(pid))
        except OSError:
            return None
        return Cgroup(path)

    def remove(self) -> bool:
        """Removes a cell's group once its processes are gone; whether the kernel had killed it for its memory."""
        killed = False
        with contextlib.suppress(OSError):
            events = dict(line.split() for line in (self._path / "memory.events").read_text().splitlines())
            killed = events.get("oom_kill", "0") != "0"
        for _ in range(3):
            try:
                self._path.rmdir()
            except OSError:
                time.sleep(0.001)
            else:
                break
        return killed
