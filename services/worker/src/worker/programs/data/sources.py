"""Where a table comes from."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import mcpanel_step as step
import pyarrow
from programs import listed
from programs.data.engine import Engine
from programs.failures import Failed
from programs.place import PLACE

_MAX_ROWS = 100_000
_JSON = frozenset({"json", "jsonb"})
"""PostgreSQL's words for types whose values may be anything."""
_DEEPEST = 30
_ENDINGS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}


def load(engine: Engine, config: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Gives the engine its table `data`. Raises Failed."""
    if query := config.get("query"):
        _query(engine, query, inputs)
    elif "file" in config:
        _file(engine, config["file"], inputs)
    else:
        rows = listed.rows(inputs)
        engine.take(*table_of(rows, list(dict.fromkeys(name for row in rows for name in row))))


def _query(engine: Engine, query: dict[str, Any], inputs: dict[str, Any]) -> None:
    name = query["data_source"]
    most = query.get("max_rows") or _MAX_ROWS
    try:
        rows = step.datasource(name).query(query["sql"], inputs or None, max_rows=most)
    except step.DataSourceError as error:
        raise Failed(str(error)) from None
    if rows.truncated:
        step.log.warning(f"the query has more than the {len(rows)} rows that were read; raise query.maxRows")
    types = dict(zip(rows.columns, rows.types, strict=False))
    engine.take(*table_of(rows, rows.columns, [name for name, word in types.items() if word in _JSON]))
    engine.cast(types)


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
            "the config's file has no content, and the input 'file' is missing: give one of them, the input as the "
            "record of an artifact of this run",
            "INVALID_INPUT",
        )
    if not data.strip():
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


def table_of(
    rows: list[dict[str, Any]], names: list[str], mixed: Collection[str] = ()
) -> tuple[pyarrow.Table, list[str]]:
    """The rows in Arrow's form, and the columns that hold JSON: values of several kinds, as those of `mixed` may be."""
    columns = []
    found = []
    for name in names:
        values = [row.get(name) for row in rows]
        column = None if name in mixed else _column(values)
        if column is None:
            found.append(name)
            column = pyarrow.array(
                [None if one is None else json.dumps(one) for one in values], pyarrow.string()
            )
        columns.append(column)
    if not columns:
        raise Failed("there are no columns: the rows are empty, and nothing says what they would hold")
    return pyarrow.table(columns, names=names), found


def _column(values: list[Any]) -> pyarrow.Array | None:
    """The values in Arrow's form; None where they have no kind in common."""
    try:
        column = pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError):
        return None
    return column if _is_kept(column.type) else None


def _is_kept(kind: Any, depth: int = 0) -> bool:
    """Whether tables keep such values: not those that are nested without end, and objects whose fields have names."""
    if depth > _DEEPEST:
        return False
    if pyarrow.types.is_struct(kind):
        return bool(kind.fields) and all(one.name and _is_kept(one.type, depth + 1) for one in kind.fields)
    return not pyarrow.types.is_list(kind) or _is_kept(kind.value_type, depth + 1)
