"""Open connections, kept for the next query: few for each data source, few in all, none for long."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psycopg

from chassis.errors import Exhausted, ServiceError
from datasources.connectors.postgresql import Session
from datasources.domain import DataSource

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 10.0
_SWEEP_SECONDS: Final = 15.0

Connect = Callable[[], Awaitable[Session]]
Begin = Callable[[Session], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Idle:
    key: tuple[str, int]
    session: Session
    since: float


class Pools:
    """A pool for each data source. A connection serves one revision of its data source and no later one."""

    def __init__(
        self,
        per_source: int,
        total: int,
        *,
        wait_seconds: float = WAIT_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._per_source = per_source
        self._total = total
        self._wait_seconds = wait_seconds
        self._idle_seconds = idle_seconds
        self._idle: list[_Idle] = []
        self._busy: dict[str, int] = defaultdict(int)
        self._freed = asyncio.Event()

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._idle) + sum(self._busy.values())

    @asynccontextmanager
    async def session(self, source: DataSource, connect: Connect, begin: Begin) -> AsyncIterator[Session]:
        """A session in a transaction that `begin` began; afterwards it is reset and kept, or closed.

        An idle connection that turns out to be dead is replaced. Raises Exhausted TOO_MANY_REQUESTS when none
        becomes free in time, and what `connect` and `begin` raise.
        """
        await self._enter(source)
        session: Session | None = None
        try:
            session = await self._begun(source, connect, begin)
            yield session
            session = await _mended(session)
        except ServiceError:
            # the query failed, and not necessarily the connection
            session = await _mended(session) if session is not None else None
            raise
        except BaseException:
            if session is not None:
                await _close(session)
                session = None
            raise
        finally:
            self._leave(source, session)

    async def run(self) -> None:
        """Closes connections that were idle for too long, for ever. A background task."""
        while True:
            await asyncio.sleep(min(_SWEEP_SECONDS, self._idle_seconds))
            before = time.monotonic() - self._idle_seconds
            await self._drop([one for one in self._idle if one.since <= before])

    async def forget(self, data_source_id: str) -> None:
        """Closes the idle connections of one data source."""
        await self._drop([one for one in self._idle if one.key[0] == data_source_id])

    async def close(self) -> None:
        """Closes every idle connection."""
        await self._drop(list(self._idle))

    async def _begun(self, source: DataSource, connect: Connect, begin: Begin) -> Session:
        while idle := self._take(source):
            try:
                await begin(idle)
            except psycopg.OperationalError:
                await _close(idle)
            except BaseException:
                await _close(idle)
                raise
            else:
                return idle
        # The oldest idle connections make room: the limit counts them, too.
        await self._drop(self._idle[: max(0, self.open - self._total)])
        session = await connect()
        try:
            await begin(session)
        except BaseException:
            await _close(session)
            raise
        return session

    def _take(self, source: DataSource) -> Session | None:
        key = (source.id, source.revision)
        for one in reversed(self._idle):
            if one.key == key:
                self._idle.remove(one)
                return one.session
        return None

    async def _enter(self, source: DataSource) -> None:
        stale = [one for one in self._idle if one.key[0] == source.id and one.key[1] < source.revision]
        await self._drop(stale)
        try:
            async with asyncio.timeout(self._wait_seconds):
                while not self._has_room(source.id):
                    await self._freed.wait()
                self._busy[source.id] += 1
        except TimeoutError:
            raise Exhausted(
                "TOO_MANY_REQUESTS",
                f"too many queries are running on data source {source.name!r}",
                retry_after=5,
                quota={f"data_source/{source.id}": f"{self._per_source} queries at once"},
            ) from None

    def _has_room(self, source_id: str) -> bool:
        return self._busy[source_id] < self._per_source and sum(self._busy.values()) < self._total

    def _leave(self, source: DataSource, session: Session | None) -> None:
        # Nothing here waits, so the slot is given back even when this task is being cancelled.
        self._busy[source.id] -= 1
        if not self._busy[source.id]:
            del self._busy[source.id]
        if session is not None and session.is_idle:
            self._idle.append(_Idle((source.id, source.revision), session, time.monotonic()))
        self._freed.set()
        self._freed = asyncio.Event()

    async def _drop(self, which: list[_Idle]) -> None:
        for one in which:
            if one in self._idle:
                self._idle.remove(one)
                await _close(one.session)


async def _mended(session: Session) -> Session | None:
    """The session, ready for another query; None when it had to be closed."""
    try:
        async with asyncio.timeout(5):
            await session.reset()
    except Exception:  # whatever it is, the connection is of no more use
        log.info("a connection could not be reset and is closed", exc_info=True)
    else:
        if session.is_idle:
            return session
    await _close(session)
    return None


async def _close(session: Session) -> None:
    """Closes a session whatever happens; a server that does not answer is left to its own timeouts."""
    with suppress(Exception):
        async with asyncio.timeout(5):
            await session.close()
