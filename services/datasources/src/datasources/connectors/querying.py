"""Running one checked query and handing out its rows, one by one, as fast as they are taken."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import psycopg
from psycopg.postgres import types as builtin
from psycopg.types import TypeInfo

from chassis.jsonvalue import Json
from datasources.connectors import failures
from datasources.connectors.postgresql import ANSWER_BYTES, Session
from datasources.statements import Statement

_CURSOR: Final = "mcpanel_rows"
_PREFIX: Final = len(f'DECLARE "{_CURSOR}" NO SCROLL CURSOR FOR ')
_FIRST_ROWS: Final = 16
_MOST_ROWS: Final = 1000
_FETCHED_BYTES: Final = 1024 * 1024
"""How much is fetched at once, about: the server gathers all of a FETCH before it sends any of it."""


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a result."""

    name: str
    type: str
    is_bounded: bool
    """Whether all values of the type take the same few bytes in the database."""


class Result:
    """A query that has been started: its columns, then its rows."""

    def __init__(
        self, session: Session, statement: Statement, cursor: psycopg.AsyncRawServerCursor[Any]
    ) -> None:
        self._session = session
        self._statement = statement
        self._cursor = cursor
        self.columns: tuple[ResultColumn, ...] = ()

    async def describe(self) -> None:
        """Learns the columns' names and types, arrays of the database's own types included."""
        described = self._cursor.pgresult
        if described is None:
            return
        kinds = [(described.ftype(number), described.fmod(number)) for number in range(described.nfields)]
        known = self._session.type_names
        if unknown := [kind for kind in dict.fromkeys(kinds) if kind not in known]:
            for oid, modifier, name, element, delimiter in await self._look_up(unknown):
                known[oid, modifier] = name
                if element and builtin.get(oid) is None:
                    TypeInfo(name, element, oid, delimiter=delimiter).register(self._session.connection)
        names = [bytes(described.fname(number) or b"").decode() for number in range(described.nfields)]
        self.columns = tuple(
            ResultColumn(name, known.get(kind, ""), described.fsize(number) > 0)
            for number, (name, kind) in enumerate(zip(names, kinds, strict=True))
        )

    async def rows(self, at_most: int) -> AsyncGenerator[Sequence[Json]]:
        """The rows, at most `at_most`. Only one row at a time is held here, however many are waiting.

        Raises TooLarge MESSAGE_TOO_LARGE when a row is so large that it was not let in.
        """
        left, fitting = at_most, _FIRST_ROWS
        fetcher = self._session.connection.cursor()
        valve = self._session.valve
        while left > 0:
            asked = min(fitting, left)
            got, before = 0, valve.came
            fetch = f'FETCH FORWARD {asked} FROM "{_CURSOR}"'.encode()
            try:
                # a generator, though psycopg only says iterator: closing it cancels the rest of the fetch
                stream = cast("AsyncGenerator[Sequence[Json]]", fetcher.stream(fetch))
                async with aclosing(stream):
                    async for row in stream:
                        got += 1
                        yield row
                        valve.allow(ANSWER_BYTES)
            except psycopg.Error as error:
                if valve.overflowed:
                    columns = [column.name for column in self.columns if not column.is_bounded]
                    what = f"row {at_most - left + got + 1}, or the database's complaint about it,"
                    raise failures.row_too_large(what, ANSWER_BYTES, columns) from error
                raise failures.querying(error, self._statement, _PREFIX) from error
            if got < asked:
                return
            left -= got
            fitting = min(max(_FETCHED_BYTES * got // (valve.came - before), 1), _MOST_ROWS)

    async def _look_up(self, kinds: Sequence[tuple[int, int]]) -> Sequence[Any]:
        oids, modifiers = [oid for oid, _ in kinds], [modifier for _, modifier in kinds]
        found = await self._session.connection.execute(_TYPES, [oids, modifiers])
        return await found.fetchall()


@asynccontextmanager
async def started(
    session: Session, statement: Statement, parameters: Sequence[Json]
) -> AsyncGenerator[Result]:
    """The query, started in the session's transaction, which must be READ ONLY and primed.

    The cursor is declared by an extended-protocol call, which takes a single statement, and DECLARE itself
    takes nothing but a query. Raises Invalid STATEMENT_REFUSED or QUERY_FAILED, DeadlineExceeded,
    TooLarge MESSAGE_TOO_LARGE, and Precondition CONNECTION_FAILED.
    """
    async with psycopg.AsyncRawServerCursor(session.connection, _CURSOR, scrollable=False) as cursor:
        try:
            await cursor.execute(statement.text.encode(), list(parameters) or None)
            result = Result(session, statement, cursor)
            await result.describe()
        except psycopg.Error as error:
            if session.valve.overflowed:
                raise failures.complaint_too_large(ANSWER_BYTES) from error
            raise failures.querying(error, statement, _PREFIX) from error
        yield result


_TYPES: Final = """
SELECT k.oid, k.modifier, pg_catalog.format_type(k.oid, k.modifier),
       CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, t.typdelim
FROM ROWS FROM (pg_catalog.unnest(%s::oid[]), pg_catalog.unnest(%s::int4[])) AS k(oid, modifier)
JOIN pg_catalog.pg_type t ON t.oid = k.oid
"""
