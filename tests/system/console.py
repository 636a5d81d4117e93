"""What a person does with curl: register components, save a workflow, run it, watch it. All through the edge."""

import asyncio
import itertools
import json
import textwrap
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]
_names = itertools.count(1)


def fresh(prefix: str) -> str:
    """A name nobody has used in this session."""
    return f"{prefix}-{next(_names)}"


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    name: str
    id: int
    data: Json


class Console:
    """A caller at the edge."""

    def __init__(self, http: httpx.AsyncClient, patience: float = 0) -> None:
        """`patience` in seconds: how long an outage (503) is waited out."""
        self.http = http
        self._patience = patience

    async def call(self, method: str, path: str, **arguments: Any) -> Json:
        """The JSON answer; fails the test with the whole error when it is not 200."""
        answer = await self.http.request(method, path, **arguments)
        end = time.monotonic() + self._patience
        while answer.status_code == 503 and time.monotonic() < end:
            await asyncio.sleep(0.2)
            answer = await self.http.request(method, path, **arguments)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        found: Json = answer.json()
        return found

    async def python(self, code: str, name: str = "", version: str = "1.0.0", **fields: Any) -> str:
        """Registers a Python component; its name."""
        return await self.component(
            "PYTHON_SCRIPT", "pythonScript", code, name or fresh("py"), version, **fields
        )

    async def typescript(self, code: str, name: str = "", version: str = "1.0.0", **fields: Any) -> str:
        """Registers a TypeScript component; its name."""
        return await self.component(
            "TYPESCRIPT_SCRIPT", "typescriptScript", code, name or fresh("ts"), version, **fields
        )

    async def component(
        self, kind: str, config: str, code: str, name: str, version: str, **fields: Any
    ) -> str:
        """Registers a component of any script type with its first version; its name."""
        body = {
            "definition": {"name": name, "type": kind, "visibility": "PUBLIC"},
            "initialVersion": {"version": version, config: {"codeContent": textwrap.dedent(code)}, **fields},
        }
        await self.call("POST", "/api/v1/mcp-definitions", json=body)
        return name

    async def workflow(self, source: str) -> Json:
        """Saves a workflow from YAML; it is the answer. `NAME` in the text becomes a fresh name."""
        text = textwrap.dedent(source).replace("NAME", fresh("wf"))
        saved: Json = (await self.call("POST", "/api/v1/workflows", json={"source": text}))["workflow"]
        return saved

    async def start(self, workflow: str, **inputs: Any) -> str:
        """Starts a run; its id."""
        body = {"workflow": workflow, "inputs": inputs}
        run = (await self.call("POST", "/api/v1/workflow-runs", json=body))["run"]
        return str(run["id"])

    async def run(self, run_id: str) -> Json:
        """A run with inputs and outputs."""
        found: Json = (await self.call("GET", f"/api/v1/workflow-runs/{run_id}"))["run"]
        return found

    async def steps(self, run_id: str) -> dict[str, Json]:
        """A run's steps by id, in full."""
        found: dict[str, Json] = {}
        token = ""
        while True:
            wanted = {"view": "FULL", "pageSize": 1000, "pageToken": token}
            answer = await self.call("GET", f"/api/v1/workflow-runs/{run_id}/steps", params=wanted)
            found |= {step["stepId"]: step for step in answer["stepExecutions"]}
            token = answer["nextPageToken"]
            if not token:
                return found

    async def finish(self, run_id: str, seconds: float = 60) -> Json:
        """The run when it has ended; fails when it has not by then. Outages in between are waited out."""
        async with asyncio.timeout(seconds):
            while True:
                answer = await self.http.get(f"/api/v1/workflow-runs/{run_id}")
                if answer.status_code == 200:
                    run: Json = answer.json()["run"]
                    if run["status"] in ("SUCCESS", "FAILED", "ABORTED"):
                        return run
                await asyncio.sleep(0.1)

    async def until_running(self, run_id: str, step: str, seconds: float = 30) -> None:
        """Returns when the step runs."""
        async with asyncio.timeout(seconds):
            while (await self.steps(run_id))[step]["status"] != "RUNNING":
                await asyncio.sleep(0.05)

    async def events(self, run_id: str) -> list[Json]:
        """Every recorded event of a run."""
        found: list[Json] = []
        token = ""
        while True:
            answer = await self.call(
                "GET",
                f"/api/v1/workflow-runs/{run_id}/events",
                params={"pageSize": 1000, "pageToken": token},
            )
            found += answer["events"]
            token = answer["nextPageToken"]
            if not token:
                return found

    async def stream(self, run_id: str, after: int | None = None) -> AsyncIterator[Event]:
        """A run's events over SSE, until the stream closes."""
        headers = {} if after is None else {"last-event-id": str(after)}
        path = f"/api/v1/workflow-runs/{run_id}/stream"
        async with self.http.stream("GET", path, headers=headers, timeout=60) as answer:
            assert answer.status_code == 200, await answer.aread()
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    yield Event(fields["event"], int(fields.get("id", 0)), json.loads(fields["data"]))
                    fields = {}
                else:
                    fields = {}

    async def action_logs(self, filter: str, seconds: float = 10, least: int = 1) -> list[Json]:  # noqa: A002
        """The action log entries that match, waiting for as many as the test needs to see."""
        found: list[Json] = []
        async with asyncio.timeout(seconds):
            while len(found) < least:
                answer = await self.call(
                    "GET", "/api/v1/action-logs", params={"filter": filter, "pageSize": 1000}
                )
                found = answer["actionLogs"]
                await asyncio.sleep(0.1)
        return found


def assert_gapless(events: list[Json]) -> None:
    """Every event from 1 to the last, once and in order, the last one being the end."""
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert "end" in events[-1]
