"""The embedded PostgreSQL and NATS keep their promises about passwords, isolation and restarts."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from stack.child import spawn
from stack.errors import InUseError, StackError
from stack.memory import is_alive
from stack.nats import Nats
from stack.ports import free_port
from stack.postgres import Postgres
from tests.support.servers import TestPostgres


@pytest.fixture
def server(tmp_path: Path) -> Postgres:
    return Postgres(tmp_path, free_port(), durable=False)


def test_a_role_reaches_its_own_database_and_no_other(postgres: TestPostgres) -> None:
    mine, other = postgres.create_database("mine"), postgres.create_database("other")
    with postgres.server.connect() as connection:
        connection.execute(f"alter database {other.rpartition('/')[2]} owner to registry")

    with psycopg.connect(mine) as connection:
        assert connection.execute("select current_user").fetchone() == ("test",)

    for database in (other.rpartition("/")[2], "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(postgres.server.url("test", database))


def test_nobody_enters_without_the_password(postgres: TestPostgres) -> None:
    url = postgres.create_database()
    password = postgres.server.password("test")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "wrong"))


def test_passwords_are_in_private_files_and_not_in_arguments_or_logs(postgres: TestPostgres) -> None:
    files = list((postgres.server.home / "keys" / "postgres").iterdir())
    passwords = {file.read_text().strip() for file in files}

    assert len(passwords) == len(files) > 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert postgres.server.process is not None
    arguments = Path(f"/proc/{postgres.server.process.pid}/cmdline").read_text()
    seen = arguments + postgres.server.log.read_text()
    assert not [password for password in passwords if password in seen]


def test_postgres_starts_again_after_a_kill_and_keeps_what_was_committed(server: Postgres) -> None:
    server.start()
    with server.connect() as connection:
        connection.execute("create table kept as select 42 as value")
    server.kill()

    server.start()

    with server.connect() as connection:
        assert connection.execute("select value from kept").fetchone() == (42,)
    server.stop()


def test_what_a_killed_server_leaves_for_a_moment_does_not_stop_the_start(server: Postgres) -> None:
    server.initialise()
    words = [sys.executable, "-c", "import time; time.sleep(0.5)", "-D", str(server.data)]
    with subprocess.Popen(words, cwd=server.data):  # as a backend that has no title of its own yet
        server.start()

    assert server.is_ready()
    server.stop()


def test_a_stale_lock_file_naming_a_live_stranger_does_not_stop_the_start(server: Postgres) -> None:
    server.start()
    server.stop()
    stranger = os.getppid()
    (server.data / "postmaster.pid").write_text(f"{stranger}\n{server.data}\n1\n{server.port}\n\n127.0.0.1\n")

    server.start()

    assert server.is_ready()
    server.stop()


def test_a_second_server_on_the_same_folder_is_refused_in_one_sentence(postgres: TestPostgres) -> None:
    second = Postgres(postgres.server.home, free_port())

    with pytest.raises(InUseError, match=r"another PostgreSQL \(pid \d+\): stop it with `make down`"):
        second.start()


def test_nats_refuses_strangers_and_survives_a_wipe_of_its_files(tmp_path: Path) -> None:
    server = Nats(tmp_path, free_port())
    server.start()
    url, before = server.url, server.process

    server.wipe()

    assert server.process is not before
    assert server.is_ready()
    assert server.url == url
    assert stat.S_IMODE((server.folder / "nats.conf").stat().st_mode) == 0o600
    server.stop()


def test_servers_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from tests.support.servers import start_nats, start_postgres\n"
        "home = Path(sys.argv[1])\n"
        "print(start_postgres(home).server.process.pid, start_nats(home).process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(is_alive(pid) for pid in pids)

    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    end = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    assert [pid for pid in pids if is_alive(pid)] == []


def test_a_missing_program_is_named_with_what_installs_it() -> None:
    with pytest.raises(StackError, match="nats-server is not installed here: `make up` installs it"):
        spawn([Path("/nowhere/nats-server")], env={})
