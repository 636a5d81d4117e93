"""A cell: one process tree with namespaces of its own, seen from the worker.

It is started ahead of need, serves one attempt at a time, and is killed as a whole. Start cells from the main thread:
the kernel ends a cell when the thread that started it ends.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

from worker.cells import verdict
from worker.cells.attempt import Attempt, Job, Outcome, Sink
from worker.cells.bubblewrap import Sandbox
from worker.cells.cgroup import Cgroup
from worker.cells.heard import Heard
from worker.cells.profile import PYTHON, Profile
from worker.cells.verdict import Ended
from worker.network import Proxy

_START_TIMEOUT: Final = 20.0
_CANCEL_GRACE: Final = 2.0
_WATCH_AFTER: Final = 0.2
_KILL_TIMEOUT: Final = 3.0
_SO_PASSCRED: Final = 16
_SCM_CREDENTIALS: Final = 2
_CREDENTIALS: Final = struct.Struct("iii")


class CellError(Exception):
    """A cell could not be started; the message says why."""


class Cell:
    """One cell. Make it with `Cell.start`; `alive` tells whether it can take another attempt."""

    def __init__(self, profile: Profile, sandbox: Sandbox, cgroups: Cgroup | None) -> None:
        self.profile = profile
        self.level = sandbox.level
        self.alive = False
        self.landlock = 0
        self.bound_to: tuple[str, str] | None = None
        """The component version and the user it serves, once it has served anybody."""
        self.last_used = time.monotonic()
        self._sandbox = sandbox
        self._cgroups = cgroups
        self._cgroup: Cgroup | None = None
        self._loop = asyncio.get_running_loop()
        self._attempt: Attempt | None = None
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._next: asyncio.Future[None] = self._loop.create_future()
        """Done while a process waits for the next attempt, or the cell has ended."""
        self._exit: asyncio.Future[dict[str, Any]] | None = None
        self._exceeded = ""
        """The name of the limit for which the attempt is killed, one of `Limits.together`."""
        self._cancelled = False
        self._cancel_grace = _CANCEL_GRACE
        self._heard: Heard | None = None
        """What an attempt with a grace is heard through."""
        self._running = False
        self._init_pid = 0
        self._scratch: Path | None = None
        self._listener: socket.socket | None = None
        """Where the cell's processes find their proxy, of a profile with network."""
        self._connecting: dict[int, asyncio.Future[socket.socket]] = {}
        self._connections = 0
        self.ahead: tuple[str, ...] = ()
        """What its processes import from the packages while they wait for work."""
        self._ended = asyncio.Event()

    @classmethod
    async def start(
        cls,
        sandbox: Sandbox,
        profile: Profile = PYTHON,
        cgroups: Cgroup | None = None,
        ahead: Sequence[str] = (),
    ) -> "Cell":
        """A new cell, ready for an attempt, whose processes import the modules `ahead` of it. Raises CellError."""
        cell = cls(profile, sandbox, cgroups)
        try:
            cell._spawn()
            cell.import_ahead(ahead)  # it lies there when the first process starts
        except OSError as error:
            raise CellError(f"a cell could not be started: {error}") from error
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                await cell._ready
        except BaseException as error:
            await cell.close()
            if isinstance(error, TimeoutError):
                raise CellError(
                    f"a cell was not ready after {_START_TIMEOUT:.0f} s: {cell._complaint()}"
                ) from None
            raise
        finally:
            cell._stderr.close()
        return cell

    def _spawn(self) -> None:
        if self.level == "limits":
            self._scratch = Path(tempfile.mkdtemp(prefix="mcpanel-cell-"))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        close_fds: tuple[int, ...] = ()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the cell is ready
        try:
            ours.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, _SO_PASSCRED, 1)
            command = self._sandbox.command(self.profile, theirs.fileno(), self._scratch or Path())
            close_fds = command.close_fds
            self._process = subprocess.Popen(
                command.arguments,
                env=command.environment,
                pass_fds=command.pass_fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            self._stderr.close()
            raise
        finally:
            theirs.close()
            for fd in close_fds:
                os.close(fd)
        self._control = ours
        self._pidfd = os.pidfd_open(self._process.pid)
        self._loop.add_reader(self._pidfd, self._on_end)
        self._loop.add_reader(ours.fileno(), self._on_control)

    def _on_control(self) -> None:
        """A message of the cell's first process."""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            data, ancillary, _, _ = self._control.recvmsg(65536, 256)
            if not data:
                self._loop.remove_reader(self._control.fileno())
                return
            descriptors: list[int] = []
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    descriptors += struct.unpack(f"{len(content) // 4}i", content)
                if level == socket.SOL_SOCKET and kind == _SCM_CREDENTIALS:
                    self._init_pid = _CREDENTIALS.unpack(content)[0]
            self._on_message(json.loads(data), descriptors)

    def _on_message(self, message: dict[str, Any], descriptors: list[int]) -> None:
        kind = message["t"]
        if kind == "ready":
            self._attempt = Attempt(
                descriptors, self._sandbox.limits, self._preload, counts=bool(self.profile.program)
            )
            self.landlock = message["landlock"]
            if not self._next.done():
                self._next.set_result(None)
            if not self._ready.done():
                if self._cgroups:
                    self._cgroup = self._cgroups.enclose(self._init_pid, self._sandbox.limits)
                self.alive = True
                self._ready.set_result(None)
        elif kind == "listening":
            self._listener = socket.socket(fileno=descriptors[0])
        elif kind == "connected":
            self._on_connected(message, descriptors)
        elif kind == "exceeded":
            self._exceeded = message["limit"]
            self._kill()
        elif kind == "exit":
            if not self._running:
                self.alive = False  # the waiting process died before it had work
                self._kill()
            elif self._exit and not self._exit.done():
                self._exit.set_result(message)

    def _on_connected(self, message: dict[str, Any], descriptors: list[int]) -> None:
        sockets = [socket.socket(fileno=fd) for fd in descriptors]
        waiting = self._connecting.pop(message["id"], None)
        if waiting is None or waiting.done():
            for one in sockets:
                one.close()
        elif sockets:
            sockets[0].setblocking(False)
            waiting.set_result(sockets[0])
        else:
            waiting.set_exception(ConnectionRefusedError(message["error"]))

    def _on_end(self) -> None:
        """The cell's outer process ended, and with it everything inside."""
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self.alive = False
        if not self._ready.done():
            self._ready.set_exception(CellError(f"a cell could not be started: {self._complaint()}"))
        if not self._next.done():
            self._next.set_result(None)
        if self._exit and not self._exit.done():
            self._exit.set_result({})
        for waiting in self._connecting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionRefusedError("the cell has ended"))
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        if self._listener:
            self._listener.close()
        if self._cgroup and self._cgroup.remove():
            self._exceeded = "memory"
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._ended.set()

    def _complaint(self) -> str:
        self._stderr.seek(0)
        text = self._stderr.read(4000).decode("utf-8", "replace").strip()
        return text.splitlines()[-1] if text else "it said nothing"

    def _order(self, word: str, **more: Any) -> None:
        with contextlib.suppress(OSError):
            self._control.send(json.dumps({"t": word, **more}).encode())

    def _preload(self, modules: list[str]) -> None:
        """Has the standard modules this component used imported before the next fork."""
        self._order("preload", modules=modules)

    def import_ahead(self, modules: Sequence[str]) -> None:
        """Has these modules of the packages imported by every process from the next on, while it waits for work."""
        if tuple(modules) != self.ahead:
            self.ahead = tuple(modules)
            self._order("ahead", modules=self.ahead)

    @property
    def pid(self) -> int:
        """The outermost process of the cell; it ends after everything inside."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether an attempt runs in it."""
        return self._running

    @property
    def waiting(self) -> bool:
        """Whether a process waits for the next attempt already."""
        return self.alive and self._attempt is not None

    def _kill(self) -> None:
        """Kills everything in the cell at once. Returns before it is gone; `close` waits."""
        self.alive = False
        if self._ended.is_set():
            return
        if self.level == "limits":
            self._order("kill")
            self._control.shutdown(socket.SHUT_WR)
            return
        # The kernel reports the end of a pid namespace's first process only after the last of the others ended.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init_pid or self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Kills the cell; returns when no process of it is left."""
        self._kill()
        try:
            async with asyncio.timeout(_KILL_TIMEOUT):
                await self._ended.wait()
        except TimeoutError:
            self._process.kill()
            await self._ended.wait()
        if self._attempt:
            self._attempt.close()
            self._attempt = None

    async def connect(self, port: int) -> socket.socket:
        """A connection to a port of the cell's own loopback, not blocking. Raises ConnectionRefusedError.

        The cell's first process makes it, of a profile that `listens`. It ends with the cell.
        """
        if not self.alive or not self.profile.listens:
            raise ConnectionRefusedError("the cell takes no connections")
        self._connections += 1
        number = self._connections
        waiting: asyncio.Future[socket.socket] = self._loop.create_future()
        self._connecting[number] = waiting
        try:
            self._order("connect", id=number, port=port)
            return await waiting
        finally:
            self._connecting.pop(number, None)

    async def idle(self) -> None:
        """Returns when a process waits for the next attempt, or the cell has ended."""
        await self._next

    def cancel(self) -> None:
        """Asks the running attempt to stop, and kills it after two seconds, or its own grace if that is longer."""
        if self._running and not self._cancelled:
            self._cancelled = True
            if self._heard is not None:
                self._heard.stop()
            self._order("term")
            self._loop.call_later(self._cancel_grace, self._kill)

    async def run(self, job: Job, sink: Sink) -> Outcome:
        """Runs one attempt. Returns its outcome when all its processes are gone; the cell lives on if all was well."""
        if self._running or not self.alive:
            raise CellError("the cell is not free")
        await self._next
        attempt, self._attempt = self._attempt, None
        if attempt is None or not self.alive:
            raise CellError("the cell ended before it was used")
        self._next = self._loop.create_future()
        self._exit = self._loop.create_future()
        self._running = True
        self._cancelled = False
        self._cancel_grace = max(_CANCEL_GRACE, job.grace)
        self._exceeded = ""
        began = time.monotonic()
        watch = self._loop.call_later(_WATCH_AFTER, self._order, "watch")
        heard = Heard(sink)
        self._heard = heard if job.grace else None
        proxy = self._proxy(job, sink)
        conversation = asyncio.create_task(attempt.converse(job, heard))
        conversation.add_done_callback(self._on_conversation_end)
        try:
            report, timed_out = await self._exited(job, began, heard)
            if timed_out:
                report = await self._kept(job.grace, heard)
                await self.close()
            if self._cancelled or not report:
                conversation.cancel()  # nobody waits for the answers to its requests any more
            if report.get("leftover"):
                await self.close()  # what is left may hold the pipes open
            await self._settle(conversation)
            attempt.finish()
            seconds = time.monotonic() - began
            ended = Ended(report, timed_out, self._cancelled, self._exceeded)
            failure = verdict.failure(job, attempt, ended, self._sandbox.limits)
            if failure is not None or not report.get("clean"):
                await self.close()
            return Outcome(
                output_json=None if failure else attempt.output_json,
                output_artifact="" if failure else attempt.output_artifact,
                failure=failure,
                seconds=seconds,
                cpu_seconds=float(report.get("cpu", 0.0)),
                peak_memory=int(report.get("rss", 0)),
                usage=attempt.usage,
            )
        except asyncio.CancelledError:
            await self.close()
            raise
        finally:
            watch.cancel()
            conversation.cancel()
            attempt.close()
            self._running = False
            self.last_used = time.monotonic()
            if proxy:
                await proxy.close()

    def _proxy(self, job: Job, sink: Sink) -> Proxy | None:
        """The attempt's way out, in a cell that has one."""
        if self._listener is None or job.reach is None:
            return None
        return Proxy(self._listener, job.reach, lambda line: sink.log("log", "WARNING", line))

    async def _exited(self, job: Job, began: float, heard: Heard) -> tuple[dict[str, Any], str]:
        """The report of the attempt's end; or, with none, why it is not waited for any longer."""
        end = began + job.timeout
        exiting = cast("asyncio.Future[dict[str, Any]]", self._exit)
        while True:
            silent_at = end if job.silence is None else heard.at + job.silence
            try:
                async with asyncio.timeout(max(0.0, min(end, silent_at) - time.monotonic())):
                    return await asyncio.shield(exiting), ""
            except TimeoutError:
                now = time.monotonic()
            if now >= end:
                return {}, f"the step ran longer than {job.timeout:g} s and was killed"
            if job.silence is not None and now >= heard.at + job.silence:
                return {}, f"the step said nothing for {job.silence:g} s and was killed"

    async def _kept(self, grace: float, heard: Heard) -> dict[str, Any]:
        """Asks an attempt whose time is up to keep what it has; the report of its end, if that came soon enough."""
        if not grace or not self.alive:
            return {}
        heard.stop()
        self._order("term")
        exiting = cast("asyncio.Future[dict[str, Any]]", self._exit)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                return await asyncio.shield(exiting)
        return {}

    def _on_conversation_end(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._kill()

    async def _settle(self, conversation: "asyncio.Task[None]") -> None:
        """Lets the conversation read what the step had written before it ended."""
        try:
            async with asyncio.timeout(5.0):
                await asyncio.wait([conversation])
        except TimeoutError:
            conversation.cancel()
