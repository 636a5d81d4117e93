"""Becomes another program that dies with its parent: `python -I -S launch.py PARENT SIGNAL ROOT PROGRAM …`.

Run as a file between a parent and the program it wants, because none of this can be said to `exec` and all of
it is unsafe in a fork of a process with threads. With ROOT `plain` it enters a user namespace that maps root to
nobody, for programs that refuse to run as root.
"""

import ctypes
import os
import signal
import sys

NOBODY = 65534
FAILED = 125  # the exit code when the program could not be become
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def main(parent: str, death: str, root: str, *program: str) -> None:
    """Never returns but by an error."""
    libc = ctypes.CDLL(None, use_errno=True)
    if root == "plain" and os.geteuid() == 0:
        gid = os.getegid()
        if libc.unshare(_CLONE_NEWUSER) != 0:
            raise SystemExit(
                f"{os.path.basename(program[0])} does not run as root, and this machine allows no user "  # noqa: PTH119
                "namespaces: run make as a plain user"
            )
        write("/proc/self/uid_map", f"{NOBODY} 0 1")
        write("/proc/self/setgroups", "deny")
        write("/proc/self/gid_map", f"{NOBODY} {gid} 1")
    # After the namespace, because a change of credentials clears it.
    libc.prctl(_PR_SET_PDEATHSIG, int(death), 0, 0, 0)
    if os.getppid() != int(parent):
        raise SystemExit(FAILED)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and exec would pass that on
        signal.signal(ignored, signal.SIG_DFL)
    os.execve(program[0], program, os.environ)  # noqa: S606


def write(path: str, text: str) -> None:
    """One write, as the kernel wants it for these files."""
    descriptor = os.open(path, os.O_WRONLY)
    os.write(descriptor, text.encode())
    os.close(descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
