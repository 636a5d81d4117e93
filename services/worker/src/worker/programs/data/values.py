"""A table's values as JSON."""

import base64
import json
import math
from datetime import timedelta
from typing import Any

import pyarrow
from programs.data.kinds import is_any, quoted, word
from programs.failures import Failed

_ROOM = 60 * 1024
"""Of a preview, in bytes; the step library takes 64 KiB."""
_LONGEST = 200
_NUL = "it holds a NUL character"


def rows_of(table: pyarrow.Table, types: list[Any]) -> list[dict[str, Any]]:
    """The table's rows as JSON takes them; `types` are those of its columns, DuckDB's own.

    Raises Failed naming the column whose values have no place there.
    """
    found = []
    for name, column, kind in zip(table.column_names, table.columns, types, strict=True):
        try:
            found.append([plain(_read(value, kind)) for value in column.to_pylist(maps_as_pydicts="lossy")])
        except (OverflowError, ValueError, pyarrow.ArrowException) as error:
            raise Failed(_unshown(name, word(kind), str(error))) from None
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*found, strict=True)]


def _unshown(name: str, kind: str, error: str) -> str:
    """What to do about a column whose values JSON does not take."""
    column = quoted(name)
    instead, why = f"{column}::VARCHAR", error[:_LONGEST]
    if "Nanosecond" in error:
        instead, why = f"{column}::TIMESTAMP, or {instead}", "it has nanoseconds"
    elif "out of range" in error:
        why = "it holds a date beyond the years 1 to 9999, or an infinite one"
    elif error == _NUL:
        instead = f"replace({column}, chr(0), '')"
    return f"the column '{name}' ({kind}) cannot be shown: {why}; in `sql` take {instead}"


def _read(value: Any, kind: Any) -> Any:
    """The value, with what is written as JSON in it read."""
    if value is None or "JSON" not in str(kind):
        return value
    if is_any(kind):
        return json.loads(value)
    if kind.id in ("list", "array"):
        return [_read(one, kind.children[0][1]) for one in value]
    if kind.id == "struct":
        return {name: _read(value[name], inside) for name, inside in kind.children}
    if kind.id == "map":
        return {key: _read(one, kind.children[1][1]) for key, one in value.items()}
    return value


def plain(value: Any) -> Any:
    """The value as JSON takes it: bytes as base64, durations in seconds, no number as null. Raises ValueError."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and "\0" in value:
        raise ValueError(_NUL)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def preview(columns: list[dict[str, str]], rows: list[dict[str, Any]], count: int) -> dict[str, Any]:
    """As many columns and rows as a preview holds, what is long in them cut; `count` is that of all rows."""
    room = _ROOM
    shown: dict[str, list[Any]] = {"columns": [], "rows": []}
    for name, parts in (("columns", columns), ("rows", rows)):
        for part in parts:
            short = {key: _short(value) for key, value in part.items()}
            room -= len(json.dumps(short, ensure_ascii=False, default=str).encode("utf-8", "replace")) + 2
            if room < 0:
                break
            shown[name].append(short)
    return {**shown, "row_count": count}


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return value if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
