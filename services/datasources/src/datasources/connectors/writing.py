"""Writing rows into one table, in a transaction of one's own: what is wrong names its row and its column."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from chassis.errors import ServiceError
from chassis.jsonvalue import Json
from datasources.connectors import failures
from datasources.connectors.literals import Form, text
from datasources.connectors.postgresql import ANSWER_BYTES, Session

_FORMS: Final = {"json": Form.JSON, "jsonb": Form.JSON, "bytea": Form.BYTES}
_LENGTH: Final = re.compile(r"\((\d+)\)")
_TABLES: Final = frozenset({"r", "p"})


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as the catalogue has it."""

    name: str
    type: str
    """Its type without the modifier: a cast to `varchar(3)` would cut, the assignment to the column refuses."""
    full_type: str
    form: Form
    delimiter: str
    """What is between the items, where it is an array."""


class Target:
    """A table that is written into, found in the database's catalogue. In the session's transaction."""

    def __init__(self, session: Session, relation: int, schema: str, name: str) -> None:
        self._session = session
        self._relation = relation
        self._cursor = psycopg.AsyncRawCursor(session.connection)
        self._table = sql.Identifier(schema, name)
        self._columns: dict[str, _Column] = {}
        self.label = f"{schema}.{name}"
        """The table's name with its schema's."""

    @classmethod
    async def find(cls, session: Session, wanted: str, *, replace: bool) -> "Target":
        """The table of this name, `schema.table` or `table`, that the login may write into.

        Raises Invalid WRITE_REFUSED.
        """
        session.valve.allow(ANSWER_BYTES)
        cursor = psycopg.AsyncRawCursor(session.connection)
        row: Any = await (await cursor.execute(_FIND.encode(), [wanted])).fetchone()
        if row is None:
            why = "does not exist, or the login does not see it; write it as schema.table and create it first"
            raise failures.write_refused(wanted, why)
        relation, schema, name, kind, inserts, deletes = row
        target = cls(session, relation, schema, name)
        if kind not in _TABLES:
            raise failures.write_refused(target.label, "is no table; rows are written into tables only")
        if not inserts or (replace and not deletes):
            right = "DELETE" if inserts else "INSERT"
            raise failures.write_refused(
                target.label, f"the data source's login may not write there; grant it {right}"
            )
        for one in await (await cursor.execute(_COLUMNS.encode(), [relation])).fetchall():
            column, type_, full_type, base, delimiter = one
            form = _FORMS.get(base, Form.TEXT)
            target._columns[column] = _Column(column, type_, full_type, form, delimiter)
        return target

    async def clear(self) -> None:
        """Deletes the rows that there are. Raises Invalid WRITE_REFUSED and what `failures.writing` makes."""
        try:
            await self._execute(sql.SQL("DELETE FROM {}").format(self._table))
        except psycopg.Error as error:
            raise self._failed(error) from error

    async def insert(self, names: Sequence[str], rows: Sequence[Sequence[Json]], before: int) -> None:
        """Inserts the rows; `before` says how many came before them. Raises as `clear` does."""
        columns = self._chosen(names, before + 1)
        values = [self._texts(row, columns, before + index) for index, row in enumerate(rows, 1)]
        if not values:
            return
        if (error := await self._try(columns, values)) is not None:
            raise await self._located(error, columns, values, before)

    def _chosen(self, names: Sequence[str], row: int) -> list[_Column]:
        for name in names:
            if name not in self._columns:
                known = ", ".join(list(self._columns)[:50])
                why = f"there is no such column; the table has {known}"
                raise failures.write_refused(self.label, why, row=row, column=name)
        return [self._columns[name] for name in names]

    def _texts(self, row: Sequence[Json], columns: Sequence[_Column], number: int) -> list[str | None]:
        if len(row) != len(columns):
            why = f"has {len(row)} values for {len(columns)} columns"
            raise failures.write_refused(self.label, why, row=number)
        found = []
        for value, column in zip(row, columns, strict=True):
            try:
                found.append(text(value, column.form, column.delimiter))
            except ValueError as error:
                why = f"{column.full_type} {error}"
                raise failures.write_refused(self.label, why, row=number, column=column.name) from None
        return found

    async def _try(
        self, columns: Sequence[_Column], values: Sequence[Sequence[str | None]]
    ) -> psycopg.Error | None:
        """Inserts the rows, all or none; why that did not work. Raises what ends the transaction."""
        numbers = range(1, len(columns) + 1)
        statement = sql.SQL("INSERT INTO {} ({}) SELECT {} FROM ROWS FROM ({}) AS given({})").format(
            self._table,
            sql.SQL(", ").join(sql.Identifier(one.name) for one in columns),
            sql.SQL(", ").join(
                sql.SQL(f"given.v{number}::{one.type}")  # as the catalogue writes it
                for number, one in zip(numbers, columns, strict=True)
            ),
            sql.SQL(", ").join(sql.SQL(f"pg_catalog.unnest(${number}::text[])") for number in numbers),
            sql.SQL(", ").join(sql.SQL(f"v{number}") for number in numbers),
        )
        return await self._attempt(statement, [list(column) for column in zip(*values, strict=True)])

    async def _attempt(
        self, statement: sql.Composed | sql.SQL, parameters: Sequence[Any]
    ) -> psycopg.Error | None:
        """Runs the statement; what it failed with, and then all is as before. Raises what ends the transaction."""
        await self._execute(sql.SQL("SAVEPOINT tried"))
        try:
            await self._execute(statement, parameters)
        except psycopg.Error as error:
            if self._session.connection.closed or failures.is_over(error):
                raise self._failed(error) from error
            await self._execute(sql.SQL("ROLLBACK TO SAVEPOINT tried"))
            return error
        await self._execute(sql.SQL("RELEASE SAVEPOINT tried"))
        return None

    async def _execute(self, statement: sql.Composed | sql.SQL, parameters: Sequence[Any] = ()) -> None:
        self._session.valve.allow(ANSWER_BYTES)
        await self._cursor.execute(statement.as_bytes(self._session.connection), parameters or None)

    async def _located(
        self,
        error: psycopg.Error,
        columns: Sequence[_Column],
        values: Sequence[Sequence[str | None]],
        before: int,
    ) -> ServiceError:
        """The failure of rows that cannot be inserted, with the first of them that cannot: found by halving."""
        start, end = 0, len(values)
        while end - start > 1:
            middle = (start + end) // 2
            if await self._try(columns, values[start:middle]) is None:
                start = middle
            else:
                end = middle
        alone = await self._try(columns, values[start:end])
        row = before + start + 1 if alone is not None else None
        found = alone or error
        column = found.diag.column_name or await self._culprit(found, columns, values[start])
        return self._failed(found, row, column)

    async def _culprit(
        self, error: psycopg.Error, columns: Sequence[_Column], row: Sequence[str | None]
    ) -> str | None:
        """The column whose value is to blame, where its type refuses it."""
        if not (error.sqlstate or "").startswith("22"):
            return None
        for column, value in zip(columns, row, strict=True):
            statement = sql.SQL(f"SELECT $1::text::{column.full_type}")
            if value is not None and await self._attempt(statement, [value]) is not None:
                return column.name
        message = error.diag.message_primary or ""
        for column, value in zip(columns, row, strict=True):
            length = _LENGTH.search(column.full_type)
            if value and length and column.full_type in message and len(value) > int(length.group(1)):
                return column.name
        return None

    def _failed(
        self, error: psycopg.Error, row: int | None = None, column: str | None = None
    ) -> ServiceError:
        if self._session.valve.overflowed:
            return failures.complaint_too_large(ANSWER_BYTES)
        return failures.writing(error, self.label, row=row, column=column)


_FIND: Final = """
SELECT c.oid, n.nspname, c.relname, c.relkind, pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),
       pg_catalog.has_table_privilege(c.oid, 'DELETE')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname || '.' || c.relname = $1::text OR c.relname = $1::text AND pg_catalog.pg_table_is_visible(c.oid))
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
ORDER BY n.nspname || '.' || c.relname = $1::text DESC LIMIT 1
"""

_COLUMNS: Final = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, -1), pg_catalog.format_type(a.atttypid, a.atttypmod),
       COALESCE(e.typname, b.typname)::text,
       CASE WHEN e.oid IS NULL THEN '' ELSE b.typdelim::text END
FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_catalog.pg_type e ON b.typcategory = 'A' AND e.oid = b.typelem
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
