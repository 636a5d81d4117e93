"""Cells for tests: a sandbox, a sink that remembers, and a look at what is left of a cell."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import deno  # type: ignore[import-untyped]  # ships no types

from worker.cells.attempt import Job, Outcome, Shape
from worker.cells.bubblewrap import Sandbox, compile_inside
from worker.cells.calls import Called, ToolCall
from worker.cells.cell import Cell
from worker.cells.limits import MIB, Limits
from worker.cells.pipes import RequestError
from worker.cells.profile import PYTHON, Profile
from worker.cells.usage import Budget
from worker.network import Reach

LIMITS = Limits(memory=256 * MIB, scratch=16 * MIB, file_size=16 * MIB, processes=48, log_bytes=1 * MIB)


def sandbox(limits: Limits = LIMITS, level: str = "cell") -> Sandbox:
    """A sandbox with tight limits."""
    compile_inside()
    return Sandbox(level=level, limits=limits, deno=Path(deno.find_deno_bin()))


@dataclass
class Remembering:
    """A sink that keeps everything, and answers queries with `rows`."""

    lines: list[tuple[str, str, str]] = field(default_factory=list)
    progressed: list[tuple[float, str]] = field(default_factory=list)
    previews: list[Any] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    artifacts: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    queries: list[tuple[str, str, Any, int]] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    names: list[str] = field(default_factory=lambda: ["id", "name"])
    types: list[str] = field(default_factory=lambda: ["integer", "text"])
    refuse: str = ""
    patience: float = 0.0
    """Seconds that a query takes."""
    secrets: dict[str, str] = field(default_factory=dict)
    """The values of secrets by their names; others have one made of the name."""
    written: list[tuple[str, str, bool, list[Any]]] = field(default_factory=list)
    """Source, table, whether replaced, and the parts of the rows."""
    answers: dict[str, Called] = field(default_factory=dict)
    """What components answer that are called, by their names."""
    called: list[tuple[str, Any]] = field(default_factory=list)
    budgets: list[Budget | None] = field(default_factory=list)
    """What each call was allowed to use of models."""
    outputs: list[tuple[Shape, bytes]] = field(default_factory=list)

    def log(self, stream: str, level: str, message: str, *, more: bool = False) -> None:
        """Keeps a line, or a piece of one."""
        self.lines.append((stream, level, message))

    def progress(self, fraction: float, message: str) -> None:
        """Keeps it."""
        self.progressed.append((fraction, message))

    def preview(self, value_json: bytes) -> None:
        """Keeps it."""
        self.previews.append(json.loads(value_json))

    def tool_call(self, call: ToolCall) -> None:
        """Keeps it."""
        self.calls.append(call)

    async def artifact(self, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Keeps the file, unless told to refuse."""
        if self.refuse:
            raise RequestError(self.refuse)
        content = b"".join([chunk async for chunk in chunks])
        self.artifacts[name] = (media_type, content)
        return {
            "artifact_id": "a1",
            "name": name,
            "media_type": media_type,
            "size": len(content),
            "sha256": "",
        }

    async def output(self, shape: Shape, chunks: AsyncIterator[bytes]) -> str:
        """Keeps it, unless told to refuse."""
        if self.refuse:
            raise RequestError(self.refuse)
        self.outputs.append((shape, b"".join([chunk async for chunk in chunks])))
        return "the-output"

    async def read_artifact(self, artifact_id: str) -> AsyncIterator[bytes]:
        """The content that is kept under that name."""
        if artifact_id not in self.artifacts:
            raise RequestError(f"the artifact '{artifact_id}' cannot be read: the run has none such")
        yield self.artifacts[artifact_id][1]

    async def secret(self, name: str) -> str:
        """Tells a value, unless told to refuse."""
        if self.refuse:
            raise RequestError(self.refuse)
        return self.secrets.get(name, f"value-of-{name}")

    async def call(self, tool: str, inputs: bytes, budget: Budget | None) -> Called:
        """Answers for a component, unless there is none such."""
        self.budgets.append(budget)
        if tool not in self.answers:
            raise RequestError(f"there is no component '{tool}' among the tools")
        self.called.append((tool, json.loads(inputs)))
        return self.answers[tool]

    async def write(self, source: str, table: str, chunks: AsyncIterator[bytes], *, replace: bool) -> int:
        """Keeps the rows, unless told to refuse."""
        if self.refuse:
            raise RequestError(self.refuse)
        parts = [json.loads(chunk) async for chunk in chunks]
        self.written.append((source, table, replace, parts))
        return sum(len(part["rows"]) for part in parts)

    async def query(self, source: str, sql: str, params: Any, max_rows: int) -> AsyncIterator[Any]:
        """Answers with `rows` of the columns `id` and `name`."""
        self.queries.append((source, sql, params, max_rows))
        await asyncio.sleep(self.patience)
        if self.refuse:
            raise RequestError(self.refuse)
        yield {"columns": self.names, "types": self.types}
        yield self.rows[:max_rows]
        yield {"end": True, "truncated": len(self.rows) > max_rows}

    def text(self, stream: str = "stdout") -> str:
        """The stream's lines."""
        return "\n".join(line for name, _, line in self.lines if name == stream)


