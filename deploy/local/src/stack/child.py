"""Starts child processes that cannot outlive us: own process group, a death signal, nothing inherited.

A child dies with the thread that started it (Linux `PR_SET_PDEATHSIG`), so start children from the main
thread. As root, a child may be put into a user namespace that maps it to a plain user id, for programs
that refuse to run as root.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from stack.errors import StackError

NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_LINUX = sys.platform == "linux"
# Loaded before any fork: a child between fork and exec must not import or take the loader's lock.
_libc = ctypes.CDLL(None, use_errno=True) if _LINUX else None


def base_environment() -> dict[str, str]:
    """The few variables every program may know: where programs, temporary files and certificates are."""
    names = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return {name: os.environ[name] for name in names if name in os.environ}


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path | int | None = None,
    cwd: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    on_our_death: signal.Signals = signal.SIGKILL,
    as_plain_user: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process whose output goes to the end of the file `log` (or a descriptor; None: nowhere).

    Raises StackError when the program is missing or cannot be started.
    """
    prepare = _preparation(on_our_death, as_plain_user=as_plain_user and _is_root())
    try:
        with contextlib.ExitStack() as closing:
            output: int | IO[bytes]
            if isinstance(log, Path):
                output = closing.enter_context(log.open("ab"))
            else:
                output = subprocess.DEVNULL if log is None else log
            return subprocess.Popen(
                [str(part) for part in argv],
                env=dict(env),
                cwd=cwd,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,  # noqa: PLW1509 - runs a few system calls only; nothing here has threads
            )
    except FileNotFoundError as error:
        raise StackError(f"{Path(argv[0]).name} is not installed here: `make up` installs it") from error
    except subprocess.SubprocessError as error:
        raise StackError(
            f"{Path(argv[0]).name} cannot be started as root here, because this machine allows no user "
            "namespaces: run make as a plain user"
        ) from error


def kill_group(process: subprocess.Popen[bytes], sig: signal.Signals = signal.SIGKILL) -> None:
    """Signal the process and everything in its process group; a process that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, sig)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _preparation(death: signal.Signals, *, as_plain_user: bool) -> Callable[[], None]:
    parent, gid = os.getpid(), os.getegid()

    def prepare() -> None:
        if _libc is None:
            return
        if as_plain_user:
            if _libc.unshare(_CLONE_NEWUSER) != 0:
                raise OSError(ctypes.get_errno(), "unshare")
            _write("/proc/self/uid_map", f"{NOBODY} 0 1")
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/gid_map", f"{NOBODY} {gid} 1")
        # After the namespace: a change of credentials clears the death signal.
        _libc.prctl(_PR_SET_PDEATHSIG, int(death), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
