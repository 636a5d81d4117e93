"""The queries that run in this process: each in a task of its own, with its own clock, and stoppable."""

import asyncio
import enum
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Generic, TypeAlias, TypeVar

from chassis.errors import Cancelled, Internal, NotFound, ServiceError
from chassis.jsonvalue import Json
from datasources.connectors import failures
from datasources.connectors.postgresql import Session
from datasources.connectors.querying import Result, ResultColumn, started
from datasources.statements import Statement

T = TypeVar("T")

MAX_BYTES: Final = 16 * 1024 * 1024
"""The most bytes of rows a query answers with, as they are encoded."""
BATCH_BYTES: Final = 1024 * 1024
"""The most bytes of rows in one message."""
_BATCH_ROWS: Final = 1000
_AHEAD: Final = 2
"""How many batches wait for a slow client; then the query waits."""
_STOP_SECONDS: Final = 15.0
_AGAIN_SECONDS: Final = 0.5
"""After which the database is told once more to stop: a cancellation that overtakes its query is lost."""
_SERVER_MARGIN: Final = timedelta(seconds=2)
"""How much later than our own clock the database's `statement_timeout` strikes."""


class Stop(enum.Enum):
    """Why a query was stopped from outside."""

    CANCELLED = "cancelled"
    ABANDONED = "abandoned by its caller"


@dataclass(frozen=True, slots=True)
class Columns:
    """The first item of a stream."""

    columns: tuple[ResultColumn, ...]


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Some encoded rows."""

    rows: tuple[T, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a query ended; `error` is what the caller is told, or None when all is well."""

    row_count: int
    truncated: bool
    elapsed: timedelta
    error: ServiceError | None

    @property
    def word(self) -> str:
        """OK, or the error's reason."""
        return self.error.reason if self.error else "OK"


@dataclass(frozen=True, slots=True)
class Order(Generic[T]):
    """What is asked of a data source."""

    id: str
    owner_id: str
    statement: Statement
    parameters: Sequence[Json] = field(repr=False)
    max_rows: int
    timeout: timedelta
    encode: Callable[[Sequence[Json], int], tuple[T | None, int]]
    """A row as the wire has it, and its size there in bytes. None, and some size above the limit, if it is larger."""


OpenSession: TypeAlias = (
    "Callable[[Callable[[Session], Awaitable[None]]], AbstractAsyncContextManager[Session]]"
)
"""Given what begins the transaction, a session to query in."""
Record: TypeAlias = "Callable[[Outcome], Awaitable[None]]"
"""Records a query's end in the action log."""


