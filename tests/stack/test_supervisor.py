"""The supervisor starts in order, restarts and names what dies, drains in order, and leaves nothing."""

import contextlib
import errno
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack import status
from stack.__main__ import require_python
from stack.errors import InUseError, StackError
from stack.home import Home, Lock, explain
from stack.memory import descendants, is_alive
from stack.ports import Ports, become_free
from stack.supervisor import rotate
from tests.support.tiny import journal, sweep


class Tiny:
    """The small stack of tests.support.tiny in a home of its own."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        self.ports = Ports.free()
        self.environment = {
            **os.environ,
            **self.ports.environment(),
            "MCPANEL_HOME": str(path),
            "MCPANEL_ENV_FILE": os.devnull,
        }
        self._running: list[subprocess.Popen[str]] = []

    def command(self, *words: str, **extra: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.tiny", *words],
            env={**self.environment, **extra},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._running.append(process)
        return process

    def up(self) -> subprocess.Popen[str]:
        process = self.command("up")
        eventually(lambda: status.is_ready(self.home, process.pid) or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0]
        return process

    def pid(self, name: str) -> int:
        found = status.read(self.home)
        assert found is not None
        return int(next(process["pid"] for process in found["processes"] if process["name"] == name))

    def close(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.communicate()
        sweep(self.home.path)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Tiny]:
    stack = Tiny(tmp_path / "home")
    yield stack
    stack.close()


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if is_alive(pid)]


def test_processes_start_after_their_needs_and_stop_before_them(tiny: Tiny) -> None:
    running = tiny.up()
    everything = descendants(running.pid)

    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=30)

    assert journal(tiny.home.path) == ["back started", "front started", "front stopped", "back stopped"]
    assert running.returncode == 0
    assert f"MCPanel is up: http://127.0.0.1:{tiny.ports.edge}" in output
    assert len(everything) == 4
    assert alive(everything) == []


def test_a_process_that_dies_is_restarted_and_named(tiny: Tiny) -> None:
    running = tiny.up()
    first = tiny.pid("back")

    os.kill(first, signal.SIGKILL)

    eventually(lambda: journal(tiny.home.path).count("back started") == 2)
    eventually(lambda: "restarting" not in status.report(tiny.home) and tiny.pid("back") != first)
    running.send_signal(signal.SIGTERM)
    output, _ = running.communicate(timeout=30)
    assert "back exited with -9; restarted (1)" in output.splitlines()


def test_a_process_waits_for_what_it_needs_before_it_starts_again(tiny: Tiny) -> None:
    running = tiny.up()
    (tiny.home.path / "fail.back").touch()

    os.kill(tiny.pid("back"), signal.SIGKILL)
    os.kill(tiny.pid("front"), signal.SIGKILL)
    eventually(lambda: "teapot" in tiny.home.logs.joinpath("back.log").read_text())
    (tiny.home.path / "fail.back").unlink()

    eventually(lambda: journal(tiny.home.path).count("front started") == 2)
    assert journal(tiny.home.path)[-2:] == ["back started", "front started"]
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)


def test_a_process_that_keeps_failing_ends_the_start_with_its_last_words(tiny: Tiny) -> None:
    tiny.home.prepare({})
    (tiny.home.path / "fail.front").touch()

    failing = tiny.command("up")
    output, _ = failing.communicate(timeout=60)

    assert failing.returncode == 1
    assert "front ended 3 times within 30 s, last with 1; giving up" in output
    assert "front cannot find its teapot" in output
    assert "Traceback" not in output
    assert journal(tiny.home.path)[-1] == "back stopped"


def test_killing_the_supervisor_leaves_nothing_and_the_lock_is_free(tiny: Tiny) -> None:
    running = tiny.up()
    named = [tiny.pid("front"), tiny.pid("back")]

    running.kill()
    running.wait()

    eventually(lambda: alive(named) == [])
    again = tiny.up()
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0


def test_a_second_up_names_the_first(tiny: Tiny) -> None:
    running = tiny.up()

    second = tiny.command("up")
    output, _ = second.communicate(timeout=30)

    assert second.returncode == 1
    assert f"already running in {tiny.home.path} (pid {running.pid}): make down stops it" in output
    assert running.poll() is None


def test_down_stops_a_detached_stack_and_waits_for_it(tiny: Tiny) -> None:
    start = tiny.command("up", "--detach")
    shown, _ = start.communicate(timeout=30)
    found = status.read(tiny.home)
    assert found is not None
    everything = [found["pid"], *descendants(found["pid"])]

    stop = tiny.command("down")
    stopped, _ = stop.communicate(timeout=30)

    assert (start.returncode, stop.returncode) == (0, 0)
    assert "ready" in shown
    assert f"(pid {found['pid']})" in stopped
    assert len(everything) == 5
    assert alive(everything) == []
    assert Lock(tiny.home).holder() is None


def test_a_failing_detached_start_says_why(tiny: Tiny) -> None:
    tiny.home.prepare({})
    (tiny.home.path / "fail.back").touch()

    failing = tiny.command("up", "--detach")
    output, _ = failing.communicate(timeout=60)

    assert failing.returncode == 1
    assert "back cannot find its teapot" in output


def test_status_shows_each_process_with_its_memory(tiny: Tiny) -> None:
    running = tiny.up()

    report = status.report(tiny.home)

    lines = report.splitlines()
    assert [line.split()[0] for line in lines] == ["process", "front", "back", "supervisor", "total"]
    assert lines[1].split()[1] == str(tiny.pid("front"))
    assert float(lines[-1].split()[-1]) > float(lines[-2].split()[-1]) > 0
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)
    assert status.report(tiny.home) == f"MCPanel is not running in {tiny.home.path}"


def test_a_taken_port_is_named_with_the_setting_that_moves_it(tiny: Tiny) -> None:
    running = tiny.up()

    other = tiny.command("up", MCPANEL_HOME=str(tiny.home.path.parent / "other"))
    output, _ = other.communicate(timeout=30)

    assert other.returncode == 1
    assert f"port {tiny.ports.edge} (edge) is taken by python" in output
    assert f"(pid {tiny.pid('front')})" in output
    assert "MCPANEL_PORT=…" in output
    assert running.poll() is None


@pytest.fixture
def connection(tiny: Tiny) -> Iterator[socket.socket]:
    """An outgoing connection from the port of `back`, which leaves it at once when it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.bind(("127.0.0.1", tiny.ports.registry))
        client.connect(server.getsockname())
        yield client


