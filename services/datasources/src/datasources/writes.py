"""Rows on their way into a table: one transaction, with its own clock, all of them or none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import psycopg

from chassis.errors import Precondition, TooLarge
from chassis.jsonvalue import Json
from datasources.connectors import failures
from datasources.connectors.postgresql import ANSWER_BYTES, Session
from datasources.connectors.writing import Target
from datasources.domain import DataSource
from datasources.queries import OpenSession

MAX_ROWS: Final = 1_000_000
"""The most rows of one write."""
MAX_BYTES: Final = 256 * 1024 * 1024
"""The most bytes of one write, as the rows are encoded."""
_MARGIN: Final = timedelta(seconds=2)
"""How much later than our own clock the database's `statement_timeout` strikes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows that have values for the same columns."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Json]]
    size: int
    """In bytes, as it was encoded."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written to, and how."""

    table: str
    replace: bool
    """Whether the rows that there are go first."""
    timeout: timedelta


def require_allowed(source: DataSource) -> None:
    """Returns when the data source may be written to. Raises Precondition WRITES_NOT_ALLOWED."""
    if not source.allow_writes:
        raise Precondition(
            "WRITES_NOT_ALLOWED",
            f"data source {source.name!r} does not allow writing: whoever may change it sets allow_writes "
            "(UpdateDataSource), and gives it a login that may write",
            resource=("data_source", source.id),
        )


async def write(
    order: Order,
    batches: AsyncIterator[Batch],
    open_session: OpenSession,
    record: Callable[[int], Awaitable[None]],
) -> int:
    """Writes the rows and commits; how many there were. `record` is awaited before the commit, with their number.

    Raises Invalid WRITE_REFUSED, DeadlineExceeded QUERY_TIMED_OUT, TooLarge MESSAGE_TOO_LARGE, Precondition
    CONNECTION_FAILED and what `open_session` and `record` raise.
    """
    milliseconds = int((order.timeout + _MARGIN).total_seconds() * 1000)
    try:
        async with (
            asyncio.timeout(order.timeout.total_seconds()),
            open_session(lambda session: session.begin_writing(milliseconds)) as session,
        ):
            count = await _fill(session, order, batches)
            await record(count)
            await _commit(session, order.table)
            return count
    except TimeoutError:
        raise failures.write_timed_out() from None
    except psycopg.Error as error:
        raise failures.writing(error, order.table) from error


async def _fill(session: Session, order: Order, batches: AsyncIterator[Batch]) -> int:
    target = await Target.find(session, order.table, replace=order.replace)
    if order.replace:
        await target.clear()
    count = size = 0
    async for batch in batches:
        size += batch.size
        if count + len(batch.rows) > MAX_ROWS or size > MAX_BYTES:
            raise TooLarge(
                "MESSAGE_TOO_LARGE",
                f"a write takes {MAX_ROWS:,} rows and {MAX_BYTES // 1024 // 1024} MiB at most; append in parts; "
                "nothing was written",
                metadata={"limit_bytes": str(MAX_BYTES)},
            )
        await target.insert(batch.columns, batch.rows, count)
        count += len(batch.rows)
    return count


async def _commit(session: Session, table: str) -> None:
    session.valve.allow(ANSWER_BYTES)
    try:
        await session.connection.execute("COMMIT")
    except psycopg.Error as error:
        if failures.is_over(error):
            raise failures.connection_failed(
                "the connection was lost while the rows were committed: whether they were written is not known"
            ) from error
        raise failures.writing(error, table) from error
