"""Starts a stack in the order of its needs, keeps it alive, and drains it in order.

One asyncio loop on the main thread; children are started from that thread, because they die with it.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from chassis import peers
from stack import certificates, secrets
from stack.child import kill_group
from stack.errors import StackError
from stack.health import listens, measures, serves_grpc, trusting
from stack.home import Lock, explain
from stack.ports import become_free, refuse_listener
from stack.table import CERTIFIED, Entry, Preparation, Process, Site, log_of, process_name

START_TIMEOUT = 60.0  # seconds a process may take to become ready
NEVER_READY = 3  # so many ends of a process that was never ready yet …
RAPID = 5  # … or of one that was …
WINDOW = 30.0  # … within so many seconds, and the supervisor gives up
BACKOFF = (0.1, 0.5, 1.0, 2.0)  # seconds before each restart in a row
RENEWAL = 3600.0  # seconds between two looks at how long certificates are good
LOG_LIMIT = 16 << 20  # bytes after which a log is rotated; one old copy is kept
_TAIL = 12  # lines of a log that explain a failure

Running = subprocess.Popen[bytes]


class Node:
    """One entry of the table as it stands now."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.ready = asyncio.Event()  # was ready once: others may start
        self.up = asyncio.Event()  # is ready now: others may start again
        self.process: Running | None = None
        self.started_at = 0.0
        self.restarts = 0
        self.status = "waiting"
        self.ends: deque[float] = deque(maxlen=RAPID)


