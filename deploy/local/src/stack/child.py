"""Starts child processes that cannot outlive us: own process group, a death signal, nothing inherited.

A child dies with the thread that started it (Linux `PR_SET_PDEATHSIG`), so start children from the main
thread. As root, a child may be put into a user namespace that maps it to a plain user id, for programs
that refuse to run as root.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from stack.errors import StackError

_LAUNCH = Path(__file__).with_name("launch.py")


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
    """Start a program whose output goes to the end of the file `log` (or a descriptor; None: nowhere).

    `argv[0]` is a path. Raises StackError when there is no such program.
    """
    if not os.access(argv[0], os.X_OK):
        raise StackError(f"{Path(argv[0]).name} is not installed here: `make up` installs it")
    launch = [sys.executable, "-I", "-S", _LAUNCH, os.getpid(), int(on_our_death)]
    command = [*launch, "plain" if as_plain_user else "same", *argv]
    with contextlib.ExitStack() as closing:
        output: int | IO[bytes]
        if isinstance(log, Path):
            output = closing.enter_context(log.open("ab"))
        else:
            output = subprocess.DEVNULL if log is None else log
        return subprocess.Popen(
            [str(word) for word in command],
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill_group(process: subprocess.Popen[bytes], sig: signal.Signals = signal.SIGKILL) -> None:
    """Signal the process and everything in its process group; a process that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, sig)
