"""Whole stacks for tests: the processes of `make up`, on free ports, in a home of their own.

`stack` (a fixture) is shared by a whole test run; tests that kill share `doomed`.
"""

import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import httpx
import psycopg

from stack import status
from stack.child import spawn
from stack.home import Home
from stack.memory import is_alive
from stack.nats import Nats
from stack.ports import Ports, replicas
from stack.postgres import Postgres

START_SECONDS = 90.0
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of plain HTTP: it trusts nobody, and so has no certificates to read."""


class Stack:
    """A stack in a folder. Settings for one process are given as `MCPANEL_ENGINE__NAME="value"`."""

    def __init__(self, path: Path, **settings: str) -> None:
        self.home = Home(path)
        self.ports = Ports.free(replicas(settings, "engine"), replicas(settings, "worker"))
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None

    # Life

    def start(self) -> None:
        """Start everything and return when it is ready; says what went wrong otherwise."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start everything and return at once. It ends with the thread that called this."""
        self.home.logs.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            **self.ports.environment(),
            "MCPANEL_HOME": str(self.home.path),
            "MCPANEL_ENV_FILE": os.devnull,
            **self.settings,
        }
        self.process = spawn(
            [sys.executable, "-m", "stack", "up"],
            env=environment,
            log=self.home.logs / "stack.log",
            on_our_death=signal.SIGTERM,
        )

    def await_ready(self) -> None:
        """Return when everything is ready; says what went wrong otherwise."""
        process = self.process
        assert process is not None
        self.until(
            lambda: status.is_ready(self.home, process.pid) or process.poll() is not None, START_SECONDS
        )
        if process.poll() is not None:
            raise AssertionError(f"the stack did not start:\n{self.output}")

    def stop(self) -> None:
        """Drain everything; fails when the stack has to be killed for it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process = None
        assert code == 0, self.output

    @property
    def output(self) -> str:
        """What the supervisor said."""
        return self.log("stack")

    def log(self, name: str) -> str:
        """The log of a process."""
        path = self.home.logs / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    # Processes

    def pids(self) -> dict[str, int]:
        """Each running process's pid by name."""
        found = status.read(self.home)
        return {process["name"]: int(process["pid"]) for process in found["processes"]} if found else {}

    def pid(self, name: str) -> int:
        """The pid of a process: postgres, nats, identity, registry, engine, gateway, worker, envoy …"""
        return self.pids()[name]

    def is_ready(self, name: str) -> bool:
        """Whether the supervisor counts the process as ready."""
        found = status.read(self.home)
        return found is not None and any(
            process["name"] == name and process["status"] == "ready" for process in found["processes"]
        )

    def kill(self, name: str, sig: signal.Signals = signal.SIGKILL) -> int:
        """Send a process a signal and return its pid; after SIGKILL it is gone."""
        pid = self.pid(name)
        os.kill(pid, sig)
        if sig == signal.SIGKILL:
            self.until(lambda: not is_alive(pid))
        return pid

    def wait_restarted(self, name: str, old_pid: int, seconds: float = 60) -> int:
        """The new pid of a process, once it is ready again."""
        self.until(lambda: self.pids().get(name, old_pid) != old_pid and self.is_ready(name), seconds)
        return self.pid(name)

    def wipe_nats(self) -> int:
        """Kill NATS and delete its files; the pid it had."""
        pid = self.kill("nats")
        shutil.rmtree(self.home.path / "nats", ignore_errors=True)
        return pid

    @staticmethod
    def until(condition: Callable[[], object], seconds: float = 30) -> None:
        """Return when the condition holds; AssertionError after so many seconds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"it did not happen within {seconds:.0f} s"
            time.sleep(0.02)

    # The way in

    @property
    def address(self) -> str:
        """The edge's host and port."""
        return f"127.0.0.1:{self.ports.edge}"

    @property
    def base_url(self) -> str:
        """The edge's URL."""
        return f"http://{self.address}"

    def key(self, name: str) -> str:
        """The API key of a service account: admin, worker, registry …"""
        return (self.home.keys / f"{name}.key").read_text().strip()

    @property
    def admin_key(self) -> str:
        """The administrator's API key."""
        return self.key("admin")

    def metadata(self, key: str | None = None) -> tuple[tuple[str, str | bytes], ...]:
        """Call metadata that authenticates, as the administrator without a key."""
        return (("authorization", f"Bearer {key or self.admin_key}"),)

    def grpc_channel(self) -> grpc.aio.Channel:
        """A channel to the edge; give each call `metadata=stack.metadata()`."""
        return grpc.aio.insecure_channel(self.address)

    def http(self, key: str | None = None) -> httpx.AsyncClient:
        """A client of the edge with the administrator's key, or another (empty: none)."""
        key = self.admin_key if key is None else key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(
            base_url=self.base_url, headers=headers, timeout=30, trust_env=False, verify=NO_TLS
        )

    # Behind the door, for tests that tamper

    @property
    def postgres(self) -> Postgres:
        """The stack's PostgreSQL, for its passwords and URLs."""
        return Postgres(self.home.path, self.ports.postgres)

    @property
    def nats_url(self) -> str:
        """The URL of the stack's NATS, with its credentials."""
        return Nats(self.home.path, self.ports.nats).url

    def database_url(self, service: str) -> str:
        """The URL with which a service reaches its database."""
        return self.postgres.url(service)

    def superuser(self, database: str) -> psycopg.Connection:
        """A superuser's connection to a service's database."""
        return self.postgres.connect(database)
