"""A small stack for the supervisor's tests, `python -m tests.support.tiny up`: its programs only listen.

`front` needs `back`. Each writes what happens to it into `$MCPANEL_HOME/journal`. A file `fail.<name>` in the
home makes the program end at once.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from stack.__main__ import main
from stack.child import base_environment, spawn
from stack.table import Process, Site, log_of

PROGRAM = """
import os, pathlib, signal, socket, subprocess, sys
name, port, home = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
def note(word):
    with open(home / "journal", "a") as file:
        file.write(f"{name} {word}\\n")
if (home / f"fail.{name}").exists():
    sys.exit(f"{name} cannot find its teapot")
def stop(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
child = subprocess.Popen(["sleep", "600"])  # a helper that nobody stops but its process group
with open(home / "groups", "a") as file:
    file.write(f"{os.getpid()}\\n")
server = socket.create_server(("127.0.0.1", port))
note("started")
while True:
    server.accept()[0].close()
"""


def process(name: str, listener: str, stops: int, needs: tuple[str, ...] = ()) -> Process:
    """A program that listens on the port of `listener`."""

    def start(site: Site) -> subprocess.Popen[bytes]:
        arguments = [name, str(site.port(listener)), str(site.home.path)]
        program = [sys.executable, "-I", "-S", "-c", PROGRAM, *arguments]
        return spawn(program, env=base_environment(), log=log_of(site, name))

    return Process(name, name, start, needs, ("tcp", listener), (listener,), stops, grace=5)


TINY = (process("front", "edge", 0, needs=("back",)), process("back", "registry", 1))


def sweep(home: Path) -> None:
    """Kills the process groups of all programs that ever ran there: the helpers of a supervisor that was killed."""
    path = home / "groups"
    for group in path.read_text().split() if path.exists() else []:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(group), signal.SIGKILL)


def journal(home: Path) -> list[str]:
    """What the programs wrote, in order."""
    path = home / "journal"
    return path.read_text().splitlines() if path.exists() else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], TINY, "tests.support.tiny"))
