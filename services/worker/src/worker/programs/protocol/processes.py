"""A server's process: started, talked to through two pipes, and ended with all that it started in turn.

A Python script without packages of its own runs in a copy of this process, which has the protocol's packages loaded;
everything else is started as a program. What a server writes to its standard error are lines of the step.
"""

import contextlib
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from programs import harmless
from programs.failures import Failed
from programs.protocol import messages
from programs.protocol.commands import Start

_MOST_DESCRIPTORS = 4096
_LONGEST_WORDS = 1000
_WORDS = 3
"""The descriptor by which a copy tells how it ended."""


@dataclass
class Process:
    """A server's process and our ends of its pipes."""

    pid: int
    to_server: int
    from_server: int
    status: int | None = None
    """Its exit status once it has ended; negative: the signal that ended it."""
    stopped: bool = False
    """Whether it was told to end."""
    complaint: str = ""
    """What it did that a session cannot go on with."""
    words: int = -1
    """Where a script's exception comes from that ends it; -1: from nowhere."""
    _open: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._open = {one for one in (self.to_server, self.from_server, self.words) if one >= 0}

    def last_words(self) -> str:
        """The exception that has ended it, as the last line of a traceback says it; empty where it is not known."""
        with contextlib.suppress(OSError):
            said = os.read(self.words, _LONGEST_WORDS).decode("utf-8", "replace")
            return str(harmless.text(" ".join(said.split())))
        return ""

    def ended(self) -> bool:
        """Whether it has ended."""
        if self.status is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def ends_within(self, seconds: float) -> bool:
        """Waits for its end; whether it has ended by then."""
        until = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True

    def signal(self, number: int) -> None:
        """Signals it and its children, those that stayed in its group."""
        self.stopped = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def hand_over(self, descriptor: int) -> int:
        """The descriptor, whose closing is the taker's from now on."""
        self._open.discard(descriptor)
        return descriptor

    def close(self) -> None:
        """Closes what is still ours, and kills what is still there."""
        for descriptor in self._open:
            os.close(descriptor)
        self._open.clear()
        if not self.ended():
            self.signal(signal.SIGKILL)


def start(what: Start, environment: Mapping[str, str]) -> Process:
    """Starts a server. Raises Failed when its program cannot be started."""
    its_in, to_server = os.pipe()
    from_server, its_out = os.pipe()
    words = -1
    try:
        if what.script:
            pid, words = _copy(what, environment, its_in, its_out)
        else:
            pid = _spawn(what.arguments, environment, its_in, its_out)
    except OSError as error:
        os.close(to_server)
        os.close(from_server)
        raise Failed(
            f"the server's program {what.arguments[0]} cannot be started: {error.strerror}"
        ) from None
    finally:
        os.close(its_in)
        os.close(its_out)
    return Process(pid, to_server, from_server, words=words)


def _spawn(arguments: tuple[str, ...], environment: Mapping[str, str], its_in: int, its_out: int) -> int:
    moves = [(os.POSIX_SPAWN_DUP2, its_in, 0), (os.POSIX_SPAWN_DUP2, its_out, 1)]
    reset = [signal.SIGPIPE, signal.SIGTERM, signal.SIGINT]
    return os.posix_spawn(
        arguments[0], arguments, environment, file_actions=moves, setsid=True, setsigdef=reset
    )


def _copy(what: Start, environment: Mapping[str, str], its_in: int, its_out: int) -> tuple[int, int]:
    """The copy's id, and where its last words come from."""
    sys.stdout.flush()
    sys.stderr.flush()
    words, its_words = os.pipe()
    os.set_blocking(words, False)
    try:
        pid = os.fork()
        if not pid:
            _become(what, environment, its_in, its_out, its_words)
    except OSError:
        os.close(words)
        raise
    finally:
        os.close(its_words)
    return pid, words


def _become(
    what: Start, environment: Mapping[str, str], its_in: int, its_out: int, its_words: int
) -> NoReturn:
    """Runs the script as a program of its own would, in this process. Never returns."""
    code = 1
    try:
        os.setsid()
        os.dup2(its_in, 0)
        os.dup2(its_out, 1)
        os.dup2(its_words, _WORDS, inheritable=False)
        os.closerange(_WORDS + 1, _MOST_DESCRIPTORS)
        for number in (signal.SIGTERM, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.clear()
        os.environ.update(environment)
        _standard_streams()
        sys.modules.pop("mcpanel_step", None)
        at = what.arguments.index(next(one for one in what.arguments[1:] if not one.startswith("-")))
        sys.argv = list(what.arguments[at:])
        sys.path.insert(0, os.path.dirname(what.script))  # noqa: PTH120
        messages.write_harmless()
        runpy.run_path(what.script, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException as error:  # noqa: BLE001, RUF100  # as an interpreter would
        traceback.print_exc()
        with contextlib.suppress(BaseException):
            os.write(_WORDS, "".join(traceback.format_exception_only(error)).encode()[:_LONGEST_WORDS])
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code & 0xFF)


def _standard_streams() -> None:
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(  # type: ignore[misc]  # noqa: SIM115
        1, "w", encoding="utf-8", closefd=False
    )
    sys.stderr = sys.__stderr__ = open(  # type: ignore[misc]  # noqa: SIM115
        2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )
