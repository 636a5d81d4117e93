"""Processes of the engine and the worker that start at once: forked from one that has imported everything.

`python -m tests.support.forking` reads a line of JSON for each process to start and writes one when it has started and
one when it has ended. A test that kills a process at each of fifty places would else import gRPC fifty times.
"""

import asyncio
import contextlib
import gc
import importlib
import itertools
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MODULES = ("engine.__main__", "worker.__main__")
PATIENCE = 180.0
"""Seconds that something may take that is quick where nothing else runs. Only what hangs takes as long."""


class Child:
    """A process that was forked: `pid`, and its exit code as subprocess gives it once it has ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return not self._code.done()

    async def wait(self) -> int:
        """Its exit code, once it has ended: minus the number of a signal that ended it."""
        async with asyncio.timeout(PATIENCE):
            return await asyncio.shield(self._code)

    async def kill(self) -> None:
        """Ends it with SIGKILL, if it has not ended."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
            await self.wait()

    def ended(self, status: int) -> None:
        """What waitpid said."""
        self._code.set_result(os.waitstatus_to_exitcode(status))


class Forks:
    """The process that the others are forked from; what still runs ends with it."""

    def __init__(self, log: Path) -> None:
        """The output of all of them goes to the end of `log`."""
        self._log = log
        self._numbers = itertools.count()
        self._starting: dict[int, asyncio.Future[Child]] = {}
        self._children: dict[int, Child] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Forks":
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.support.forking",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in list(self._children.values()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def start(self, module: str, environ: Mapping[str, str]) -> Child:
        """Starts `python -m module` with nothing but this environment."""
        assert self._process is not None
        assert self._process.stdin is not None
        number = next(self._numbers)
        self._starting[number] = asyncio.get_running_loop().create_future()
        order = {"number": number, "module": f"{module}.__main__", "environ": dict(environ)}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return await self._starting[number]

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said: dict[str, Any] = json.loads(line)
            if "number" in said:
                child = self._children[said["pid"]] = Child(said["pid"])
                self._starting.pop(said["number"]).set_result(child)
            else:
                self._children.pop(said["pid"]).ended(said["status"])
        for waiting in self._starting.values():
            waiting.set_exception(AssertionError(f"nothing can be forked any more; {self._log} says why"))


def _serve() -> None:
    """Forks what it is told to, until its standard input ends."""
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()
    ready, bell = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(ready, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    buffer = b""
    import select  # noqa: PLC0415 - of this process alone

    while True:
        readable, _, _ = select.select([0, ready], [], [])
        if ready in readable:
            os.read(ready, 4096)
            _reap()
        if 0 in readable:
            if not (data := os.read(0, 65536)):
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                _fork(json.loads(line))


def _fork(order: dict[str, Any]) -> None:
    pid = os.fork()
    if pid:
        _say(number=order["number"], pid=pid)
        return
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.environ.clear()
    os.environ.update(order["environ"])
    main = importlib.import_module(order["module"]).main
    code = main([]) if order["module"].startswith("engine") else main()
    os._exit(int(code))


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            _say(pid=found[0], status=found[1])


def _say(**words: int) -> None:
    os.write(1, json.dumps(words).encode() + b"\n")


if __name__ == "__main__":
    _serve()
