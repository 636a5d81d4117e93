"""The command line: `python -m stack up | down | status | run | rotate`."""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from chassis.config import load_dotenv
from stack import rotation, status
from stack.errors import StackError
from stack.home import Home, Lock
from stack.memory import is_alive
from stack.ports import Ports
from stack.supervisor import Supervisor
from stack.table import Entry, Site, checked, table

_OLDEST, _NEWEST = (3, 11), (3, 15)


def main(
    arguments: Sequence[str] | None = None,
    entries: Sequence[Entry] | None = None,
    module: str = "stack",
) -> int:
    """Carry out one command on a stack of these entries; the exit code. `module` is what `-m` runs again."""
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything and keep it alive until Ctrl-C")
    up.add_argument("--detach", action="store_true", help="return when everything is ready")
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("status", help="show each process, its age, restarts and memory")
    example = commands.add_parser("run", help="run an example, on a stack that is up or a new one")
    example.add_argument("name", help="a folder in examples/")
    example.add_argument("--once", action="store_true", help="wait for nobody, and stop what it started")
    rotated = commands.add_parser("rotate", help="replace a key while everything runs")
    rotated.add_argument("name", choices=rotation.NAMES, help="the key, or the account whose API key it is")
    options = parser.parse_args(arguments)
    try:
        require_python(sys.version_info[:2])
        load_dotenv()
        home = Home.from_environment(os.environ)
        match options.command:
            case "up" if options.detach:
                return detach(home, module)
            case "up":
                return bring_up(home, table(os.environ) if entries is None else entries)
            case "down":
                return bring_down(home)
            case "run":
                return run_example(home, options.name, module, once=options.once)
            case "rotate":
                say(rotation.rotate(home, options.name))
                return 0
            case _:
                say(status.report(home))
                return 0
    except StackError as error:
        say(f"error: {error}", sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


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


def bring_up(home: Home, entries: Sequence[Entry]) -> int:
    """Run the stack in the foreground until a signal."""
    site = Site(home, Ports.from_environment(os.environ), os.environ)
    edge = checked(site, entries)  # what is wrong with it is said before anything starts
    scheme = "http" if edge.certificate is None else "https"
    begun = time.monotonic()

    def ready() -> None:
        say(f"MCPanel is up: {scheme}://127.0.0.1:{site.ports.edge} ({time.monotonic() - begun:.1f} s)")
        say(f"  the admin key is in {home.keys / 'admin.key'}; Ctrl-C or `make down` stops it")

    say(f"starting MCPanel in {home.path}")
    asyncio.run(Supervisor(site, entries, say).run(ready))
    say("stopped")
    return 0


def detach(home: Home, module: str) -> int:
    """Run the stack in the background; return when it is ready, showing its progress until then."""
    home.prepare(os.environ)
    log = home.logs / "stack.log"
    with log.open("ab") as file:
        seen = file.tell()
        child = subprocess.Popen(
            [sys.executable, "-m", module, "up"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not status.is_ready(home, child.pid):
            ended = child.poll() is not None
            seen = _show(log, seen)
            if ended:
                return child.returncode or 1
            time.sleep(0.05)
    except (KeyboardInterrupt, SystemExit):
        child.terminate()
        child.wait()
        raise
    _show(log, seen)
    child.returncode = 0  # it stays, and Popen shall not complain about that
    return 0


def run_example(home: Home, name: str, module: str, *, once: bool) -> int:
    """Run an example, starting the stack if none runs here."""
    from stack import examples, run  # noqa: PLC0415 - a supervisor has no use for an HTTP client

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it started is stopped
    examples.load(name)  # a wrong name need not wait for a start
    found = status.read(home)
    if found is not None and found["ready"]:
        return run.run(name, home, Ports.from_recorded(found["ports"]), say, leaves=once)
    if code := detach(home, module):
        return code
    try:
        return run.run(name, home, Ports.from_environment(os.environ), say, stops=once, leaves=once)
    finally:
        if once:
            bring_down(home)
        else:
            say("MCPanel stays up; `make down` stops it")


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
    while lock.holder() == pid or is_alive(pid):
        if time.monotonic() > end:
            raise StackError(
                f"MCPanel (pid {pid}) did not stop in 120 s: kill -9 {pid} ends it and all it started"
            )
        time.sleep(0.05)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)  # ours, when an example run started it
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
