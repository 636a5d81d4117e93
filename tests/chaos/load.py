"""The load: clients that start runs of every kind, steer them, watch them, and insist on an answer, as clients do."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

from tests.chaos.checker import ENDED, History, Json, Watched
from tests.chaos.ledger import Ledger
from tests.system.console import Console

RUNS = "/api/v1/workflow-runs"
_PASSING = frozenset({429, 499, 500, 502, 503, 504})
_INFRASTRUCTURE = frozenset({"WORKER_LOST", "INTERNAL"})
"""Kinds of failures that a step gets five attempts for; more faults than that may fail it."""
_PATIENCE = 120.0


class Refused(Exception):
    """The suite refused a call for good: status and message."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status} {body[:300]}")
        self.status = status


class Load:
    """Clients of one stack. Everything they learn goes into the history."""

    def __init__(self, http: httpx.AsyncClient, ledger: Ledger, history: History, seed: int) -> None:
        self.http = http
        self.history = history
        self.stopping = False
        self.unexpected: list[str] = []
        """Runs that ended as they should not have."""
        self.kinds: dict[str, int] = {}
        """How many runs of each kind were started."""
        self._ledger = ledger
        self._random = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self._numbers = itertools.count()
        self._prefix = f"chaos-{time.time_ns():x}"
        self._watching: set[asyncio.Task[None]] = set()
        self._flows: dict[str, str] = {}
        self._stories: list[Callable[[], Awaitable[None]]] = [
            self._diamond,
            self._each,
            self._nested,
            self._flaky,
            self._approved,
            self._cached,
            self._limited,
            self._cancelled,
            self._paused,
            self._rerun,
            self._tolerant,
            self._filed,
        ]

    # Calls

    async def call(self, method: str, path: str, body: Json | None = None, **query: Any) -> Json:
        """The answer; repeated with the same request id while the suite is away. Raises Refused, TimeoutError."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    answer = await self.http.request(method, path, json=body, params=query, timeout=10)
                except httpx.TransportError:
                    await asyncio.sleep(0.2)
                    continue
                if answer.status_code == 200:
                    found: Json = answer.json()
                    return found
                text = answer.text
                if answer.status_code not in _PASSING and "NO_WORKER_FOR_TYPE" not in text:
                    raise Refused(answer.status_code, text)
                await asyncio.sleep(0.2)

    def _id(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    async def start(self, kind: str, **inputs: Any) -> str:
        """Starts a run of a workflow; its id. Some are watched to their end."""
        body = {"workflow": self._flows[kind], "inputs": inputs, "requestId": self._id()}
        return self._accepted(kind, (await self.call("POST", RUNS, body))["run"]["id"])

    def _accepted(self, kind: str, run: str) -> str:
        self.history.accepted.add(run)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self._random.random() < 0.4:
            task = asyncio.create_task(self._watch(run))
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)
        return run

    async def ended(self, run: str, *expected: str) -> Json:
        """The run once it has ended; it should have as `expected`, unless the suite lost it too often."""
        async with asyncio.timeout(180):
            while (found := (await self.call("GET", f"{RUNS}/{run}"))["run"])["status"] not in ENDED:
                await asyncio.sleep(0.2)
        self.history.sightings.append((run, "", found["status"]))
        kind = (found.get("error") or {}).get("kind", "")
        if found["status"] not in expected and kind not in _INFRASTRUCTURE:
            self.unexpected.append(
                f"run {run} of {found['workflowName']} is {found['status']} {found.get('error')}"
            )
        return dict(found)

    async def _watch(self, run: str) -> None:
        """Follows a run's stream to its end, over as many connections as it takes."""
        seen = Watched(run, [], whole=False)
        self.history.watched.append(seen)
        end = time.monotonic() + 240
        while not seen.whole and time.monotonic() < end:
            try:
                async for name, seq in self._stream(run, seen.seqs[-1] if seen.seqs else 0):
                    seen.seqs.append(seq)
                    seen.whole = name == "end"
            except (httpx.TransportError, Refused):
                pass
            await asyncio.sleep(self._random.uniform(0.05, 0.3))

    async def _stream(self, run: str, after: int) -> AsyncIterator[tuple[str, int]]:
        headers = {"last-event-id": str(after)}
        timeout = httpx.Timeout(10, read=30)
        async with self.http.stream(
            "GET", f"{RUNS}/{run}/stream", headers=headers, timeout=timeout
        ) as answer:
            if answer.status_code != 200:
                raise Refused(answer.status_code, "")
            fields: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                    continue
                if fields.get("id"):
                    yield fields.get("event", ""), int(fields["id"])
                fields = {}

    # Workflows

    async def prepare(self) -> None:
        """Registers the component and the workflows."""
        console = Console(self.http, patience=30)
        code = await console.python(self._ledger.code, name=f"{self._prefix}-code")
        step = f"component: {code}"

        async def save(kind: str, text: str) -> None:
            source = f"name: {self._prefix}-{kind}\n{text}"
            saved = await self.call("POST", "/api/v1/workflows", {"source": source, "requestId": self._id()})
            self._flows[kind] = saved["workflow"]["name"]

        broken = "inputs:\n  broken: {type: boolean, default: false}\n"
        given = '"${{ inputs.broken }}"'
        await save("probe", f"steps:\n  - {{id: a, {step}, with: {{seconds: 0}}}}\n")
        await save(
            "diamond",
            f"steps:\n  - {{id: a, {step}}}\n  - {{id: b, {step}, needs: [a]}}\n"
            f"  - {{id: c, {step}, needs: [a], with: {{seconds: 1}}}}\n  - {{id: d, {step}, needs: [b, c]}}\n",
        )
        await save(
            "each",
            f"steps:\n  - {{id: a, {step}}}\n"
            f"  - {{id: each, {step}, needs: [a], for_each: [1, 2, 3, 4, 5], max_parallel: 3, "
            'with: {n: "${{ item }}"}}\n'
            f"  - {{id: z, {step}, needs: [each]}}\n",
        )
        await save(
            "nested",
            f"steps:\n  - {{id: a, {step}}}\n"
            f"  - {{id: sub, workflow: {self._flows['diamond']}, needs: [a]}}\n  - {{id: z, {step}, needs: [sub]}}\n",
        )
        retry = "retry: {max_attempts: 8, backoff: 200ms}"
        await save("flaky", f"steps:\n  - {{id: a, {step}, with: {{fails: 2}}, {retry}}}\n")
        await save(
            "approved",
            "steps:\n  - {id: gate, approval: {message: shall it, timeout: 10m}}\n"
            f"  - {{id: a, {step}, needs: [gate]}}\n",
        )
        await save(
            "cached",
            "inputs:\n  n: {type: integer}\n"
            f'steps:\n  - {{id: a, {step}, with: {{n: "${{{{ inputs.n }}}}"}}, cache: {{ttl: 1h}}}}\n',
        )
        await save(
            "limited",
            "concurrency: {key: one, limit: 2, policy: queue}\n"
            f"steps:\n  - {{id: a, {step}, with: {{seconds: 0.3}}}}\n",
        )
        await save(
            "slow",
            f"steps:\n  - {{id: a, {step}}}\n  - {{id: b, {step}, needs: [a], with: {{seconds: 3}}}}\n",
        )
        await save(
            "rerun",
            f"{broken}steps:\n  - {{id: a, {step}}}\n  - {{id: b, {step}, needs: [a], with: {{broken: {given}}}}}\n"
            f"  - {{id: c, {step}, needs: [b]}}\n",
        )
        await save(
            "tolerant",
            f"steps:\n  - {{id: a, {step}, with: {{broken: true}}, on_failure: continue}}\n"
            f"  - {{id: late, {step}, needs: [a], join: ended}}\n",
        )
        await save(
            "filed",
            f"steps:\n  - {{id: a, {step}, with: {{file: true}}}}\n  - {{id: b, {step}, needs: [a]}}\n",
        )
        self.history.lenient.add("late")

    # Stories

    async def run(self) -> None:
        """One client: story after story until it is told to stop."""
        while not self.stopping:
            story = self._random.choice(self._stories)
            try:
                await story()
            except Refused as error:
                self.unexpected.append(f"{story.__name__}: {error}")
            except TimeoutError:
                self.unexpected.append(f"{story.__name__}: there was no answer in time")
            await asyncio.sleep(self._random.uniform(0.0, 0.3))

    async def watched(self) -> None:
        """Returns when every watcher has seen the end."""
        while self._watching:
            await asyncio.wait(self._watching)

    async def probe(self) -> None:
        """Runs one step; returns when it has succeeded."""
        while (await self.ended(await self.start("probe"), "SUCCESS"))["status"] != "SUCCESS":
            pass

    async def _diamond(self) -> None:
        await self.ended(await self.start("diamond"), "SUCCESS")

    async def _each(self) -> None:
        await self.ended(await self.start("each"), "SUCCESS")

    async def _nested(self) -> None:
        await self.ended(await self.start("nested"), "SUCCESS")

    async def _flaky(self) -> None:
        await self.ended(await self.start("flaky"), "SUCCESS")

    async def _filed(self) -> None:
        await self.ended(await self.start("filed"), "SUCCESS")

    async def _tolerant(self) -> None:
        await self.ended(await self.start("tolerant"), "SUCCESS")

    async def _approved(self) -> None:
        run = await self.start("approved")
        body = {"decision": "approve", "requestId": self._id()}
        await self.call("POST", f"{RUNS}/{run}/steps/gate:decide", body)
        await self.ended(run, "SUCCESS")

    async def _cached(self) -> None:
        number = self._random.randrange(1_000_000)
        runs = [await self.start("cached", n=number) for _ in range(2)]
        for run in runs:
            await self.ended(run, "SUCCESS")

    async def _limited(self) -> None:
        await self.ended(await self.start("limited"), "SUCCESS")

    async def _cancelled(self) -> None:
        run = await self.start("slow")
        await asyncio.sleep(self._random.uniform(0, 2))
        try:
            await self.call("POST", f"{RUNS}/{run}:cancel", {"reason": "enough", "requestId": self._id()})
        except Refused as error:
            if "RUN_ENDED" not in str(error):
                raise
        await self.ended(run, "ABORTED", "SUCCESS")

    async def _paused(self) -> None:
        run = await self.start("slow")
        for verb in ("pause", "resume"):
            try:
                await self.call("POST", f"{RUNS}/{run}:{verb}", {"requestId": self._id()})
            except Refused as error:
                if "RUN_ENDED" not in str(error):
                    raise
            await asyncio.sleep(self._random.uniform(0, 0.5))
        await self.ended(run, "SUCCESS")

    async def _rerun(self) -> None:
        old = await self.start("rerun", broken=True)
        await self.ended(old, "FAILED")
        body = {"inputs": {"broken": False}, "requestId": self._id()}
        new = (await self.call("POST", f"{RUNS}/{old}:rerun", body))["run"]["id"]
        await self.ended(self._accepted("rerun", new), "SUCCESS")
