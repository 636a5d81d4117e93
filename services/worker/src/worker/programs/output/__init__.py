"""Puts a result where people look: a page, a chart, a file, a table or a signed message.

config: one of "report", "chart", "file", "table" and "webhook", with the fields of the contract's OutputConfig. The
output says what was made: {"artifacts": [record, …]}, {"rows": 3} or {"status": 200}.
"""

from collections.abc import Callable
from typing import Any

from programs.output import charts, files, messages, reports, tables

_WRITERS: dict[str, Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]] = {
    "report": reports.write,
    "chart": charts.write,
    "file": files.write,
    "table": tables.write,
    "webhook": messages.send,
}


def run(config: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """What was made. Raises Failed."""
    (kind, settings), *_ = config.items()
    return _WRITERS[kind](settings, inputs)
