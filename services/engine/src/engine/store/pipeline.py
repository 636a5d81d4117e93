"""Many statements in one round trip, on libpq itself.

psycopg's own pipelines cost several times more processor time than what they send is worth (it registers with the event
loop, and builds and parses objects, for each statement). Here everything is prepared, goes out in one write, and comes
back in PostgreSQL's binary format. The connection stays a normal psycopg one before and after.
"""

import asyncio
import json
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection, pq

Command: TypeAlias = tuple[str, Sequence[Any]]
"""A statement with `%s` for its parameters, and these."""
Rows: TypeAlias = list[tuple[Any, ...]]
Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_BINARY: Final = pq.Format.BINARY
_TEXT: Final = pq.Format.TEXT


async def run(connection: Connection, commands: Iterable[Command], *, prepare: bool = False) -> list[Rows]:
    """Sends the commands in one pipeline and returns the rows of each; the first error is raised.

    Without a BEGIN among them, and outside a transaction, they are one transaction. A task that is cancelled in
    between gives the connection up, for nobody knows what is still on its way. `prepare` only on a connection that
    psycopg itself prepares nothing on: it deallocates everybody's statements when it rolls back.
    """
    pgconn = connection.pgconn
    if pgconn.status != pq.ConnStatus.OK:
        raise psycopg.OperationalError("the connection is closed")
    known = _prepared.setdefault(connection, set())
    coming: set[bytes] = set()
    awaited: list[_Statement | None] = []
    pgconn.enter_pipeline_mode()
    try:
        for sql, parameters in commands:
            statement = _statement(sql)
            values, formats = _encode(parameters)
            if not prepare:
                pgconn.send_query_params(statement.sql, values, None, formats, _BINARY)
                awaited.append(None)
                continue
            if statement.name not in known and statement.name not in coming:
                coming.add(statement.name)
                pgconn.send_prepare(statement.name, statement.sql)
                awaited.append(statement)
            pgconn.send_query_prepared(statement.name, values, formats, _BINARY)
            awaited.append(None)
        pgconn.pipeline_sync()
        results = await _exchange(pgconn, len(awaited))
    except BaseException:
        pgconn.finish()
        raise
    pgconn.exit_pipeline_mode()
    return _read(connection, known, awaited, results)


class _Statement:
    __slots__ = ("name", "sql")

    def __init__(self, name: bytes, sql: bytes) -> None:
        self.name = name
        self.sql = sql


_statements: Final[dict[str, _Statement]] = {}
_prepared: Final["WeakKeyDictionary[Connection, set[bytes]]"] = WeakKeyDictionary()


def _statement(sql: str) -> _Statement:
    """The statement with numbered parameters, under a name of its own."""
    statement = _statements.get(sql)
    if statement is None:
        first, *rest = sql.split("%s")
        numbered = first + "".join(f"${number}{text}" for number, text in enumerate(rest, 1))
        statement = _statements[sql] = _Statement(b"engine_%d" % len(_statements), numbered.encode())
    return statement


async def _exchange(pgconn: pq.abc.PGconn, count: int) -> list[pq.abc.PGresult | None]:
    """Sends what is queued and reads `count` results and the sync that follows them."""
    loop = asyncio.get_running_loop()
    while pgconn.flush():
        await _wait(loop, pgconn.socket, write=True)
        pgconn.consume_input()
    results: list[pq.abc.PGresult | None] = []
    for _ in range(count):
        results.append(await _result(loop, pgconn))
        if await _result(loop, pgconn) is not None:
            raise psycopg.InternalError("a statement had two results")
    sync = await _result(loop, pgconn)
    if sync is None or sync.status != pq.ExecStatus.PIPELINE_SYNC:
        raise psycopg.OperationalError("the connection was lost")
    return results


async def _result(loop: asyncio.AbstractEventLoop, pgconn: pq.abc.PGconn) -> pq.abc.PGresult | None:
    while pgconn.is_busy():
        await _wait(loop, pgconn.socket)
        pgconn.consume_input()
    return pgconn.get_result()


async def _wait(loop: asyncio.AbstractEventLoop, socket: int, *, write: bool = False) -> None:
    """Returns when there is something to read (or room to write)."""
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(socket, wake)
    if write:
        loop.add_writer(socket, wake)
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        if write:
            loop.remove_writer(socket)


def _read(
    connection: Connection,
    known: set[bytes],
    awaited: Sequence[_Statement | None],
    results: Sequence[pq.abc.PGresult | None],
) -> list[Rows]:
    found: list[Rows] = []
    for statement, result in zip(awaited, results, strict=True):
        status = None if result is None else result.status
        if result is None or status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            if result is None or status == pq.ExecStatus.PIPELINE_ABORTED:
                raise psycopg.OperationalError("the pipeline was aborted")
            raise psycopg.errors.error_from_result(result, encoding=connection.info.encoding)
        if statement is not None:
            known.add(statement.name)
        else:
            found.append(_rows(result) if status == pq.ExecStatus.TUPLES_OK else [])
    return found


def _rows(result: pq.abc.PGresult) -> Rows:
    decoders = [_DECODERS[result.ftype(column)] for column in range(result.nfields)]
    rows: Rows = []
    for number in range(result.ntuples):
        values = (result.get_value(number, column) for column in range(len(decoders)))
        rows.append(
            tuple(
                None if value is None else decode(value)
                for value, decode in zip(values, decoders, strict=True)
            )
        )
    return rows


def _encode(parameters: Sequence[Any]) -> tuple[list[bytes | None], list[int]]:
    values: list[bytes | None] = []
    formats: list[int] = []
    for value in parameters:
        formats.append(_BINARY if isinstance(value, bytes) else _TEXT)
        values.append(_value(value))
    return values, formats


def _value(value: Any) -> bytes | None:
    """The parameter in text format; bytes as they are, in binary."""
    match value:
        case None | bytes():
            return value
        case str():
            return value.encode()
        case bool():
            return b"t" if value else b"f"
        case int():
            return b"%d" % value
        case datetime():
            return value.isoformat().encode()
        case timedelta():
            return b"%d microseconds" % (value // timedelta(microseconds=1))
        case list():
            return b"{%s}" % b",".join(_element(item) for item in value)
        case dict():
            return json.dumps(value).encode()
    raise TypeError(f"{type(value).__name__} is no parameter")


def _element(item: Any) -> bytes:
    if isinstance(item, str):
        return b'"%s"' % item.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if isinstance(item, bytes):
        return b'"\\\\x%s"' % item.hex().encode()
    return _value(item) or b"NULL"


def _time(value: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=struct.unpack("!q", value)[0])


def _number(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


_DECODERS: Final[dict[int, Callable[[bytes], Any]]] = {
    16: lambda value: value != b"\0",  # boolean
    17: bytes,  # bytea
    20: _number,  # bigint
    23: _number,  # integer
    25: bytes.decode,  # text
    1184: _time,  # timestamptz
    3802: lambda value: json.loads(value[1:]),  # jsonb: a version byte before the text
}
"""How values come, by the object id of their type."""