class Supervisor:
    """Runs the entries of a table at a site. `say` receives each line for the person watching."""

    def __init__(self, site: Site, table: Sequence[Entry], say: Callable[[str], None]) -> None:
        self.site = site
        self.nodes = {entry.name: Node(entry) for entry in table}
        self.say = say
        self._cleared = asyncio.Event()
        self._stopping = asyncio.Event()
        self._ready = False

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Start everything, call `on_ready`, and keep it alive until a signal; then drain.

        Raises StackError, after draining, when something cannot be started or kept alive.
        """
        self.site.home.prepare(self.site.environ)
        lock = Lock(self.site.home)
        lock.acquire()
        try:
            self._certify()
            with self._signals():
                await self._supervise(on_ready)
        except OSError as error:
            raise explain(error, self.site.home.path) from error
        finally:
            # A preparation's thread may still run: nothing of ours may be left when the lock is free.
            await asyncio.get_running_loop().shutdown_default_executor()
            self.site.home.state.unlink(missing_ok=True)
            lock.release()

    def stop(self) -> None:
        """Begin to drain; said a second time, kill instead."""
        if self._stopping.is_set():
            for node in self.nodes.values():
                if node.process is not None:
                    kill_group(node.process)
        self._stopping.set()

    async def _supervise(self, on_ready: Callable[[], None]) -> None:
        stopped = asyncio.create_task(self._stopping.wait())
        tasks = [
            asyncio.create_task(self._clear_ports()),
            *(asyncio.create_task(self._keep(node)) for node in self.nodes.values()),
            asyncio.create_task(self._all_ready(on_ready)),
            asyncio.create_task(self._rotate()),
            asyncio.create_task(self._renew()),
        ]
        try:
            waiting: set[asyncio.Task[object]] = {stopped, *tasks}
            while not stopped.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            self._stopping.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(stopped, *tasks, return_exceptions=True)
            await self._drain()

    async def _clear_ports(self) -> None:
        """Let entries start once nobody else has their ports. Raises InUseError."""
        entries = [node.entry for node in self.nodes.values()]
        names = [name for entry in entries if isinstance(entry, Process) for name in entry.listens]
        for name in names:
            await refuse_listener(name, self.site.port(name))
        await asyncio.gather(*(become_free(name, self.site.port(name), self.say) for name in names))
        self._cleared.set()

    async def _all_ready(self, on_ready: Callable[[], None]) -> None:
        for node in self.nodes.values():
            await node.ready.wait()
        self._ready = True
        self._record()
        on_ready()

    async def _keep(self, node: Node) -> None:
        """Start an entry when its needs are ready; a process is kept alive until the task is cancelled."""
        await self._cleared.wait()
        entry = node.entry
        for need in entry.needs:
            await self.nodes[need].ready.wait()
        begun = time.monotonic()
        if isinstance(entry, Preparation):
            await asyncio.to_thread(entry.run, self.site)
            self._now_ready(node, begun)
            return
        process = await self._become_ready(node, entry, await self._start(node, entry))
        self._now_ready(node, begun)
        while True:
            await ended(process)
            process = await self._become_ready(node, entry, await self._restart(node, entry, process))
            self._set(node, "ready")

    def _now_ready(self, node: Node, begun: float) -> None:
        self.say(f"  {node.entry.title:<12} ready {time.monotonic() - begun:5.1f} s")
        self._set(node, "ready")
        node.ready.set()

    async def _start(self, node: Node, entry: Process) -> Running:
        if entry.before is not None:
            await asyncio.to_thread(entry.before, self.site)
        for name in entry.listens:  # a connection may have taken one since
            await become_free(name, self.site.port(name), self.say)
        node.process = process = entry.start(self.site)
        node.started_at = time.time()
        self._set(node, "starting")
        return process

    async def _become_ready(self, node: Node, entry: Process, process: Running) -> Running:
        """The process once it is ready: this one, or one started after it ended too early."""
        end = time.monotonic() + START_TIMEOUT
        pause = 0.02
        while process.poll() is not None or not await self._is_ready(entry):
            if process.poll() is not None:
                process = await self._restart(node, entry, process)
            elif time.monotonic() > end:
                late = f"{entry.title} did not become ready in {START_TIMEOUT:.0f} s"
                if not node.ready.is_set():
                    raise StackError(late + self._tail(entry))
                self.say(f"{late}; waiting on")
                end = float("inf")
            await asyncio.sleep(pause)
            pause = min(0.1, pause * 1.3)
        return process

    async def _is_ready(self, entry: Process) -> bool:
        kind, name = entry.ready
        port = self.site.port(name)
        match kind:
            case "grpc":
                return await serves_grpc(port, tls=self._tls(name))
            case "worker":
                return await measures(port, b"mcp_worker_connected 1.0")
            case "postgres":
                return await asyncio.to_thread(self.site.postgres.is_ready)
            case "nats":
                return await asyncio.to_thread(self.site.nats.is_ready)
            case _:
                return await listens(port)

    async def _restart(self, node: Node, entry: Process, process: Running) -> Running:
        """Start an ended process again, later each time; give up when it keeps ending."""
        kill_group(process)  # what it left behind
        code = process.wait()
        now = time.monotonic()
        node.ends.append(now)
        recent = sum(1 for end in node.ends if now - end < WINDOW)
        if recent == (RAPID if node.ready.is_set() else NEVER_READY):
            often = f"{entry.title} ended {recent} times within {WINDOW:.0f} s, last with {code}; giving up"
            raise StackError(often + self._tail(entry))
        node.restarts += 1
        self._set(node, "restarting")
        self.say(f"{entry.title} exited with {code}; restarted ({node.restarts})")
        await asyncio.sleep(BACKOFF[recent - 1])
        await self._await_servers(entry)
        return await self._start(node, entry)

    async def _drain(self) -> None:
        running = [(node.entry, node.process) for node in self.nodes.values() if node.process is not None]
        if running:
            self.say("stopping …")
        stages: dict[int, list[tuple[Process, Running]]] = {}
        for entry, process in running:
            if isinstance(entry, Process):
                stages.setdefault(entry.stops, []).append((entry, process))
        for _, stage in sorted(stages.items()):
            await asyncio.gather(*(self._end(entry, process) for entry, process in stage))

    async def _end(self, entry: Process, process: Running) -> None:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT if entry.interrupt else signal.SIGTERM)
            try:
                await asyncio.wait_for(ended(process), entry.grace)
            except TimeoutError:
                self.say(f"{entry.title} did not stop in {entry.grace:.0f} s; killed")
        kill_group(process)  # with its descendants, if it left any
        process.wait()

    def _tail(self, entry: Process) -> str:
        path = log_of(self.site, entry.name)
        try:
            lines = path.read_text(errors="replace").splitlines()[-_TAIL:]
        except OSError:
            lines = []
        full = any("No space left on device" in line for line in lines)
        reason = "; the disk is full" if full else ""
        return f"{reason}. The end of {path}:" + "".join(f"\n    {line}" for line in lines)

    async def _await_servers(self, entry: Entry) -> None:
        """Wait for everything below an entry: a service that finds its database away would only end again."""
        for need in entry.needs:
            await self._await_servers(self.nodes[need].entry)
            await self.nodes[need].up.wait()

    def _set(self, node: Node, status: str) -> None:
        node.status = status
        if status == "ready":
            node.up.set()
        else:
            node.up.clear()
        self._record()

    def _record(self) -> None:
        found = {
            "pid": os.getpid(),
            "ready": self._ready,
            "ports": dict(self.site.ports.items()),
            "processes": [
                {
                    "name": name,
                    "pid": node.process.pid,
                    "status": node.status,
                    "started_at": node.started_at,
                    "restarts": node.restarts,
                }
                for name, node in self.nodes.items()
                if node.process is not None
            ],
        }
        secrets.write_private(self.site.home.state, json.dumps(found, indent=2) + "\n", durable=False)

    def _tls(self, listener: str) -> tuple[ssl.SSLContext, str] | None:
        """How to speak to a listener of a process."""
        if (folder := self.site.certificates) is None:
            return None
        return trusting(folder / "stack"), peers.host(process_name(listener))

    async def _rotate(self) -> None:
        while True:
            for log in self.site.home.logs.glob("*.log"):
                await asyncio.to_thread(rotate, log)
            await asyncio.sleep(10)

    def _certify(self) -> None:
        """Make the certificates that are missing or near their end, where processes show them to each other."""
        if (folder := self.site.certificates) is not None:
            certificates.ensure(folder, CERTIFIED)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL)
            self._certify()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in signals:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)


async def ended(process: Running) -> None:
    """Return when the process has ended; it is left to be waited for."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def rotate(log: Path, limit: int = LOG_LIMIT) -> None:
    """Move a log's content to `<name>.log.1` once it is larger than `limit` bytes.

    The writers append, so the emptied file goes on being theirs.
    """
    if log.stat().st_size > limit:
        shutil.copyfile(log, log.with_name(log.name + ".1"))
        os.truncate(log, 0)
