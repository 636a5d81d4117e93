"""`make bench`: starts a stack of its own, runs the workloads and the bare baseline, prints one table."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.memory import weight
from tests.bench import workloads
from tests.support.stack import Stack
from tests.system.console import Console

STEPS = 40
REPEATS = 7
IDLE_RUNS = 20


@contextmanager
def running(folder: Path) -> Iterator[tuple[Stack, float]]:
    """A stack of the benchmark's own, and the seconds its warm start took."""
    stack = Stack(folder)
    stack.start()
    stack.stop()
    started = time.perf_counter()
    stack.start()
    try:
        yield stack, time.perf_counter() - started
    finally:
        stack.stop()


def pss(stack: Stack) -> float:
    """The memory of everything the stack started, in MB (PSS)."""
    assert stack.process is not None
    return weight([stack.process.pid])[stack.process.pid] / 1e6


def percentile(values: list[float], share: float) -> float:
    """The value below which that share of the sorted values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def row(name: str, value: str, beside: str = "", ratio: str = "") -> None:
    """Prints a line of the table."""
    print(f"| {name:<50} | {value:>10} | {beside:>10} | {ratio:>6} |", flush=True)  # noqa: T201


def bare(stack: Stack, steps: int) -> list[float]:
    """The seconds of each repeat of the bare chain, on the stack's own PostgreSQL."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench.baseline", str(steps), str(REPEATS)],
        input=stack.database_url("registry"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [float(line) for line in answer.stdout.split()]


async def measure(stack: Stack, warm_start: float, floods: int) -> None:
    """Runs everything and prints the table."""
    async with stack.http() as http, stack.grpc_channel() as channel:
        client = workloads.Client(stack, Console(http), channel)
        row("workload (each step: a child of its own in a cell)", "MCPanel", "bare", "ratio")
        row("-" * 50, "-" * 10, "-" * 10, "-" * 6)
        idle = pss(stack)

        workflow = await workloads.chain(client, STEPS)
        await workloads.timed(client, workflow)
        ours = statistics.median([await workloads.timed(client, workflow) for _ in range(REPEATS)])
        other = statistics.median(bare(stack, STEPS))
        row(
            f"W1 {STEPS} steps in a row, median",
            f"{ours * 1e3:.0f} ms",
            f"{other * 1e3:.0f} ms",
            f"{ours / other:.1f}",
        )
        row("W1 per step", f"{ours / STEPS * 1e3:.2f} ms", f"{other / STEPS * 1e3:.2f} ms")

        workflow = await workloads.one_step(client)
        await workloads.timed(client, workflow)
        waits = []
        for _ in range(IDLE_RUNS):
            await asyncio.sleep(0.2)
            waits.append(await workloads.timed_to_first_line(client, workflow))
        row("W4 idle, start to first line, p50", f"{percentile(waits, 0.5) * 1e3:.1f} ms")
        row("W4 idle, start to first line, p99", f"{percentile(waits, 0.99) * 1e3:.1f} ms")

        if floods:
            workflow = await workloads.diamond(client)
            await workloads.timed(client, workflow)
            seconds, each = await workloads.flood(client, workflow, floods)
            row(f"W3 {floods} diamonds, steps a second", f"{floods * 4 / seconds:.0f}")
            row("W3 run latency p50", f"{percentile(each, 0.5):.2f} s")
            row("W3 run latency p99", f"{percentile(each, 0.99):.2f} s")

        row("W5 memory idle (PSS of everything)", f"{idle:.0f} MB")
        row("W5 memory afterwards", f"{pss(stack):.0f} MB", f"{idle:.0f} MB", f"{pss(stack) / idle:.2f}")
        row("W5 warm start", f"{warm_start:.1f} s")


def main(arguments: list[str]) -> None:
    """`python -m tests.bench [RUNS]`: RUNS diamonds for W3 (default 200; 0 leaves W3 out)."""
    floods = int(arguments[0]) if arguments else 200
    with (
        tempfile.TemporaryDirectory(prefix="mcpanel-bench-") as folder,
        running(Path(folder)) as (stack, warm_start),
    ):
        asyncio.run(measure(stack, warm_start, floods))


if __name__ == "__main__":
    main(sys.argv[1:])
