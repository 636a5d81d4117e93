"""`make fuzz`: a stack of its own, asked by chance for some minutes: no failure of its own, no hang, flat memory.

First the apps' listener is asked, with bytes that are nearly HTTP; then every RPC at the services, with messages made
from the contracts; then every REST operation, with schemathesis, through the edge. The same seed makes the same
requests. The exit status is 1 when something is found.
"""

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from stack.memory import alone, weight
from tests.fuzz import apps, rest, world
from tests.fuzz.rpc import HANG_SECONDS, Fuzzer
from tests.support.stack import Stack

_MORE_MEGABYTES = 40
"""What a process may gain between its warm-up and the end: caches that fill, and the allocator's habits."""


def say(line: str = "") -> None:
    """Prints a line at once."""
    print(line, flush=True)  # noqa: T201


def megabytes(stack: Stack) -> dict[str, float]:
    """What each process weighs with its children; the worker without, whose cells depend on what ran."""
    pids = stack.pids()
    weights = weight(list(pids.values()))
    weights[pids["worker"]] = alone(pids["worker"])
    return {name: weights[pid] / 1e6 for name, pid in pids.items()}


async def storm(stack: Stack, folder: Path, seed: int, seconds: float) -> list[str]:
    """Asks for so long; what was found."""
    await world.prepare(stack)
    pids = stack.pids()
    app = await apps.start(stack)
    statuses, found_in_apps = await apps.run(stack, app, seed, seconds * 0.1, HANG_SECONDS)
    fuzzer = Fuzzer(stack, seed)
    await fuzzer.run(seconds * 0.2)
    before = megabytes(stack)
    await fuzzer.run(seconds * 0.3)
    middle = megabytes(stack)
    code, report = await rest.run(stack, folder, seed, seconds * 0.4, HANG_SECONDS)
    after = megabytes(stack)

    found = [*map(str, fuzzer.tally.findings.values()), *found_in_apps]
    if code:
        found.append(report)
    found += [f"{name} died" for name, pid in stack.pids().items() if pids.get(name) != pid]
    found += [
        f"{name} grew from {before[name]:.0f} to {after[name]:.0f} MB"
        for name in before
        if after[name] - before[name] > _MORE_MEGABYTES
    ]
    say(f"| {'process':<14} | {'warm':>8} | {'after gRPC':>10} | {'after REST':>10} |")
    say(f"|{'-' * 16}|{'-' * 9}:|{'-' * 11}:|{'-' * 11}:|")
    for name in before:
        say(f"| {name:<14} | {before[name]:>5.0f} MB | {middle[name]:>7.0f} MB | {after[name]:>7.0f} MB |")
    codes = ", ".join(f"{count} {code}" for code, count in fuzzer.tally.codes.most_common())
    say(f"\ngRPC: {sum(fuzzer.tally.calls.values())} calls to {len(fuzzer.tally.calls)} methods: {codes}")
    say(f"apps: {', '.join(f'{count} {status}' for status, count in statuses.most_common())}")
    say(f"REST: {next((line for line in report.splitlines() if 'generated' in line), '').strip()}")
    return found


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="mcpanel-fuzz-"))
    say(f"seed {options.seed}, {options.minutes:g} minutes, in {folder}")
    stack = Stack(folder / "stack")
    try:
        stack.start()
        found = asyncio.run(storm(stack, folder, options.seed, options.minutes * 60))
    finally:
        stack.stop()
    for one in found:
        say(f"FOUND {one}")
    say(f"{len(found)} found, seed {options.seed}")
    if not found:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