def test_an_outgoing_connection_from_one_of_our_ports_is_waited_for(
    tiny: Tiny, connection: socket.socket
) -> None:
    running = tiny.command("up")
    assert running.stdout is not None
    said = [running.stdout.readline() for _ in range(2)]
    connection.close()
    eventually(lambda: status.is_ready(tiny.home, running.pid))

    running.send_signal(signal.SIGTERM)
    output, _ = running.communicate(timeout=30)

    held = f"port {tiny.ports.registry} (registry) is held by an outgoing connection of "
    assert said[1].startswith(held)
    assert f"(pid {os.getpid()}); waiting up to" in said[1]
    assert held not in output
    assert running.returncode == 0


def test_a_start_that_waits_for_a_port_can_be_stopped(tiny: Tiny, connection: socket.socket) -> None:
    running = tiny.command("up")
    assert running.stdout is not None
    while "is held by" not in running.stdout.readline():
        pass

    running.send_signal(signal.SIGTERM)
    output, _ = running.communicate(timeout=30)

    assert output == "stopped\n"
    assert journal(tiny.home.path) == []


async def test_an_outgoing_connection_that_does_not_end_is_named_with_the_setting(
    tiny: Tiny, connection: socket.socket
) -> None:
    said: list[str] = []

    with pytest.raises(InUseError) as caught:
        await become_free("registry", tiny.ports.registry, said.append, patience=0.3)

    assert f"port {tiny.ports.registry} (registry) is held by an outgoing connection" in str(caught.value)
    assert str(caught.value).endswith("or choose another port with MCPANEL_REGISTRY_PORT=…")
    assert len(said) == 1


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("MCPANEL_MIN_FREE_MB", "99999999999", "is full:"),
        ("MCPANEL_HOME", "/proc/nowhere", "choose another folder with MCPANEL_HOME=…"),
        ("MCPANEL_HOME", "/tmp/" + "x" * 240, "is too long"),
        ("MCPANEL_HOME", "/etc/hostname", "is not a folder"),
        ("MCPANEL_PORT", "http", "MCPANEL_PORT='http' is not a port"),
    ],
)
def test_what_cannot_work_gets_one_sentence(tiny: Tiny, setting: str, value: str, sentence: str) -> None:
    failing = tiny.command("up", **{setting: value})
    output, _ = failing.communicate(timeout=30)

    assert failing.returncode == 1
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert sentence in line
    assert "Traceback" not in output


def test_a_full_disk_while_running_is_explained() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/keys/x")

    assert "the disk that holds /data is full" in str(explain(error, Path("/data")))


@pytest.mark.parametrize("version", [(3, 10), (3, 15)])
def test_an_unsupported_python_is_refused(version: tuple[int, int]) -> None:
    with pytest.raises(StackError, match=r"Python 3\.1\d is not supported: MCPanel needs 3\.11"):
        require_python(version)


def test_a_large_log_is_rotated_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"a" * 100)

        rotate(log, limit=50)
        writer.write(b"after")

    assert log.read_bytes() == b"after"
    assert log.with_name("x.log.1").read_bytes() == b"a" * 100
