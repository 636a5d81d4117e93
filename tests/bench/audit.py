"""`python -m tests.bench.audit [RUNS]`: what the action log takes in, how far behind it is, and what it costs runs.

Runs with the log and runs without it alternate (with, held, held, with) on one stack, so that what the machine does
meanwhile falls on both. Held means that somebody else is the sequencer: services keep their records and try again, as
when audit is away; what they kept is written before the next measurement begins. Beside the time stands the processor
time of everything the stack runs: on a machine that has nothing else to give, that is what runs are slowed by, and it
is the same however busy the machine is.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from audit.store import SEQUENCER
from chassis import ids
from chassis.client import channel
from chassis.config import Address
from mcpanel.audit.v1 import audit_pb2, audit_pb2_grpc
from tests.bench import processor, workloads
from tests.bench.__main__ import ms, percentile, row, running, times
from tests.support.stack import Stack
from tests.system.console import Console

BATCH = 500
BATCHES = 40
ROUNDS = 2
QUIET_SECONDS = 3.0


def batch() -> audit_pb2.AppendRecordsRequest:
    """A batch as the engine sends it: changes of steps' statuses, of one person's runs."""
    now = datetime.now(UTC)
    records = []
    for number in range(BATCH):
        one = audit_pb2.Record(record_id=ids.uuid7(now), action="STEP_STATUS_CHANGED", entity_type="step")
        one.time.FromDatetime(now)
        one.actor.CopyFrom(audit_pb2.Actor(id="u1", kind="user", name="ada@example.com"))
        one.entity_id = f"{one.record_id}/step"
        one.details.update({"status": "RUNNING", "step_id": "step", "attempt": number, "workflow": "diamond"})
        records.append(one)
    return audit_pb2.AppendRecordsRequest(records=records)


async def capacity(stack: Stack) -> float:
    """Records a second that audit takes from one sender, batch after batch."""
    address = Address("127.0.0.1", stack.ports.audit)
    async with channel(address, peer="audit", key=stack.key("engine")) as connection:
        stub = audit_pb2_grpc.AuditServiceStub(connection)
        await stub.AppendRecords(batch())
        made = [batch() for _ in range(BATCHES)]
        started = time.perf_counter()
        for one in made:
            await stub.AppendRecords(one)
        return BATCH * BATCHES / (time.perf_counter() - started)


@contextmanager
def held(stack: Stack) -> Iterator[None]:
    """Nothing is appended meanwhile."""
    with stack.superuser("audit") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (SEQUENCER,))
        yield


async def size(console: Console) -> int:
    """How many entries the log has."""
    found = await console.call("GET", "/api/v1/action-log-checkpoint")
    return int(found["checkpoint"]["treeSize"])


async def settled(console: Console) -> float:
    """Waits until nothing was appended for three seconds; the seconds until the last entry came."""
    started = time.perf_counter()
    last, since = await size(console), started
    while time.perf_counter() - since < QUIET_SECONDS:
        await asyncio.sleep(0.05)
        if (now := await size(console)) != last:
            last, since = now, time.perf_counter()
    return since - started


async def lags(console: Console, first: int) -> list[float]:
    """How many seconds after it happened each entry from `first` on was recorded."""
    found = []
    async with console.http.stream("GET", f"/api/v1/action-logs:export?from_index={first}") as answer:
        async for line in answer.aiter_lines():
            entry = json.loads(line).get("entry", {}).get("actionLog")
            if entry is not None:
                times_of = [datetime.fromisoformat(entry[name]) for name in ("recordedAt", "time")]
                found.append((times_of[0] - times_of[1]).total_seconds())
    return found


@dataclass
class Cost:
    """What floods took."""

    seconds: float = 0.0
    used: Counter[str] = field(default_factory=Counter)

    async def flood(self, stack: Stack, client: workloads.Client, workflow: str, runs: int) -> None:
        """Adds one."""
        before = processor.used(stack)
        self.seconds += (await workloads.flood(client, workflow, runs))[0]
        self.used.update({name: used - before.get(name, 0.0) for name, used in processor.used(stack).items()})


async def measure(stack: Stack, runs: int) -> None:
    """Prints the table."""
    async with stack.http() as http, stack.grpc_channel() as edge:
        console = Console(http)
        client = workloads.Client(stack, console, edge)
        row("the action log", "with it", "held", "ratio")
        row("-" * 50, "-" * 10, "-" * 18, "-" * 6)
        workflow = await workloads.diamond(client)
        await workloads.flood(client, workflow, max(10, runs // 10))
        await settled(console)
        ours, without = Cost(), Cost()
        behind, drained = list[float](), list[float]()
        for on in (True, False, False, True) * ROUNDS:
            first = await size(console)
            if on:
                await ours.flood(stack, client, workflow, runs)
                drained.append(await settled(console))
                behind += await lags(console, first)
            else:
                with held(stack):
                    await without.flood(stack, client, workflow, runs)
                await settled(console)
        steps = 4 * runs * 2 * ROUNDS
        row(
            f"{runs} diamonds, steps a second",
            f"{steps / ours.seconds:.0f}",
            f"{steps / without.seconds:.0f}",
            times(ours.seconds / without.seconds),
        )
        whole = [sum(one.used.values()) / steps for one in (ours, without)]
        row("a step's processor time", ms(whole[0], 2), ms(whole[1], 2), times(whole[0] / whole[1]))
        for name in sorted(ours.used, key=ours.used.__getitem__, reverse=True)[:5]:
            each = [one.used[name] / steps for one in (ours, without)]
            row(f"- of it {name}", ms(each[0], 2), ms(each[1], 2))
        row("an entry is behind what happened, p50", ms(percentile(behind, 0.5)))
        row("an entry is behind what happened, p99", ms(percentile(behind, 0.99)))
        row("the last entry after the last run's end", ms(max(drained)))
        row("records a second, alone", f"{await capacity(stack):.0f}")


def main(arguments: list[str]) -> None:
    """Measures, with so many runs of a diamond in each round."""
    runs = int(arguments[0]) if arguments else 200
    with (
        tempfile.TemporaryDirectory(prefix="mcpanel-bench-") as folder,
        running(Path(folder)) as (stack, _),
    ):
        asyncio.run(measure(stack, runs))


if __name__ == "__main__":
    main(sys.argv[1:])
