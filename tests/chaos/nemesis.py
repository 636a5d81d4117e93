"""What goes wrong: a plan that a seed decides, and faults that prove themselves."""

import asyncio
import contextlib
import dataclasses
import os
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import psutil

from stack.memory import is_alive
from tests.chaos.load import RUNS, Load
from tests.chaos.proxy import Proxy, Twice
from tests.support.stack import Stack

KILLED = (
    "engine",
    "engine_2",
    "worker",
    "worker_2",
    "gateway",
    "envoy",
    "postgres",
    "nats",
    "audit",
    "identity",
    "registry",
)
FROZEN = ("engine", "engine_2", "worker", "worker_2", "gateway", "audit", "postgres", "nats")
FREEZES = (1.0, 15.0, 90.0)
"""How long a process is stopped, in seconds; no longer than a sixth of the whole."""
_READERS = 20
_PAIRED = 0.4
"""How likely a fault comes together with another."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something to do wrong to something, for so many seconds where it lasts."""

    kind: str
    victim: str
    seconds: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:g} s" if self.seconds else ""
        return f"{self.kind} {self.victim}{lasting}"


@dataclass(slots=True)
class Done:
    """A fault that was done: whether it proved itself, what it saw, and the seconds until a run succeeded again.

    They count from the kill, or from when the fault was over.
    """

    fault: Fault
    proved: bool
    proof: str
    recovery: float = 0.0


def plan(seed: int, seconds: float) -> Iterator[tuple[Fault, ...]]:
    """Faults without end, always the same for a seed and a length: every one in turn, each round in another order.

    Some come in pairs: they happen at once, to different victims.
    """
    dice = random.Random(seed)  # noqa: S311  # repeatable, not secret
    freezes = [one for one in FREEZES if one <= max(1.0, seconds / 6)]
    while True:
        every = [
            *(Fault("kill", victim) for victim in KILLED),
            *(Fault("freeze", victim, dice.choice(freezes)) for victim in FROZEN),
            Fault("wipe", "nats"),
            *(Fault("lose the answer to COMMIT of", victim) for victim in ("engine", "engine_2")),
            *(Fault("half-open", victim, 8.0) for victim in ("workers", "databases", "gateway")),
            *(Fault("reset", victim) for victim in ("workers", "databases", "gateway")),
            Fault("delay", "databases", 5.0),
            Fault("slow down", "gateway", 5.0),
            Fault("repeat every message of", "nats", 5.0),
            Fault("read nothing from", "streams", 8.0),
        ]
        dice.shuffle(every)
        while every:
            fault = every.pop()
            if every and every[-1].victim != fault.victim and dice.random() < _PAIRED:
                yield fault, every.pop()
            else:
                yield (fault,)


