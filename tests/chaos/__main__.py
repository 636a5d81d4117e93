"""`make chaos`: a stack of its own with two engines and two workers, a load, faults, and the checker at the end.

The same seed gives the same faults in the same order. The exit status is 1 when an invariant is violated; the history
then stays in the folder that is named.
"""

import argparse
import asyncio
import dataclasses
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from stack.memory import weight
from tests.chaos.checker import Growth, History, RunSeen, Violation, check
from tests.chaos.ledger import Ledger
from tests.chaos.load import RUNS, Load
from tests.chaos.nemesis import Done, Nemesis, plan
from tests.chaos.proxy import Proxy, Twice
from tests.support.stack import Stack
from tests.worker.support.cells import everywhere

LEASE = 5.0
CLIENTS = 6
_MEASURED = ("engine", "engine_2", "worker", "worker_2", "gateway")
_MORE_DESCRIPTORS = 60
_MORE_MEGABYTES = 200


def say(line: str = "") -> None:
    """Prints a line at once."""
    print(line, flush=True)  # noqa: T201


class Chaos:
    """One run of it."""

    def __init__(self, folder: Path, seed: int, seconds: float) -> None:
        self.folder = folder
        self.seed = seed
        self.seconds = seconds
        self.history = History(lease=LEASE)
        self.ledger = Ledger(folder)
        self.twice = Twice()
        self.proxies: dict[str, dict[str, Proxy]] = {}
        self.done: list[Done] = []
        self.load: Load | None = None
        self.stack = Stack(
            folder / "stack",
            MCPANEL_ENGINES="2",
            MCPANEL_WORKERS="2",
            MCPANEL_ENGINE__LEASE_SECONDS=str(LEASE),
            MCPANEL_ENGINE__HEARTBEAT_SECONDS="1",
            MCPANEL_WORKER__ISOLATION="limits",
            MCPANEL_WORKER__WORKER_SLOTS="6",
        )

    async def run(self) -> list[Violation]:
        """Everything, from an empty folder to the violations."""
        await self.ledger.start()
        try:
            async with self._proxied():
                self.stack.launch()
                try:
                    await asyncio.to_thread(self.stack.await_ready)
                    await self._storm()
                finally:
                    await asyncio.to_thread(self.stack.stop)
        finally:
            await self.ledger.stop()
        left = everywhere(str(self.folder))
        self.history.orphans = [f"process {pid} outlived the stack" for pid in left]
        unexpected = [Violation("I1", one) for one in self.load.unexpected] if self.load else []
        wrong = [Violation("I5", one) for one in self.ledger.wrong_keys]
        unproved = [Violation("fault", f"{one.fault}: {one.proof}") for one in self.done if not one.proved]
        return [*unexpected, *wrong, *check(self.history), *unproved]

    @asynccontextmanager
    async def _proxied(self) -> AsyncIterator[None]:
        """Puts proxies before the engines' databases and NATS, and between workers, gateway and engines."""
        stack, ports = self.stack, self.stack.ports
        stack.home.prepare({"MCPANEL_MIN_FREE_MB": "0"})
        nats = Proxy(ports.nats, self.twice)
        engines = {"engine": ports.engine, "engine_2": ports.port("engine_2")}
        self.proxies = {
            "databases": {name: Proxy(ports.postgres) for name in engines},
            "workers": {name: Proxy(port) for name, port in engines.items()},
            "gateway": {name: Proxy(port) for name, port in engines.items()},
        }
        every = [nats, *(proxy for several in self.proxies.values() for proxy in several.values())]
        for proxy in every:
            await proxy.start()
        for name, proxy in self.proxies["databases"].items():
            url = stack.database_url("engine").replace(f":{ports.postgres}/", f":{proxy.port}/")
            stack.settings[f"MCPANEL_{name.upper()}__DATABASE_URL_FILE"] = self._file(f"{name}.database", url)
        url = stack.nats_url.replace(f":{ports.nats}", f":{nats.port}")
        stack.settings["MCPANEL_ENGINE__NATS_URL_FILE"] = self._file("nats", url)
        for name in ("workers", "gateway"):
            there = ",".join(f"127.0.0.1:{one.port}" for one in self.proxies[name].values())
            stack.settings[f"MCPANEL_{name.removesuffix('s').upper()}__ENGINE_ADDRESS"] = f"ipv4:{there}"
        try:
            yield
        finally:
            for proxy in every:
                await proxy.stop()

    def _file(self, name: str, content: str) -> str:
        path = self.folder / f"{name}.url"
        path.touch(mode=0o600)
        path.write_text(content + "\n")
        return str(path)

    async def _storm(self) -> None:
        async with self.stack.http() as http:
            self.load = load = Load(http, self.ledger, self.history, self.seed)
            nemesis = Nemesis(self.stack, load, self.proxies, self.twice)
            self.done = nemesis.done
            await load.prepare()
            await load.probe()
            clients = [asyncio.create_task(load.run()) for _ in range(CLIENTS)]
            await asyncio.sleep(5)
            before = self._figures()
            try:
                end = time.monotonic() + self.seconds
                for faults in plan(self.seed, self.seconds):
                    if time.monotonic() > end:
                        break
                    for done in await nemesis.do(faults):
                        what = f"{done.fault}: {done.proof}; a run after {done.recovery:.1f} s"
                        say(f"{'ok' if done.proved else '??'} {'+ ' if len(faults) > 1 else ''}{what}")
            finally:
                load.stopping = True
                await nemesis.heal()
            healed = time.monotonic()
            await asyncio.gather(*clients)
            self.history.quiet_after = await self._quiet(load) - healed
            await load.watched()
            await self._collect(load)
            self.history.growth = [
                Growth(
                    what, before[what], after, _MORE_MEGABYTES if what.startswith("MB") else _MORE_DESCRIPTORS
                )
                for what, after in self._figures().items()
                if what in before
            ]

    async def _quiet(self, load: Load) -> float:
        """The time at which no run was live any more, or a minute after which that was not waited for."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            live = [
                await load.call("GET", RUNS, pageSize=1, filter=f'status = "{status}"')
                for status in ("PENDING", "RUNNING", "PAUSED")
            ]
            if not any(one["runs"] for one in live):
                break
            await asyncio.sleep(0.1)
        return time.monotonic()

    async def _collect(self, load: Load) -> None:
        """Reads everything that is recorded."""
        self.history.executions = self.ledger.all()
        self.history.listed = {one["id"] for one in await self._pages(load, RUNS, "runs")}
        for run in self.history.accepted & self.history.listed:
            found = (await load.call("GET", f"{RUNS}/{run}"))["run"]
            steps = (await load.call("GET", f"{RUNS}/{run}/steps", view="FULL"))["stepExecutions"]
            events = await self._pages(load, f"{RUNS}/{run}/events", "events")
            self.history.runs[run] = RunSeen(found, {one["stepId"]: one for one in steps}, events)
        expected = {
            f"{run}:{one['seq']}"
            for run, seen in self.history.runs.items()
            for one in seen.events
            if "runStatusChange" in one or "stepStatusChange" in one
        }
        end = time.monotonic() + 60
        while time.monotonic() < end and not expected <= self.history.audited:
            logs = await self._pages(
                load, "/api/v1/action-logs", "actionLogs", filter='action = "*_STATUS_CHANGED"'
            )
            self.history.audited = {one["id"] for one in logs}
        verified = await load.call("POST", "/api/v1/action-logs:verify", {})
        if not verified["ok"]:
            self.history.audit_problem = f"the action log does not verify: {verified['problems'][:3]}"

    async def _pages(self, load: Load, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            answer = await load.call("GET", path, pageSize=1000, pageToken=token, **query)
            found += answer[key]
            if not (token := answer["nextPageToken"]):
                return found

    def _figures(self) -> dict[str, float]:
        """Descriptors and megabytes of the processes that carry the load."""
        pids = {name: pid for name, pid in self.stack.pids().items() if name in _MEASURED}
        weights = weight(list(pids.values()))
        return {
            **{f"descriptors of {name}": psutil.Process(pid).num_fds() for name, pid in pids.items()},
            **{f"MB of {name}": weights[pid] / 1e6 for name, pid in pids.items()},
        }

    def keep(self, violations: list[Violation]) -> None:
        """Writes the history beside the stack's logs."""
        document = {
            "seed": self.seed,
            "violations": [str(one) for one in violations],
            "faults": [dataclasses.asdict(one) for one in self.done],
            "history": dataclasses.asdict(self.history),
        }
        (self.folder / "history.json").write_text(json.dumps(document, default=sorted, indent=1))

    def table(self, violations: list[Violation]) -> None:
        """Prints what was done and what became of it."""
        by_kind: dict[str, list[Done]] = defaultdict(list)
        for one in self.done:
            by_kind[f"{one.fault.kind} {one.fault.victim}"].append(one)
        say()
        say(f"| {'fault':<44} | times | {'a run succeeds again after, median and most':>44} |")
        say(f"|{'-' * 46}|------:|{'-' * 45}:|")
        for kind, several in sorted(by_kind.items()):
            times = [one.recovery for one in several]
            say(
                f"| {kind:<44} | {len(several):>5} | {statistics.median(times):>37.1f} {max(times):>4.1f} s |"
            )
        statuses = Counter(
            " ".join(filter(None, (seen.run["status"], (seen.run.get("error") or {}).get("kind", ""))))
            for seen in self.history.runs.values()
        )
        say()
        say(f"runs: {len(self.history.runs)}: " + ", ".join(f"{n} {s}" for s, n in statuses.most_common()))
        if self.load is not None:
            say("kinds: " + ", ".join(f"{n} {kind}" for kind, n in sorted(self.load.kinds.items())))
        say(
            f"executions in the ledger: {len(self.history.executions)}; streams watched: {len(self.history.watched)}; "
            f"records in the action log: {len(self.history.audited)}; quiet after {self.history.quiet_after:.1f} s"
        )
        for violation in violations[:40]:
            say(f"VIOLATION {violation}")
        say(f"faults {len(self.done)}, violations {len(violations)}, seed {self.seed}")


def main(arguments: list[str]) -> int:
    """Returns the exit code: 1 when something is violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    say(
        f"seed {options.seed}, {options.minutes:g} minutes; no skewed clock and no full disk are among the faults"
    )
    folder = Path(tempfile.mkdtemp(prefix="mcpanel-chaos-"))
    folder.chmod(0o755)
    chaos = Chaos(folder, options.seed, options.minutes * 60)
    violations = asyncio.run(chaos.run())
    chaos.table(violations)
    if violations:
        chaos.keep(violations)
        say(f"the history and the logs are in {folder}")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
