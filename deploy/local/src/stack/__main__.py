"""The command line: `python -m stack up | down | status | run`."""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from chassis.config import load_dotenv
from stack import status
from stack.errors import StackError
from stack.home import Home, Lock
from stack.ports import Ports
from stack.supervisor import Supervisor
from stack.table import TABLE, Entry, Site

_OLDEST, _NEWEST = (3, 11), (3, 15)


def main(arguments: Sequence[str] | None = None, table: Sequence[Entry] = TABLE) -> int:
    """Carry out one command on a stack of these entries; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything and keep it alive until Ctrl-C")
    up.add_argument("--detach", action="store_true", help="return when everything is ready")
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("status", help="show each process, its age, restarts and memory")
    options = parser.parse_args(arguments)
    try:
        require_python(sys.version_info[:2])
        load_dotenv()
        home = Home.from_environment(os.environ)
        match options.command:
            case "up" if options.detach:
                return detach(home)
            case "up":
                return bring_up(home, table)
            case "down":
                return bring_down(home)
            case _:
                say(status.report(home))
                return 0
    except StackError as error:
        say(f"error: {error}", sys.stderr)
        return 1


def say(line: str, stream: object = None) -> None:
    """Show a line at once; a terminal that is gone is no reason to stop."""
    try:
        print(line, file=stream or sys.stdout, flush=True)  # type: ignore[arg-type]
    except OSError:
        return


def require_python(version: tuple[int, ...]) -> None:
    """Raise StackError when this Python is not supported."""
    if not _OLDEST <= version < _NEWEST:
        found = ".".join(map(str, version))
        raise StackError(f"Python {found} is not supported: MCPanel needs 3.11 or newer, before 3.15")


def bring_up(home: Home, table: Sequence[Entry]) -> int:
    """Run the stack in the foreground until a signal."""
    site = Site(home, Ports.from_environment(os.environ), os.environ)
    begun = time.monotonic()

    def ready() -> None:
        say(f"MCPanel is up: http://127.0.0.1:{site.ports.edge} ({time.monotonic() - begun:.1f} s)")
        say(f"  the admin key is in {home.keys / 'admin.key'}; Ctrl-C or `make down` stops it")

    say(f"starting MCPanel in {home.path}")
    try:
        asyncio.run(Supervisor(site, table, say).run(ready))
    except KeyboardInterrupt:
        return 130
    say("stopped")
    return 0


def detach(home: Home) -> int:
    """Run the stack in the background; return when it is ready, showing its progress until then."""
    home.prepare(os.environ)
    log = home.logs / "stack.log"
    with log.open("ab") as file:
        seen = file.tell()
        child = subprocess.Popen(
            [sys.executable, *(word for word in sys.orig_argv[1:] if word != "--detach")],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while True:
        ended = child.poll() is not None
        seen = _show(log, seen)
        if ended:
            return child.returncode or 1
        if status.is_ready(home, child.pid):
            _show(log, seen)
            child.returncode = 0  # it stays; Popen shall not complain about it
            return 0
        time.sleep(0.05)


def _show(log: Path, position: int) -> int:
    with log.open("rb") as file:
        file.seek(position)
        text = file.read()
    sys.stdout.write(text.decode(errors="replace"))
    sys.stdout.flush()
    return position + len(text)


def bring_down(home: Home) -> int:
    """Stop the stack that holds this home's lock and wait until it is gone."""
    lock = Lock(home)
    pid = lock.holder()
    if pid is None:
        say(f"MCPanel is not running in {home.path}")
        return 0
    os.kill(pid, signal.SIGTERM)
    say(f"stopping MCPanel (pid {pid}) …")
    end = time.monotonic() + 120
    while lock.holder() == pid:
        if time.monotonic() > end:
            raise StackError(
                f"MCPanel (pid {pid}) did not stop in 120 s: kill -9 {pid} ends it and all it started"
            )
        time.sleep(0.05)
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
