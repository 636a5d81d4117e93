"""Where a table comes from."""

from pathlib import Path
from typing import Any

import mcpanel_step as step
import pyarrow
from programs.data.engine import Engine
from programs.failures import Failed
from programs.place import PLACE

_MAX_ROWS = 100_000
_ENDINGS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}


def load(engine: Engine, config: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Gives the engine its table `data`. Raises Failed."""
    if query := config.get("query"):
        _query(engine, query, inputs)
    elif "file" in config:
        _file(engine, config["file"], inputs)
    else:
        rows = inputs.get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Failed("the input 'rows' has to be a list of objects", "INVALID_INPUT")
        engine.take(table_of(rows, list(dict.fromkeys(name for row in rows for name in row))))


def _query(engine: Engine, query: dict[str, Any], inputs: dict[str, Any]) -> None:
    name = query["data_source"]
    most = query.get("max_rows") or _MAX_ROWS
    try:
        rows = step.datasource(name).query(query["sql"], inputs or None, max_rows=most)
    except step.DataSourceError as error:
        raise Failed(str(error)) from None
    if rows.truncated:
        step.log.warning(f"the query has more than the {len(rows)} rows that were read; raise query.maxRows")
    engine.take(table_of(rows, rows.columns))
    engine.cast(dict(zip(rows.columns, rows.types, strict=False)))


def _file(engine: Engine, config: dict[str, Any], inputs: dict[str, Any]) -> None:
    name = ""
    if content := config.get("content"):
        data = content.encode()
    elif (given := inputs.get("file")) is not None:
        name = given.get("name", "") if isinstance(given, dict) else ""
        try:
            data = step.read_artifact(given)
        except ValueError as error:
            raise Failed(
                f"the input 'file' is not an artifact's record or id: {error}", "INVALID_INPUT"
            ) from None
        except step.StepError as error:
            raise Failed(str(error), "INVALID_INPUT") from None
    else:
        raise Failed(
            "the input 'file' is missing: give the record of an artifact of this run", "INVALID_INPUT"
        )
    if not data:
        raise Failed("the file is empty", "INVALID_INPUT")
    kind = config.get("format") or _ENDINGS.get(Path(name).suffix.lower()) or _guessed(data)
    path = Path(PLACE.work) / f"data.{kind}"
    path.write_bytes(data)
    engine.read(path, kind)
    path.unlink()


def _guessed(data: bytes) -> str:
    if data[:4] == b"PAR1":
        return "parquet"
    return "json" if data.lstrip()[:1] in (b"[", b"{") else "csv"


def table_of(rows: list[dict[str, Any]], names: list[str]) -> pyarrow.Table:
    """The rows in Arrow's form; a column whose values are of several kinds becomes one of text."""
    columns = []
    for name in names:
        values = [row.get(name) for row in rows]
        try:
            columns.append(pyarrow.array(values))
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            columns.append(pyarrow.array([None if value is None else str(value) for value in values]))
    if not columns:
        raise Failed("there are no columns: the rows are empty, and nothing says what they would hold")
    return pyarrow.table(columns, names=names)
