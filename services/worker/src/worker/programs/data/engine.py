"""DuckDB, kept to the table it is given: no other file, no network, no extension."""

import csv
import re
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import mcpanel_step as step
import pyarrow
from programs.data import kinds
from programs.failures import Failed
from programs.place import PLACE

_READERS = {
    "csv": "read_csv(?, delim = ?, header = true, skip = 0, strict_mode = true, sample_size = -1)",
    "json": "read_json(?, sample_size = -1)",
    "parquet": "read_parquet(?)",
}
_TYPES = {
    "bigint": "BIGINT",
    "boolean": "BOOLEAN",
    "character varying": "VARCHAR",
    "date": "DATE",
    "double precision": "DOUBLE",
    "integer": "INTEGER",
    "numeric": "DOUBLE",
    "real": "FLOAT",
    "smallint": "SMALLINT",
    "text": "VARCHAR",
    "time without time zone": "TIME",
    "timestamp with time zone": "TIMESTAMPTZ",
    "timestamp without time zone": "TIMESTAMP",
    "uuid": "UUID",
}
"""DuckDB's types by PostgreSQL's words for its own."""
_CSV_SAYS = {"unexpected end of data": "a quote is opened, and not closed until the file ends"}
_EXACT_DIGITS = 15
"""So many decimal digits a DOUBLE holds for certain."""
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'"[^"]*"')
_LONGEST_FIELD = 2 * 1024 * 1024
"""Of a CSV file, in bytes: DuckDB takes no longer line."""
_MOST_COLUMNS = 1000
_TOO_WIDE = "the table has {:,} columns, more than 1,000; make rows of them, or choose some"
_ADVICE = re.compile(r"\n+(?:LINE|The search space|Possible|Try |Candidate)")


