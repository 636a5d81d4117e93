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
from tests.bench import dependencies, processor, workloads
from tests.support.stack import Stack
from tests.system.console import Console

STEPS = 40
BESIDE = 10
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
    print(f"| {name:<50} | {value:>10} | {beside:>18} | {ratio:>6} |", flush=True)  # noqa: T201


def ms(seconds: float, digits: int = 0) -> str:
    """Seconds as milliseconds."""
    return f"{seconds * 1e3:.{digits}f} ms"


def times(ratio: float) -> str:
    """A ratio."""
    return f"{ratio:.2f}"


def bare(stack: Stack, workload: str, number: int, repeats: int = 1) -> list[float]:
    """The seconds of each repeat of the bare workload, on the stack's own PostgreSQL."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench.baseline", workload, str(number), str(repeats)],
        input=stack.database_url("registry"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [float(line) for line in answer.stdout.split()]


class Bench:
    """The workloads, one after another; each prints its rows."""

    def __init__(self, stack: Stack, client: workloads.Client) -> None:
        self._stack = stack
        self._client = client

    async def _medians(self, workflow: str, repeats: int) -> float:
        await workloads.timed(self._client, workflow)
        return statistics.median([await workloads.timed(self._client, workflow) for _ in range(repeats)])

    async def in_a_row(self) -> None:
        """W1."""
        ours = await self._medians(await workloads.chain(self._client, STEPS), REPEATS)
        other = statistics.median(bare(self._stack, "chain", STEPS, REPEATS))
        row(f"W1 {STEPS} steps in a row", ms(ours), ms(other), times(ours / other))
        row("W1 per step", ms(ours / STEPS, 2), ms(other / STEPS, 2))

    async def beside_each_other(self) -> None:
        """W2."""
        workflow = await workloads.parallel(self._client, BESIDE)
        await workloads.timed(self._client, workflow)
        measured = [await workloads.timed_beside_ideal(self._client, workflow) for _ in range(REPEATS)]
        ours, ideal = sorted(measured, key=lambda one: one[0] / one[1])[REPEATS // 2]
        row(
            f"W2 {BESIDE} steps that compute, two at a time",
            ms(ours),
            f"{ms(ideal)} (ideal)",
            times(ours / ideal),
        )

    async def many_runs(self, runs: int) -> None:
        """W3."""
        workflow = await workloads.diamond(self._client)
        await workloads.timed(self._client, workflow)
        before = processor.used(self._stack)
        seconds, each = await workloads.flood(self._client, workflow, runs)
        used = sum(processor.used(self._stack).values()) - sum(before.values())
        other = bare(self._stack, "diamonds", runs)[0]
        rate, limit = runs * 4 / seconds, runs * 4 / other
        row(f"W3 {runs} diamonds, steps a second", f"{rate:.0f}", f"{limit:.0f}", times(rate / limit))
        row("W3 runs a second", f"{runs / seconds:.1f}")
        row("W3 a step's processor time, of all there is", ms(used / runs / 4, 2))
        row("W3 a run's latency, p50", f"{percentile(each, 0.5):.2f} s")
        row("W3 a run's latency, p99", f"{percentile(each, 0.99):.2f} s")

    async def first_lines(self) -> None:
        """W4."""
        workflow = await workloads.one_step(self._client)
        await workloads.timed(self._client, workflow)
        waits = []
        for _ in range(IDLE_RUNS):
            await asyncio.sleep(0.2)
            waits.append(await workloads.timed_to_first_line(self._client, workflow))
        others = bare(self._stack, "single", 1, IDLE_RUNS)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            ours, other = percentile(waits, share), percentile(others, share)
            row(f"W4 idle, start to first line, {name}", ms(ours, 1), ms(other, 1), times(ours / other))

    async def with_packages(self) -> None:
        """A second run of a script with packages, beside one without."""
        for package in dependencies.PACKAGES:
            ours, other = await dependencies.measured(self._client, package, REPEATS)
            row(
                f"start to first line with {package}",
                ms(ours, 1),
                f"{ms(other, 1)} (none)",
                f"{(ours - other) * 1e3:+.1f}",
            )

    async def large(self, items: int) -> None:
        """W8: ten times the bytes or items cost ten times as much; from 256 KiB on, values go by reference."""
        small, big = 16 * 1024, 160 * 1024
        ours = await self._medians(await workloads.payload(self._client, big), 5)
        other = await self._medians(await workloads.payload(self._client, small), 5)
        row("W8 160 KB through 5 steps, beside 16 KB", ms(ours), ms(other), times(ours / other))
        one = await self._medians(await workloads.payload(self._client, 1024 * 1024), 3)
        ten = await self._medians(await workloads.payload(self._client, 10 * 1024 * 1024), 3)
        row("W8 10 MB through 5 steps, beside 1 MB", ms(ten), ms(one), times(ten / one))
        few = await workloads.timed(self._client, await workloads.fan_out(self._client, items // 10))
        many = await workloads.timed(self._client, await workloads.fan_out(self._client, items))
        row(
            f"W8 {items} items, each, beside {items // 10}",
            ms(many / items, 2),
            ms(few / (items // 10), 2),
            times(many / few / 10),
        )


async def measure(stack: Stack, warm_start: float, runs: int, items: int) -> None:
    """Runs everything and prints the table."""
    async with stack.http() as http, stack.grpc_channel() as channel:
        bench = Bench(stack, workloads.Client(stack, Console(http), channel))
        row("workload (each step: a child of its own in a cell)", "MCPanel", "bare", "ratio")
        row("-" * 50, "-" * 10, "-" * 18, "-" * 6)
        await asyncio.sleep(2)
        idle = pss(stack)
        await bench.in_a_row()
        await bench.beside_each_other()
        await bench.first_lines()
        await bench.with_packages()
        if runs:
            await bench.many_runs(runs)
        afterwards = pss(stack)
        if items:
            await bench.large(items)
        row("W5 memory idle (PSS of everything)", f"{idle:.0f} MB")
        row("W5 memory after W3", f"{afterwards:.0f} MB", f"{idle:.0f} MB (idle)", times(afterwards / idle))
        row("W5 warm start", f"{warm_start:.1f} s")


def main(arguments: list[str]) -> None:
    """`python -m tests.bench [RUNS [ITEMS]]`: diamonds of W3 and items of W8; 0 leaves the workload out."""
    runs = int(arguments[0]) if arguments else 1000
    items = int(arguments[1]) if len(arguments) > 1 else 10_000
    with (
        tempfile.TemporaryDirectory(prefix="mcpanel-bench-") as folder,
        running(Path(folder)) as (stack, warm_start),
    ):
        asyncio.run(measure(stack, warm_start, runs, items))


if __name__ == "__main__":
    main(sys.argv[1:])
