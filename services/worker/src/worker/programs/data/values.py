"""A table's values as JSON."""

import base64
import json
import math
from datetime import timedelta
from typing import Any

import pyarrow
from programs.failures import Failed

_ROOM = 48 * 1024
_LONGEST = 200


def rows_of(table: pyarrow.Table) -> list[dict[str, Any]]:
    """The table's rows as JSON takes them. Raises Failed naming the column whose values have no place there."""
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns.append([plain(value) for value in column.to_pylist()])
        except (OverflowError, ValueError, pyarrow.ArrowException) as error:
            raise Failed(f"the column '{name}' cannot be shown: {error}; make it text in `sql`") from None
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """The value as JSON takes it: bytes as base64, durations in seconds, what is no number as null."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)
    return value


def fitting(rows: list[Any]) -> list[Any]:
    """As many of the rows as a preview holds, long texts cut."""
    found: list[Any] = []
    room = _ROOM
    for row in rows:
        short = {name: _short(value) for name, value in row.items()}
        room -= len(json.dumps(short, default=str))
        if room < 0:
            break
        found.append(short)
    return found


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return value if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
