"""The ports of a stack: the documented ones, or free ones for tests."""

import asyncio
import contextlib
import random
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from stack.errors import InUseError, StackError
from stack.health import listens

MOST_REPLICAS = 16
PATIENCE = 65.0
"""Seconds that an outgoing connection may hold a port of ours; one that has ended holds it for 60."""
_LISTEN = "0A"


@dataclass(frozen=True, slots=True)
class Ports:
    """One port a listener, all on 127.0.0.1. `MCPANEL_PORT` moves the edge, `MCPANEL_<NAME>_PORT` others."""

    edge: int = 8080
    apps: int = 8081
    gateway_http: int = 8000
    gateway_apps: int = 8001
    gateway_grpc: int = 50050
    registry: int = 50051
    engine: int = 50052
    datasources: int = 50053
    audit: int = 50054
    identity: int = 50055
    registry_metrics: int = 9101
    engine_metrics: int = 9102
    datasources_metrics: int = 9103
    audit_metrics: int = 9104
    identity_metrics: int = 9105
    gateway_metrics: int = 9106
    worker_metrics: int = 9107
    postgres: int = 54329
    nats: int = 42229
    replicas: tuple[tuple[str, int], ...] = ()
    """The listeners of the second and further engines and workers, such as `engine_2`."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The documented ports with the environment's changes. Raises StackError naming every bad value."""
        plain = cls(replicas=_further(replicas(environ, "engine"), replicas(environ, "worker")))
        changed: dict[str, int] = {}
        wrong: list[str] = []
        for name in dict(plain.items()):
            text = environ.get(setting(name))
            if text is None:
                continue
            if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
                changed[name] = int(text)
            else:
                wrong.append(f"{setting(name)}={text!r} is not a port (1 to 65535)")
        if wrong:
            raise StackError("; ".join(wrong))
        further = tuple((name, changed.pop(name, port)) for name, port in plain.replicas)
        ports = replace(plain, **changed, replicas=further)
        seen: dict[int, str] = {}
        for name, port in ports.items():
            if port in seen:
                raise StackError(
                    f"{setting(seen[port])} and {setting(name)} are both {port}: change one of them"
                )
            seen[port] = name
        return ports

    @classmethod
    def free(cls, engines: int = 1, workers: int = 1) -> Self:
        """Different ports that are free now."""
        plain = cls(replicas=_further(engines, workers))
        found: set[int] = set()
        while len(found) < len(plain.items()):
            found.add(free_port())
        chosen = {name: found.pop() for name, _ in plain.items()}
        further = tuple((name, chosen.pop(name)) for name, _ in plain.replicas)
        return cls(**chosen, replicas=further)

    @classmethod
    def from_recorded(cls, recorded: Mapping[str, int]) -> Self:
        """The ports as `items` gave them."""
        known = {field.name for field in fields(cls)}
        further = tuple((name, port) for name, port in recorded.items() if name not in known)
        return cls(**{name: port for name, port in recorded.items() if name in known}, replicas=further)

    def environment(self) -> dict[str, str]:
        """The settings that give another process these ports."""
        return {setting(name): str(port) for name, port in self.items()}

    def items(self) -> list[tuple[str, int]]:
        """Every listener's name with its port."""
        own = [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "replicas"]
        return [*own, *self.replicas]

    def port(self, name: str) -> int:
        """The port of a listener, by its name."""
        return dict(self.items())[name]

    def all_of(self, name: str) -> list[int]:
        """The ports of a listener of every replica, such as `engine` and `engine_2`."""
        return [port for other, port in self.items() if other == name or re.fullmatch(rf"{name}_\d+", other)]


def replicas(environ: Mapping[str, str], name: str) -> int:
    """How many engines (`MCPANEL_ENGINES`) or workers (`MCPANEL_WORKERS`) there are to be. Raises StackError."""
    variable = f"MCPANEL_{name.upper()}S"
    text = environ.get(variable) or "1"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_REPLICAS):
        raise StackError(f"{variable}={text!r} is not a number from 1 to {MOST_REPLICAS}")
    return int(text)


def _further(engines: int, workers: int) -> tuple[tuple[str, int], ...]:
    found = []
    for number in range(2, engines + 1):
        found += [(f"engine_{number}", 50100 + number), (f"engine_{number}_metrics", 9200 + number)]
    return (*found, *((f"worker_{number}_metrics", 9300 + number) for number in range(2, workers + 1)))


def setting(name: str) -> str:
    """The environment variable that moves the listener `name`."""
    return "MCPANEL_PORT" if name == "edge" else f"MCPANEL_{name.upper()}_PORT"


async def refuse_listener(name: str, port: int) -> None:
    """Raise InUseError, naming the port and the setting that moves it, when something listens there."""
    if not is_free(port) and await listens(port):
        raise _in_use(name, port, f"is taken by {holder(port) or 'another program'}: stop it")


async def become_free(name: str, port: int, say: Callable[[str], None], patience: float = PATIENCE) -> None:
    """Return once no outgoing connection holds the port any more. Raise InUseError when one does so for longer than
    `patience` seconds.

    Systems take ports for outgoing connections from a range in which some of ours lie; most connections soon pass.
    """
    end = time.monotonic() + patience
    is_told = False
    while not is_free(port) and not await listens(port):
        whose = holder(port, listening=False)
        what = f"an outgoing connection of {whose}" if whose else "another program's outgoing connection"
        if not is_told:
            is_told = True
            say(f"port {port} ({_words(name)}) is held by {what}; waiting up to {patience:.0f} s for its end")
        if time.monotonic() > end:
            raise _in_use(name, port, f"is held by {what}: end it")
        await asyncio.sleep(0.1)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def _in_use(name: str, port: int, what: str) -> InUseError:
    return InUseError(f"port {port} ({_words(name)}) {what}, or choose another port with {setting(name)}=…")


def _words(name: str) -> str:
    return name.replace("_", " ")


def holder(port: int, *, listening: bool = True) -> str:
    """Who listens on a TCP port here, or else is connected from it, as `name (pid 123)`; empty when this system or user
    cannot tell.
    """
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with contextlib.suppress(OSError):
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
            ours = f":{port:04X}"
            inodes |= {row[9] for row in rows if row[1].endswith(ours) and (row[3] == _LISTEN) == listening}
    inodes.discard("0")  # of a connection that has ended, which is nobody's any more
    for link in Path("/proc").glob("[0-9]*/fd/*") if inodes else ():
        with contextlib.suppress(OSError):
            if str(link.readlink()).removeprefix("socket:[").removesuffix("]") in inodes:
                process = link.parent.parent
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that is free now.

    It is below the range from which systems take ports for outgoing connections, so it stays free longer.
    """
    while True:
        port = random.randrange(15000, 30000)  # noqa: S311 - not a secret
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