class Engine:
    """A database in memory with one table, `data`; `select` makes another of it."""

    def __init__(self) -> None:
        self._db = duckdb.connect(
            config={
                "memory_limit": "512MB",
                "threads": 2,
                "temp_directory": f"{PLACE.work}/.duckdb",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
        )
        self._db.execute("SET enable_progress_bar = false")
        self._name = "data"

    def __enter__(self) -> "Engine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def read(self, path: Path, kind: str) -> None:
        """Takes a file as `data`. Raises Failed."""
        given = [str(path)]
        if kind == "csv":
            given.append(_checked(path))
        if kind == "json":
            _check_end(path)
        try:
            self._db.execute(f"CREATE TABLE data AS SELECT * FROM {_READERS[kind]}", given)  # noqa: S608
        except duckdb.Error as error:
            raise Failed(
                f"the file is not {kind} that can be read: {_said(error)}", "INVALID_INPUT"
            ) from None
        self._check_columns()

    def take(self, table: pyarrow.Table, mixed: Collection[str] = ()) -> None:
        """Takes an Arrow table as `data`; the columns `mixed` hold JSON."""
        if table.num_columns > _MOST_COLUMNS:
            raise Failed(_TOO_WIDE.format(table.num_columns), "INVALID_INPUT")
        try:
            self._db.register("given", table)
            self._db.execute("CREATE TABLE data AS SELECT * FROM given")
            self._db.unregister("given")
            for name in mixed:
                self._db.execute(f"ALTER TABLE data ALTER {kinds.quoted(name)} TYPE JSON")
        except (duckdb.Error, pyarrow.ArrowException) as error:
            raise Failed(f"the rows cannot be made a table: {_said(error)}", "INVALID_INPUT") from None

    def _check_columns(self) -> None:
        if (count := len(self._db.table(self._name).columns)) > _MOST_COLUMNS:
            raise Failed(_TOO_WIDE.format(count), "INVALID_INPUT")

    def cast(self, types: dict[str, str]) -> None:
        """Gives columns the types that their database says; what would lose something by that stays text."""
        for name, word in types.items():
            wanted = _TYPES.get(word.lower().partition("(")[0].strip())
            if wanted is None:
                continue
            column = kinds.quoted(name)
            misfits = f"{column} IS NOT NULL AND TRY_CAST({column} AS {wanted}) IS NULL"
            if wanted in ("DATE", "TIMESTAMP", "TIMESTAMPTZ"):
                misfits += f" OR NOT isfinite(TRY_CAST({column} AS {wanted}))"
                misfits += f" OR year(TRY_CAST({column} AS {wanted})) NOT BETWEEN 1 AND 9999"
            if word.lower().startswith("numeric"):
                misfits += (
                    f" OR length(regexp_replace({column}::VARCHAR, '[^0-9]', '', 'g')) > {_EXACT_DIGITS}"
                )
            if self._db.execute(f"SELECT 1 FROM data WHERE {misfits} LIMIT 1").fetchall() == []:  # noqa: S608
                self._db.execute(f"ALTER TABLE data ALTER {column} TYPE {wanted}")

    def select(self, sql: str, inputs: dict[str, Any]) -> None:
        """Makes the component's SELECT over `data` the table. Raises Failed."""
        self._db.execute("SET enable_external_access = false")
        self._db.execute("SET lock_configuration = true")
        try:
            statements = self._db.extract_statements(sql)
        except duckdb.Error as error:
            raise Failed(f"the SQL cannot be read: {_said(error)}") from None
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise Failed("the SQL has to be one SELECT over the table `data`")
        wanted = statements[0].named_parameters
        if missing := sorted(name for name in wanted if name not in inputs):
            raise Failed(f"the SQL asks for the input '{missing[0]}', which was not given", "INVALID_INPUT")
        given = {name: inputs[name] for name in wanted}
        text = statements[0].query.strip().removesuffix(";")
        try:
            self._db.execute(f"CREATE TABLE answer AS {text}", given or None)
        except duckdb.OutOfMemoryException:
            message = "the SQL needs more memory than a step has; aggregate, or select less at once"
            raise Failed(message, "OUT_OF_MEMORY") from None
        except duckdb.Error as error:
            raise Failed(f"the SQL failed: {_said(error)}") from None
        self._name = "answer"
        self._check_columns()
        step.log.debug("selected", sql=text[:200])

    def table(self) -> pyarrow.Table:
        """The table, in Arrow's form. Raises Failed for a type that has none there that could be kept."""
        found = self._db.table(self._name)
        kinds.check(found.columns, found.types)
        table = found.to_arrow_table()
        for number, (name, kind) in enumerate(zip(found.columns, found.types, strict=True)):
            if kinds.is_any(kind):  # so that who reads it again takes it for what it is
                table = table.set_column(number, name, table.column(number).cast(pyarrow.json_()))
        return table

    @property
    def types(self) -> list[Any]:
        """The columns' types, DuckDB's own."""
        return list(self._db.table(self._name).types)


def _checked(path: Path) -> str:
    """The delimiter of a CSV file whose first line has the columns' names. Raises Failed naming a line that misfits."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        delimiter = max(_DELIMITERS, key=_QUOTED.sub("", file.readline(64 * 1024)).count)
        file.seek(0)
        csv.field_size_limit(_LONGEST_FIELD)
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        wanted = 0
        try:
            for fields in reader:
                wanted = wanted or len(fields)
                if wanted > _MOST_COLUMNS:
                    raise Failed(_TOO_WIDE.format(wanted), "INVALID_INPUT")
                if fields and len(fields) != wanted:
                    message = f"line {reader.line_num} of the CSV file has {len(fields)} fields, the first has {wanted}"
                    raise Failed(message, "INVALID_INPUT")
        except csv.Error as error:
            said = _CSV_SAYS.get(str(error), str(error))
            raise Failed(f"line {reader.line_num} of the CSV file: {said}", "INVALID_INPUT") from None
    return delimiter


def _check_end(path: Path) -> None:
    """Raises Failed for a list in JSON that is cut off behind one of its items, of which DuckDB would take the rest."""
    text = path.read_bytes().strip()
    if text[:1] == b"[" and text[-1:] != b"]":
        raise Failed(
            "the file is not json that can be read: its list has no end; it is cut off", "INVALID_INPUT"
        )


def _said(error: Exception) -> str:
    """The error's own first lines, without advice for who calls DuckDB."""
    text = _ADVICE.split(str(error), maxsplit=1)[0].strip()
    return re.sub(r'file "/work/[^"]*"', "the file", text)[:1000]
