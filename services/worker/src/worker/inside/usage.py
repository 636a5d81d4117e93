"""What the processes of a cell hold, as its first process sees it: memory, and what is the kernel's memory.

The kernel keeps buffers for sockets and pipes, and tables for mappings, beside what it counts as a process's size. The
cell's filter keeps each of them small (`cells/seccomp.py`); here they are counted.
"""

import os

from . import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:  # what the first process imports, every fork pays for
    from collections.abc import Iterator
    from socket import socket
    from typing import Any

_INODE = 1536  # bytes, with a long name
_MUCH_SHARED = 32 * 1024 * 1024  # bytes; libraries are below
_RARELY = 10  # looks
_MOST_MAPPINGS = 65530  # of a process, as `vm.max_map_count` is everywhere
_MOST_FILES = 1024  # of a process
_ENDED = "ZX"


class Watch:
    """Compares what a step's processes hold with the limits of `config`, look by look.

    In a cell all that is in its namespaces is the step's; elsewhere (`is_cell` false) only processes are. `asked`
    answers for the cell's connections, where the kernel can.
    """

    def __init__(self, config: "dict[str, Any]", asked: "socket | None", *, is_cell: bool) -> None:
        self._limits: dict[str, int] = config["most"]
        self._scratch: list[str] = config["scratch"] if is_cell else []
        self._asked = asked
        self._is_cell = is_cell
        self._looks = 0

    def exceeded(self) -> str:
        """The name of the limit that is exceeded, empty while none is."""
        self._looks += 1
        pids = [alive for pid, _, state in processes() if (alive := _alive(pid, state))]
        connections = sockets.held(self._asked) if self._asked else 0
        if _memory(pids, self._scratch) + connections > self._limits["memory"]:
            return "memory"
        if not self._is_cell:
            return ""
        if sockets.count() > self._limits["sockets"]:
            return "sockets"
        if _files(pids) > self._limits["files"]:
            return "files"
        # Long lists; and that of locks stops whoever sets one, anywhere on the machine, for a moment.
        if self._looks % _RARELY == 1:
            if _mappings(pids) > self._limits["mappings"]:
                return "mappings"
            if _locks(self._limits["locks"]) > self._limits["locks"]:
                return "locks"
            if _watched(pids, self._limits["watched"]) > self._limits["watched"]:
                return "watched"
        return ""


def processes() -> "Iterator[tuple[int, str, str]]":
    """Pid, name and state (a letter) of every process below this one, its own left out."""
    found: dict[int, tuple[int, str, str]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208  # pathlib costs this process memory and time
        if not entry.isdecimal():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:  # noqa: PTH123
                text = file.read()
        except OSError:  # it has ended
            continue
        found[int(entry)] = _parsed(text)
    me = os.getpid()
    for pid, (parent, name, state) in found.items():
        above = parent
        while above not in (0, me) and above in found:
            above = found[above][0]
        if above == me:
            yield pid, name, state


def _parsed(text: str) -> tuple[int, str, str]:
    """Parent's pid, name and state in what a `stat` of `/proc` says."""
    name, rest = text.split("(", 1)[1].rsplit(")", 1)
    state, parent = rest.split(None, 2)[:2]
    return int(parent), name, state


def _alive(pid: int, state: str) -> str:
    """Where `/proc` shows what the process holds, empty where it has ended.

    Of one whose first thread has ended while others go on, only theirs show anything.
    """
    if state not in _ENDED:
        return str(pid)
    for thread in _other_threads(pid):
        try:
            with open(f"/proc/{thread}/stat") as file:  # noqa: PTH123
                if _parsed(file.read())[2] not in _ENDED:
                    return thread
        except OSError:  # it has ended
            continue
    return ""


def _other_threads(pid: int) -> "Iterator[str]":
    """The process's threads but the first, below `/proc`."""
    return (f"{pid}/task/{one}" for one in _names(f"/proc/{pid}/task") if one != str(pid))


def _memory(pids: list[str], scratch: list[str]) -> int:
    """Bytes held by the processes, without what they share with files, and by the scratch folders.

    Of a process: what it alone has, what of that is swapped out, and the tables of its mappings, which also those to
    nothing take.
    """
    total = together = folders = 0
    for pid in pids:
        found = dict.fromkeys(("RssAnon", "VmSwap", "VmPTE", "RssShmem"), 0)
        try:
            with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
                for line in file:
                    name, _, rest = line.partition(":")
                    if name in found:
                        found[name] = int(rest.split()[0]) * 1024
        except OSError:  # it has ended
            continue
        total += found["RssAnon"] + found["VmSwap"] + found["VmPTE"]
        if found["RssShmem"] > _MUCH_SHARED:
            together += _shared_memory(pid, found["RssShmem"])
    for folder in scratch:
        space = os.statvfs(folder)
        folders += (space.f_blocks - space.f_bfree) * space.f_frsize
        folders += (space.f_files - space.f_ffree) * _INODE  # empty files are memory of the kernel
    return total + max(together, folders)  # what is mapped of the folders' files is in both


def _shared_memory(pid: str, at_most: int) -> int:
    """The process's part of the memory that processes share without a file; `at_most` bytes where it hides that."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:  # noqa: PTH123
            for line in file:
                if line.startswith("Pss_Shmem:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return at_most


def _files(pids: list[str]) -> int:
    """How many files the processes have open, each in every one that has it."""
    total = 0
    for pid in pids:
        try:
            folder = f"/proc/{pid}/fd"
            # Kernels before 6.2 do not say it so.
            total += os.stat(folder).st_size or len(os.listdir(folder))  # noqa: PTH116, PTH208
        except PermissionError:
            total += _MOST_FILES
        except OSError:  # it has ended
            continue
    return total


def _mappings(pids: list[str]) -> int:
    """How many parts the address spaces of the processes have; of one that hides them, as many as there can be."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/maps", "rb") as file:  # noqa: PTH123
                while part := file.read(65536):
                    total += part.count(b"\n")
        except PermissionError:
            total += _MOST_MAPPINGS
        except OSError:  # it has ended
            continue
    return total


def _watched(pids: list[str], most: int) -> int:
    """How many files the processes' epoll instances watch, each in every one that has it; counts to one over `most`."""
    found = 0
    for fd in (f"/proc/{pid}/fd/{name}" for pid in pids for name in _names(f"/proc/{pid}/fd")):
        try:
            if os.readlink(fd) != "anon_inode:[eventpoll]":  # noqa: PTH115
                continue
            with open(fd.replace("/fd/", "/fdinfo/")) as file:  # noqa: PTH123
                for line in file:
                    found += line.startswith("tfd:")
                    if found > most:
                        return found
        except OSError:  # it was closed
            continue
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:  # the process has ended, or hides them
        return []


def _locks(most: int) -> int:
    """How many locks of files are held or waited for in the cell; counts to one over `most`."""
    found = 0
    with open("/proc/locks") as file:  # noqa: PTH123
        for line in file:
            found += "OFDLCK" not in line  # everybody is shown those; steps cannot have any
            if found > most:
                break
    return found
