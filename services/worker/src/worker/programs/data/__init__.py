"""Makes a table of a query, a file or the step's own rows, and of a SELECT over it.

config: {"query": {"data_source", "sql", "max_rows"}} or {"file": {"format", "content"}} or neither (the input `rows`),
and optionally "sql" and "max_rows". The output: {"columns": [{"name", "type"}], "row_count", "rows": [{…}],
"truncated", "table"}, where `table` is the record of the artifact `table.parquet`, which has every row.
"""

from pathlib import Path
from typing import Any

import mcpanel_step as step
import pyarrow
import pyarrow.parquet
from programs.data import kinds, sources, values
from programs.data.engine import Engine
from programs.failures import Failed
from programs.place import PLACE

_PREVIEW_ROWS = 20
_MAX_ROWS = 1000


def run(config: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The table. Raises Failed."""
    with Engine() as engine:
        sources.load(engine, config, inputs)
        if sql := config.get("sql", "").strip():
            engine.select(sql, inputs)
        table = engine.table()
        types = engine.types
        columns = [
            {"name": name, "type": kinds.word(kind)}
            for name, kind in zip(table.column_names, types, strict=True)
        ]
    most = config.get("max_rows", _MAX_ROWS)
    rows = values.rows_of(table.slice(0, most), types)
    step.preview(values.preview(columns, rows[:_PREVIEW_ROWS], table.num_rows))
    path = Path(PLACE.work) / "table.parquet"
    try:
        pyarrow.parquet.write_table(table, path)
    except pyarrow.ArrowException as error:
        raise Failed(f"the table cannot be kept as Parquet: {error}; make it text in `sql`") from None
    stored = step.artifact("table.parquet", path, "application/vnd.apache.parquet")
    return {
        "columns": columns,
        "row_count": table.num_rows,
        "rows": rows,
        "truncated": table.num_rows > len(rows),
        "table": stored,
    }