class Query(Generic[T]):
    """A running query. It ends by itself, by its clock or by `stop`, and then it is gone from the server too."""

    def __init__(self, order: Order[T], open_session: OpenSession, record: Record) -> None:
        self.order = order
        self.outcome: Outcome | None = None
        self._open_session = open_session
        self._record = record
        self._items: asyncio.Queue[Columns | Batch[T] | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_AHEAD)
        self._stopping = asyncio.Event()
        self._why: Stop | None = None
        self._row_count = 0
        self._truncated = False
        self._failure: BaseException | None = None
        self._session: Session | None = None
        self._task = asyncio.create_task(self._run(), name=f"query {order.id}")

    async def items(self) -> AsyncGenerator[Columns | Batch[T]]:
        """The columns, then the batches. Raises what ended the query when it did not end well."""
        while (item := await self._items.get()) is not None:
            yield item
            if isinstance(item, Batch):
                self._room.release()
        if self._failure is not None:
            raise self._failure

    def stop(self, why: Stop) -> None:
        """Ends the query soon; `ended` says when."""
        self._why = self._why or why
        self._stopping.set()

    async def ended(self) -> None:
        """Returns when the query is gone from the server and recorded, also to a caller who is being cancelled."""
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        started = time.monotonic()
        work = asyncio.create_task(self._work())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait(
            {work, stopping},
            timeout=self.order.timeout.total_seconds(),
            return_when=asyncio.FIRST_COMPLETED,
        )
        stopping.cancel()
        self._failure = await self._settled(work)
        error = self._failure
        if error is not None and not isinstance(error, ServiceError):
            error = Internal("UNEXPECTED", "the query failed unexpectedly")
        elapsed = timedelta(seconds=time.monotonic() - started)
        self.outcome = Outcome(self._row_count, self._truncated, elapsed, error)
        try:
            await self._record(self.outcome)
        except Exception as unrecorded:  # handed to the caller: what is not recorded does not end well
            self._failure = unrecorded
        finally:
            self._items.put_nowait(None)

    async def _settled(self, work: asyncio.Task[None]) -> BaseException | None:
        """What became of the work, cancelled when it has not ended by itself."""
        if not work.done():
            work.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    while not (await asyncio.wait({work}, timeout=_AGAIN_SECONDS))[0]:
                        if self._session is not None:
                            await self._session.cancel()
            if self._why is None:
                return failures.timed_out()
            return Cancelled("QUERY_CANCELLED", f"the query was {self._why.value}")
        return work.exception()

    async def _work(self) -> None:
        margin = self.order.timeout + _SERVER_MARGIN
        milliseconds = int(margin.total_seconds() * 1000)
        async with (
            self._open_session(lambda session: session.begin(milliseconds)) as session,
            started(session, self.order.statement, self.order.parameters) as result,
        ):
            self._session = session
            self._items.put_nowait(Columns(result.columns))
            await self._send(result)

    async def _send(self, result: Result) -> None:
        """Sends the rows; reads one more than it may send, to know whether there are more."""
        rows: list[T] = []
        size = total = 0
        async with aclosing(result.rows(self.order.max_rows + 1)) as stream:
            async for values in stream:
                row, bytes_ = self.order.encode(values, BATCH_BYTES)
                if row is None:
                    what = f"row {self._row_count + len(rows) + 1}"
                    raise failures.row_too_large(what, BATCH_BYTES, [self._largest(result.columns, values)])
                if self._row_count + len(rows) == self.order.max_rows or total + bytes_ > MAX_BYTES:
                    self._truncated = True
                    break
                if rows and (size + bytes_ > BATCH_BYTES or len(rows) == _BATCH_ROWS):
                    await self._flush(rows)
                    rows, size = [], 0
                rows.append(row)
                size += bytes_
                total += bytes_
        if rows:
            await self._flush(rows)

    def _largest(self, columns: Sequence[ResultColumn], values: Sequence[Json]) -> str:
        sizes = [self.order.encode([value], BATCH_BYTES)[1] for value in values]
        return columns[sizes.index(max(sizes))].name

    async def _flush(self, rows: list[T]) -> None:
        await self._room.acquire()
        self._items.put_nowait(Batch(tuple(rows)))
        self._row_count += len(rows)


class Queries(Generic[T]):
    """The running queries by id."""

    def __init__(self) -> None:
        self._running: dict[str, Query[T]] = {}

    def start(self, order: Order[T], open_session: OpenSession, record: Record) -> Query[T]:
        """Starts a query, which is known until `finish`."""
        query = Query(order, open_session, record)
        self._running[order.id] = query
        return query

    async def finish(self, query: Query[T]) -> None:
        """Stops a query if it still runs, waits for its end and forgets it."""
        query.stop(Stop.ABANDONED)
        await query.ended()
        self._running.pop(query.order.id, None)

    def get(self, query_id: str, *, owner_id: str, any_owner: bool) -> Query[T]:
        """The running query, when it is the owner's or `any_owner` may stop it. Raises NotFound QUERY_NOT_FOUND."""
        query = self._running.get(query_id)
        ended = query is None or query.outcome is not None
        if query is None or ended or not (any_owner or query.order.owner_id == owner_id):
            raise NotFound("QUERY_NOT_FOUND", f"no query {query_id} is running", resource=("query", query_id))
        return query

    async def close(self) -> None:
        """Stops every query and waits for their ends."""
        for query in list(self._running.values()):
            await self.finish(query)
