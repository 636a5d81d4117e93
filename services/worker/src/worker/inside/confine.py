"""Limits a process puts on itself and all its future children: resource limits, Landlock, process flags.

Landlock's three system calls are made here directly: an interpreter that holds user code starts with nothing but
the standard library. Source of the numbers: linux/landlock.h, ABI 7 (kernel 6.15).
"""

import ctypes
import os
import resource
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CREATE_RULESET = 444  # the same on every architecture
_ADD_RULE = 445
_RESTRICT_SELF = 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_READ = 0b1101  # EXECUTE, READ_FILE, READ_DIR
_FILES_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_DEVICE_WRITE = 0b1110 | 1 << 14 | 1 << 15  # read, write, truncate, ioctl: no new files
_ON_FILES = 0b111 | 1 << 14 | 1 << 15  # execute, write, read, truncate, ioctl
_NET_TCP = 0b11
_NET_CONNECT = 0b10
_NET_PORT = 2
_SCOPES = 0b11  # abstract unix sockets, signals

_LATER = 5  # of 19: a third of the weight of what is in no hurry to give way

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}): {os.strerror(code)}")


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def die_first() -> None:
    """Has the kernel, when the machine's memory runs short, end this process and its children before any other's."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
            file.write("1000")
    except OSError:  # what builds the cell may have mounted it read-only
        return


def adopt_orphans() -> None:
    """Makes this process the parent of every orphan below it, as PID 1 is in a cell."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> None:
    """Whether other processes of the same user may look into this one's memory and environment."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def give_way() -> None:
    """Has this process and its children take the processor after the suite's own, where there is not enough of it."""
    os.nice(_LATER)
    try:  # what Linux goes by where each session is a group of its own
        with open("/proc/self/autogroup", "w") as file:  # noqa: PTH123  # pathlib is a slow import
            file.write(str(_LATER))
    except OSError:
        return


def limit_resources(limits: "Mapping[str, int]") -> None:
    """Sets soft and hard limits, by the names of the `resource` module without their prefix ("NPROC": 64)."""
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (bound, bound))


def open_many() -> None:
    """Has this process open as many files as it was ever allowed to."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def filter_calls(program: bytes) -> None:
    """Has the kernel ask this BPF program about every system call of this process and its future children."""
    steps = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(steps))  # struct sock_fprog
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), header, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({_PR_SET_SECCOMP}): {os.strerror(code)}")


def landlock_version() -> int:
    """The kernel's Landlock ABI, 0 where there is none."""
    return max(
        0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)))
    )


def ruleset(
    *,
    read: "Iterable[str]" = (),
    write: "Iterable[str]" = (),
    devices: "Iterable[str]" = (),
    listens: bool = False,
    port: int = 0,
) -> int:
    """A Landlock ruleset's descriptor, for `enter`; -1 when the kernel has no Landlock.

    It allows only reading below `read`, everything below `write`, and using what exists below `devices`. TCP (unless
    it `listens`; and but for connections to `port`), signals and abstract sockets towards processes outside are refused
    where the kernel can; without any path, only those and tracing are.
    """
    abi = landlock_version()
    rules = [
        *((path, _READ) for path in read),
        *((path, (1 << 16) - 1) for path in write),
        *((path, _DEVICE_WRITE) for path in devices),
    ]
    files = _FILES_BY_ABI[max(known for known in _FILES_BY_ABI if known <= abi)] if rules and abi else 0
    tcp = _NET_TCP if abi >= 4 and not listens else 0
    attributes = struct.pack("QQQ", files, tcp, _SCOPES if abi >= 6 else 0)
    if not any(attributes):
        return -1
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    fd = _call(_CREATE_RULESET, attributes[:size], ctypes.c_size_t(size), ctypes.c_uint32(0))
    for path, access in rules:
        if os.path.exists(path):  # noqa: PTH110
            _allow(fd, path, access & files)
    if tcp and port:
        rule = struct.pack("=QQ", _NET_CONNECT, port)
        _call(_ADD_RULE, ctypes.c_int(fd), ctypes.c_int(_NET_PORT), rule, ctypes.c_uint32(0))
    return fd


def enter(fd: int) -> None:
    """Confines this process and its future children by the ruleset; they can trace and signal only each other."""
    if fd >= 0:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _call(_RESTRICT_SELF, ctypes.c_int(fd), ctypes.c_uint32(0))
        os.close(fd)


def _allow(fd: int, path: str, access: int) -> None:
    if not os.path.isdir(path):  # noqa: PTH112
        access &= _ON_FILES
    beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access, beneath)
        _call(_ADD_RULE, ctypes.c_int(fd), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(beneath)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"system call {number}: {os.strerror(code)}")
    return result