class Nemesis:
    """Does faults to a stack, one after another."""

    def __init__(self, stack: Stack, load: Load, proxies: dict[str, dict[str, Proxy]], twice: Twice) -> None:
        """`proxies`: by what they stand before (`databases`, `workers`, `gateway`), and then by engine."""
        self.stack = stack
        self.done: list[Done] = []
        self._load = load
        self._proxies = proxies
        self._twice = twice

    async def do(self, faults: tuple[Fault, ...]) -> list[Done]:
        """Does faults at once, heals them, and waits until a run succeeds."""
        together = await asyncio.gather(*(self._do(one) for one in faults))
        await self.heal()
        await self._load.probe()
        taken = time.monotonic() - max(since for since, _ in together)
        done = [dataclasses.replace(one, recovery=taken) for _, one in together]
        self.done += done
        return done

    async def _do(self, fault: Fault) -> tuple[float, Done]:
        """The moment from which its recovery counts, and what was done."""
        how: dict[str, Callable[[Fault], Awaitable[tuple[bool, str]]]] = {
            "kill": self._kill,
            "wipe": self._kill,
            "freeze": self._freeze,
            "lose the answer to COMMIT of": self._cut,
            "half-open": self._half_open,
            "reset": self._reset,
            "delay": self._delay,
            "slow down": self._slow,
            "repeat every message of": self._repeat,
            "read nothing from": self._stall,
        }
        in_flight = len(self._load.history.accepted) - len(self._load.history.sightings)
        begun = time.monotonic()
        proved, proof = await how[fault.kind](fault)
        done = Done(fault, proved, f"{proof}; {in_flight} runs in flight")
        return begun if fault.kind in ("kill", "wipe") else time.monotonic(), done

    async def heal(self) -> None:
        """Everything is as it should be: proxies pass on, every process is ready."""
        for several in self._proxies.values():
            for proxy in several.values():
                proxy.heal()
        self._twice.on = False
        async with asyncio.timeout(60):
            for name in self.stack.pids():
                while not self.stack.is_ready(name):
                    await asyncio.sleep(0.05)

    async def _kill(self, fault: Fault) -> tuple[bool, str]:
        pid = self.stack.pid(fault.victim)
        os.kill(pid, signal.SIGKILL)
        while is_alive(pid):
            await asyncio.sleep(0.005)
        if fault.kind == "wipe":
            shutil.rmtree(self.stack.home.path / "nats", ignore_errors=True)
        async with asyncio.timeout(60):
            while self.stack.pids().get(fault.victim, pid) == pid:
                await asyncio.sleep(0.02)
        return True, f"pid {pid} became {self.stack.pid(fault.victim)}"

    async def _freeze(self, fault: Fault) -> tuple[bool, str]:
        pid = self.stack.pid(fault.victim)
        end = os.killpg if fault.victim == "postgres" else os.kill  # with its backends
        end(pid, signal.SIGSTOP)
        meanwhile = asyncio.create_task(self._meanwhile())
        try:
            await asyncio.sleep(fault.seconds)
            state = psutil.Process(pid).status() if is_alive(pid) else "killed"
        finally:
            with contextlib.suppress(ProcessLookupError):
                end(pid, signal.SIGCONT)
        during = meanwhile.done()
        taken = await meanwhile
        noticed = f"a run beside it took {taken:.1f} s" if during else "no run ended meanwhile"
        return state == psutil.STATUS_STOPPED, f"pid {pid} was {state}, {noticed}"

    async def _meanwhile(self) -> float:
        """The seconds that a run takes while something is frozen."""
        started = time.monotonic()
        await self._load.probe()
        return time.monotonic() - started

    async def _cut(self, fault: Fault) -> tuple[bool, str]:
        proxy = self._proxies["databases"][fault.victim]
        before = proxy.cuts
        proxy.cuts_commit = 1
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                while proxy.cuts == before:
                    await asyncio.sleep(0.02)
        proxy.cuts_commit = 0
        return proxy.cuts > before, f"{proxy.cuts - before} answers lost"

    async def _half_open(self, fault: Fault) -> tuple[bool, str]:
        proxies = await self._connected(fault.victim)
        before = sum(one.swallowed for one in proxies)
        count = sum(one.half_open() for one in proxies)
        await asyncio.sleep(fault.seconds)
        swallowed = sum(one.swallowed for one in proxies) - before
        for one in proxies:
            one.open()
        return bool(count and swallowed), f"{swallowed} bytes on {count} connections were lost"

    async def _reset(self, fault: Fault) -> tuple[bool, str]:
        count = sum(one.reset() for one in await self._connected(fault.victim))
        return count > 0, f"{count} connections were reset"

    async def _delay(self, fault: Fault) -> tuple[bool, str]:
        proxies = self._proxies[fault.victim].values()
        for one in proxies:
            one.delay = 0.1
        taken = await self._meanwhile()
        await asyncio.sleep(fault.seconds)
        for one in proxies:
            one.delay = 0.0
        return taken > 0.4, f"a run took {taken:.1f} s"

    async def _slow(self, fault: Fault) -> tuple[bool, str]:
        proxies = self._proxies[fault.victim].values()
        for one in proxies:
            one.bandwidth = 4096
        await asyncio.sleep(fault.seconds)
        for one in proxies:
            one.bandwidth = 0
        return True, "4 KiB/s"

    async def _repeat(self, fault: Fault) -> tuple[bool, str]:
        before = self._twice.count
        self._twice.on = True
        await asyncio.sleep(fault.seconds)
        self._twice.on = False
        count = self._twice.count - before
        return count > 0, f"{count} messages came twice"

    async def _stall(self, fault: Fault) -> tuple[bool, str]:
        run = await self._load.start("slow")
        request = f"GET {RUNS}/{run}/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.stack.admin_key}\r\n\r\n"
        readers: list[asyncio.StreamWriter] = []
        tries = 0
        while len(readers) < _READERS and tries < 10 * _READERS:
            tries += 1
            try:
                async with asyncio.timeout(5):
                    reader, writer = await asyncio.open_connection(
                        "127.0.0.1", self.stack.ports.edge, limit=64
                    )
                    writer.write(request.encode())
                    answer = await reader.readline()
            except (OSError, TimeoutError):
                answer = b""
            if b" 200 " in answer:
                readers.append(writer)
            else:
                await asyncio.sleep(0.1)
        await asyncio.sleep(fault.seconds)
        for writer in readers:
            writer.close()
        await self._load.ended(run, "SUCCESS")
        return len(readers) == _READERS, f"{len(readers)} readers"

    async def _connected(self, victim: str) -> list[Proxy]:
        """The victim's proxies, once there are connections to break, or twenty seconds later."""
        proxies = list(self._proxies[victim].values())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(20):
                while not any(one.count for one in proxies):
                    await asyncio.sleep(0.02)
        return proxies
