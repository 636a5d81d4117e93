"""`python -m tests.bench.full`: what full tables cost. Measures with few runs and with very many; prints the ratios."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc.aio
import psycopg

from mcpanel.engine.v1 import engine_pb2, engine_pb2_grpc, run_pb2
from tests.bench import workloads
from tests.bench.__main__ import percentile, row, running
from tests.support.stack import Stack
from tests.system.console import Console

REPEATS = 60
FEW = (
    5_000,
    100,
)  # finished and queued: enough that every list's first page is full, so that both answer the same
FINISHED = 1_000_000
QUEUED = 10_000

Measure = Callable[[], Awaitable[None]]

_COLUMNS = """workflow_version, is_public, owner_id, plan, started_by_kind, started_by_name, trace_id, inputs,
    step_count, last_seq, status_seq, audited_seq, unaudited"""
_ID = """(lpad(to_hex((extract(epoch FROM made) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
    || substr(md5(n::text), 4, 15))::uuid"""
_RUNS = f"""
INSERT INTO runs (id, workflow_id, workflow_name, started_by, status, created_at, started_at, ended_at, begun,
    {_COLUMNS})
SELECT {_ID}, 'w' || n %% 50, 'flow-' || n %% 50, %(who)s || n %% 20,
    CASE WHEN n %% 20 = 0 THEN 'FAILED' WHEN n %% 97 = 0 THEN 'ABORTED' ELSE 'SUCCESS' END, made, made,
    made + n %% 1000 * interval '50 ms', true, {_COLUMNS}
FROM runs, LATERAL (SELECT n, now() - interval '1 minute' - (%(most)s - n) * interval '8 seconds' AS made
    FROM generate_series(%(first)s::int, %(last)s::int) AS n) AS numbers
WHERE runs.id = %(run)s"""
_PARTS = (
    """INSERT INTO run_steps (run_id, step_id, kind, lane, status, attempt, epoch, worker_id, stopping)
       SELECT id, 'only', 'PYTHON_SCRIPT', 'PYTHON_SCRIPT', 'SUCCESS', 1, 1, 'w', false
       FROM runs WHERE started_by LIKE %(who)s || '%%'""",
    """INSERT INTO attempts (run_id, step_id, number, epoch, worker_id, isolation, status, started_at, ended_at)
       SELECT id, 'only', 1, 1, 'w', 'cell', 'SUCCESS', created_at, ended_at
       FROM runs WHERE started_by LIKE %(who)s || '%%'""",
    """INSERT INTO run_events (run_id, seq, time, kind, body)
       SELECT id, n, created_at, 'run_status_change', '' FROM runs, generate_series(1, 2) AS n
       WHERE started_by LIKE %(who)s || '%%'""",
    """INSERT INTO run_ends
       SELECT workflow_id, workflow_name, is_public, owner_id, started_by, status, ended_at,
           extract(epoch FROM ended_at - created_at) * 1000 FROM runs WHERE started_by LIKE %(who)s || '%%'""",
)
_QUEUE = f"""
WITH made AS (
    INSERT INTO runs (id, workflow_id, workflow_name, started_by, status, created_at, begun, {_COLUMNS})
    SELECT {_ID}, 'w1', 'flow-1', %(who)s || 1, 'PENDING', made, true, {_COLUMNS}
    FROM runs, LATERAL (SELECT n, now() - n * interval '1 ms' AS made
        FROM generate_series(10000001, 10000000 + %(most)s::int) AS n) AS numbers
    WHERE runs.id = %(run)s RETURNING id)
INSERT INTO run_steps (run_id, step_id, kind, lane, status, attempt, epoch, worker_id, stopping, due_at, inputs)
SELECT id, 'only', 'PYTHON_SCRIPT', 'PYTHON_SCRIPT;pool=nobodys', 'READY', 0, 0, '', false, now(), '{{}}' FROM made"""


def fill(stack: Stack, run_id: str, who: str, finished: int, queued: int) -> None:
    """Fills the engine's tables with copies of a run that ended, and returns when the loop that counts has counted all.

    `who` is whom they are from: another name for each call.
    """
    copied = {"run": run_id, "who": who}
    with psycopg.connect(stack.database_url("engine"), autocommit=True) as connection:
        for first in range(1, finished + 1, 100_000):
            last = min(finished, first + 99_999)
            connection.execute(_RUNS, {**copied, "first": first, "last": last, "most": finished})
        for sql in _PARTS:
            connection.execute(sql, copied)
        connection.execute(_QUEUE, {**copied, "most": queued})
        connection.execute("VACUUM ANALYZE")
        while connection.execute("SELECT 1 FROM run_ends LIMIT 1").fetchone():
            time.sleep(1)
        connection.execute("VACUUM ANALYZE")


class Calls:
    """What is measured."""

    def __init__(
        self, stack: Stack, client: workloads.Client, channel: grpc.aio.Channel, workflow: str
    ) -> None:
        self._stub = engine_pb2_grpc.EngineServiceStub(channel)
        self._metadata = stack.metadata()
        self._client = client
        self._workflow = workflow

    def measures(self) -> dict[str, Measure]:
        """Everything, by name."""
        lists = {
            "ListRuns, newest 50": "",
            "ListRuns, status FAILED": 'status = "FAILED"',
            "ListRuns, live": 'status = "RUNNING"',
            "ListRuns, of one workflow": 'workflow_name = "flow-1"',
            "ListRuns, of one key": 'run_key = "no such key"',
            "ListRuns, of one trigger": 'triggered_by = "schedule:none"',
            "ListRuns, of one limit": 'concurrency_key = "no such key"',
            "ListRuns, before 2020": 'created_at < "2020-01-01T00:00:00Z"',
        }
        found: dict[str, Measure] = {
            "StartRun": self._start,
            "StartRun to the end": self._whole,
            "WatchRuns: StartRun to the first news": self._news,
            "CountRuns by workflow": self._count,
        }
        return found | {name: self._lister(wanted) for name, wanted in lists.items()}

    def _lister(self, wanted: str) -> Measure:
        async def call() -> None:
            request = engine_pb2.ListRunsRequest(filter=wanted)
            await self._stub.ListRuns(request, metadata=self._metadata)

        return call

    async def _start(self) -> None:
        await self._client.start(self._workflow)

    async def _whole(self) -> None:
        await workloads.timed(self._client, self._workflow)

    async def _count(self) -> None:
        request = engine_pb2.CountRunsRequest(by_workflow=True)
        await self._stub.CountRuns(request, metadata=self._metadata)

    async def _news(self) -> None:
        stream: Any = self._stub.WatchRuns(engine_pb2.WatchRunsRequest(page_size=10), metadata=self._metadata)
        run_id = ""
        async for message in stream:
            if message.HasField("live"):
                run_id = await self._client.start(self._workflow)
            elif message.HasField("run") and message.run.id == run_id:
                stream.cancel()
                return


async def times(calls: Calls, repeats: int = REPEATS) -> dict[str, float]:
    """The median of each measure, in seconds."""
    found = {}
    for name, measure in calls.measures().items():
        for _ in range(8):
            await measure()
        each = []
        for _ in range(repeats):
            await asyncio.sleep(0.01)
            started = time.perf_counter()
            await measure()
            each.append(time.perf_counter() - started)
        found[name] = statistics.median(each)
        if name == "StartRun":
            await asyncio.sleep(2)
            found["StartRun, p95"] = percentile(each, 0.95)
    return found


async def measure(stack: Stack, finished: int, queued: int) -> None:
    """Measures, fills, measures again, and prints the table."""
    async with stack.http() as http, stack.grpc_channel() as channel:
        client = workloads.Client(stack, Console(http), channel)
        workflow = await workloads.one_step(client)
        run_id = await client.start(workflow)
        assert await client.ended(run_id) == run_pb2.Run.Status.Name(run_pb2.Run.SUCCESS)
        calls = Calls(stack, client, channel, workflow)
        row(f"{finished} finished, {queued} queued", "full", "few", "ratio")
        row("-" * 50, "-" * 10, "-" * 10, "-" * 6)
        await asyncio.to_thread(fill, stack, run_id, "few-", *FEW)
        await times(calls, 10)  # what is compiled, planned and connected once is not what is measured
        few = await times(calls)
        await asyncio.to_thread(fill, stack, run_id, "many-", finished, queued)
        full = await times(calls)
        for name, seconds in full.items():
            other = few[name]
            row(name, f"{seconds * 1e3:.2f} ms", f"{other * 1e3:.2f} ms", f"{seconds / other:.2f}")


def main(arguments: list[str]) -> None:
    """`python -m tests.bench.full [FINISHED [QUEUED]]`."""
    finished = int(arguments[0]) if arguments else FINISHED
    queued = int(arguments[1]) if len(arguments) > 1 else QUEUED
    with tempfile.TemporaryDirectory(prefix="mcpanel-bench-") as folder, running(Path(folder)) as (stack, _):
        asyncio.run(measure(stack, finished, queued))


if __name__ == "__main__":
    main(sys.argv[1:])
