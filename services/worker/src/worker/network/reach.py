"""What one attempt may reach: the hosts its version declares, at addresses that its operator accepts."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chassis.addresses import Guard, UnknownHostError
from chassis.errors import Denied
from chassis.hosts import Host, HostError, parse

_CONNECT_SECONDS: Final = 10.0
_MOST_ADDRESSES: Final = 4

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class RefusedError(Exception):
    """A request that is not carried out: an HTTP status, and a sentence for the step's author.

    `is_policy` tells a host that may not be reached from one that cannot be.
    """

    def __init__(self, status: int, message: str, *, is_policy: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.is_policy = is_policy


@dataclass(frozen=True, slots=True)
class Reach:
    """The hosts of an attempt's version, and the judge of their addresses."""

    hosts: tuple[Host, ...]
    guard: Guard

    @classmethod
    def of(cls, hosts: Sequence[str], guard: Guard) -> "Reach":
        """The reach of a version with these hosts. What is none is left out: the registry stores no such."""
        found = []
        for text in hosts:
            with contextlib.suppress(HostError):
                found.append(parse(text))
        return cls(tuple(found), guard)

    async def connect(self, host: Host, *, limit: int) -> Streams:
        """A connection to the host, whose name is resolved once. It reads ahead `limit` bytes. Raises RefusedError."""
        if not any(one.covers(host) for one in self.hosts):
            raise RefusedError(
                403,
                f"{host.address} is not declared; add {host} to the version's network_hosts",
                is_policy=True,
            )
        try:
            targets = await self.guard.targets(host.name)
        except Denied as error:
            raise RefusedError(403, error.message, is_policy=True) from None
        except UnknownHostError:
            raise RefusedError(
                502, f"{host.name} has no address now; see whether its name is right"
            ) from None
        problem = ""
        for target in targets[:_MOST_ADDRESSES]:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    reader, writer = await asyncio.open_connection(target.address, host.port, limit=limit)
                    writer.transport.set_write_buffer_limits(0)
                    return reader, writer
            except TimeoutError:
                problem = f"no answer within {_CONNECT_SECONDS:.0f} s"
            except OSError as error:
                problem = error.strerror or str(error)
        raise RefusedError(502, f"{host.address} cannot be reached: {problem}")
