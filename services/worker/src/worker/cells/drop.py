"""Becomes an unprivileged user, then the program: how a worker that runs as root starts a cell.

Without it the cell's processes would be the machine's root to the kernel, which no process limit applies to. What the
cell needs may lie where that user cannot go (an interpreter below /root), so it is first bound into a mount namespace
of the cell's own, at STAGE/0, STAGE/1 …

It is on the way of every cell that starts, so it imports as little as it can.

Usage: drop.py <uid> <number of paths> <paths …> <program> <arguments …>
"""

import ctypes
import os
import sys

STAGE = "/tmp"  # noqa: S108  # exists everywhere; covered by a fresh file system that only the cell sees
_CLONE_NEWNS = 0x00020000
_MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18


def main() -> None:
    """Never returns."""
    uid, count, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    paths, command = words[:count], words[count:]
    _stage(paths)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execve(command[0], command, dict(os.environ))  # noqa: S606


def _stage(paths: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        _fail("a mount namespace")
    _mount(libc, None, "/", None, _MS_REC | _MS_PRIVATE)
    opened = [os.open(path, os.O_PATH) for path in paths]  # in the new namespace, before STAGE is covered
    _mount(libc, "tmpfs", STAGE, "tmpfs", 0)
    os.chmod(STAGE, 0o755)  # noqa: PTH101, S103
    for index, fd in enumerate(opened):
        target = f"{STAGE}/{index}"
        if os.path.isdir(f"/proc/self/fd/{fd}"):  # noqa: PTH112
            os.mkdir(target)  # noqa: PTH102
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
        _mount(libc, f"/proc/self/fd/{fd}", target, None, _MS_BIND | _MS_REC)
        os.close(fd)


def _mount(libc: ctypes.CDLL, source: str | None, target: str, kind: str | None, flags: int) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    if libc.mount(*words, ctypes.c_ulong(flags), None) != 0:
        _fail(f"mounting {target}")


def _fail(what: str) -> None:
    sys.exit(f"{what} was refused: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