def job(
    code: str,
    inputs: Any = None,
    *,
    timeout: float = 20.0,
    component: str = "sample",
    config: dict[str, Any] | None = None,
    reach: Reach | None = None,
    grace: float = 0.0,
) -> Job:
    """A job with some inputs; of a cell that runs a program, with its config; of one with network, with its reach."""
    context = {"run_id": "r1", "step_id": "s1", "attempt": 2, "epoch": 3, "idempotency_key": "r1/s1"}
    return Job(
        component,
        code,
        json.dumps(inputs or {}).encode(),
        timeout,
        context=context,
        config=config or {},
        reach=reach,
        grace=grace,
    )


class Bench:
    """Runs jobs in one cell after another, as the worker does: a dead cell is replaced."""

    def __init__(self, box: Sandbox, profile: Profile = PYTHON) -> None:
        self.profile = profile
        self.box = box
        self.cell: Cell | None = None
        self.sink = Remembering()
        self.reach: Reach | None = None
        """What the next jobs may reach, of a profile with network."""

    async def ready(self) -> Cell:
        """The living cell."""
        if self.cell is None or not self.cell.alive:
            self.cell = await Cell.start(self.box, self.profile)
        return self.cell

    async def run(
        self,
        code: str,
        inputs: Any = None,
        *,
        timeout: float = 20.0,
        component: str = "sample",
        config: dict[str, Any] | None = None,
        grace: float = 0.0,
    ) -> Outcome:
        """The outcome of one job; `sink` has what it said."""
        cell = await self.ready()
        before = self.sink
        self.sink = Remembering(
            names=self.sink.names,
            answers=self.sink.answers,
            rows=before.rows,
            types=before.types,
            refuse=before.refuse,
            patience=before.patience,
            secrets=before.secrets,
        )
        return await cell.run(
            job(
                code,
                inputs,
                timeout=timeout,
                component=component,
                config=config,
                reach=self.reach,
                grace=grace,
            ),
            self.sink,
        )

    async def output(self, code: str, inputs: Any = None) -> Any:
        """The output of a job that succeeds."""
        outcome = await self.run(code, inputs)
        assert outcome.failure is None, (outcome.failure, self.sink.lines)
        assert outcome.output_json is not None
        return json.loads(outcome.output_json)

    async def failure(self, code: str, inputs: Any = None, *, timeout: float = 20.0) -> tuple[str, str, str]:
        """Kind, message and traceback of a job that fails."""
        outcome = await self.run(code, inputs, timeout=timeout)
        assert outcome.failure is not None, outcome
        assert outcome.output_json is None
        return outcome.failure.kind, outcome.failure.message, outcome.failure.traceback

    async def close(self) -> None:
        """Ends the cell."""
        if self.cell:
            await self.cell.close()


async def run_all(bench: Bench, code: str, config: dict[str, Any]) -> Any:
    """The output of a job that succeeds and leaves nothing behind: its cell lives on."""
    cell = await bench.ready()
    outcome = await bench.run(code, config=config)
    assert outcome.failure is None, (outcome.failure, bench.sink.lines)
    assert outcome.output_json is not None
    assert cell.alive
    return json.loads(outcome.output_json)


def processes_of(cell: Cell) -> set[int]:
    """The living processes of a cell."""
    found = processes_below(cell.pid) | {cell.pid}
    assert len(found) >= 2  # the outermost, and the one that waits
    return found


def owner(pid: int) -> int:
    """The user id of a process."""
    return Path(f"/proc/{pid}").stat().st_uid


def processes_below(pid: int) -> set[int]:
    """The living processes below one, zombies left out."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    level = {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level} - found
        found |= level
    return found


def everywhere(needle: str) -> list[int]:
    """The pids of this machine's processes whose command line or environment holds the text."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                if needle.encode() in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


async def gone(pids: set[int], seconds: float = 5.0) -> bool:
    """Whether all the processes are gone within the time."""
    for _ in range(int(seconds * 50)):
        left = [pid for pid in pids if _lives(pid)]
        if not left:
            return True
        await asyncio.sleep(0.02)
    return False


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
