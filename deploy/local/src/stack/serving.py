"""Programs that run beside an example: what it calls, on addresses of this machine that components may reach."""

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Final

from stack import child
from stack.edge import Json
from stack.errors import StackError
from stack.examples import Example
from stack.home import Home

_NETWORK: Final = ipaddress.ip_network("127.77.0.0/24")
"""Where components may reach servers of examples, and no other on this machine."""
_PATIENCE: Final = 30.0
"""Seconds to wait for a program to listen, and before that for its address to be free."""
_GRACE: Final = 3.0


@contextlib.contextmanager
def serving(example: Example, home: Home) -> Iterator[None]:
    """Runs what the example serves, each until it listens, and stops it in the end. Raises StackError."""
    with contextlib.ExitStack() as stopping:
        for one in example.serve:
            stopping.callback(_stop, _start(example, one, home))
        yield


def _start(example: Example, one: Json, home: Home) -> subprocess.Popen[bytes]:
    """The program, which is told its address and listens there."""
    file, address = example.folder / str(one["file"]), _address(str(one["listens"]))
    _wait(address, listens=False, problem=f"{one['listens']} is in use; another example may be running")
    log = home.logs / f"example-{example.name}-{file.stem}.log"
    process = child.spawn(
        [sys.executable, "-u", file, f"{address[0]}:{address[1]}"],
        env=child.base_environment(),
        log=log,
        cwd=example.folder,
    )
    try:
        _wait(address, listens=True, problem=f"{file.name} does not listen; see {log}", process=process)
    except BaseException:
        _stop(process)
        raise
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            return


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    try:
        if ipaddress.ip_address(host) in _NETWORK and 1 <= int(port) <= 65535:
            return host, int(port)
    except ValueError:
        pass
    raise StackError(f"{text!r} is no address for an example's server; write one of {_NETWORK} with a port")


def _wait(
    address: tuple[str, int],
    *,
    listens: bool,
    problem: str,
    process: subprocess.Popen[bytes] | None = None,
) -> None:
    """Returns when somebody listens there, or nobody does. Raises StackError with the problem."""
    end = time.monotonic() + _PATIENCE
    while _answers(address) != listens:
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            raise StackError(problem)
        time.sleep(0.05)


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=1.0).close()
    except OSError:
        return False
    return True
