"""Rows that a step writes, as the worker takes them: JSON of rows that have the same columns, a part at a time."""

import json

from inside import jsonvalues  # type: ignore[import-not-found]  # its name in a cell

TYPE_CHECKING = False
if TYPE_CHECKING:  # see usercode
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

_BYTES = 256 * 1024
_ROWS = 1000


def batches(rows: "Iterable[Mapping[str, Any]]") -> "Iterator[bytes]":
    """The rows in their order, as `{"columns": […], "rows": [[…], …]}`.

    Raises TypeError for what is no mapping or an empty one, and InvalidOutput for what JSON cannot hold.
    """
    columns: list[str] = []
    texts: list[str] = []
    size = 0
    for number, row in enumerate(rows, 1):
        where = f"row {number}"
        if not hasattr(row, "keys") or not row:
            raise TypeError(
                f"{where} has to be a dict with a value for at least one column, not {row!r:.100}"
            )
        plain = jsonvalues.plain({key: row[key] for key in row}, where)
        if texts and (plain.keys() != set(columns) or size > _BYTES or len(texts) == _ROWS):
            yield _pack(columns, texts)
            texts, size = [], 0
        if not texts:
            columns = list(plain)
        text = json.dumps([plain[name] for name in columns], ensure_ascii=False, separators=(",", ":"))
        texts.append(text)
        size += len(text)
    if texts:
        yield _pack(columns, texts)


def _pack(columns: list[str], texts: list[str]) -> bytes:
    head = json.dumps(columns, ensure_ascii=False)
    return f'{{"columns":{head},"rows":[{",".join(texts)}]}}'.encode("utf-8", "replace")
