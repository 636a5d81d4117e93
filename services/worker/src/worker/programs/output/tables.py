"""Rows that go into a table of a data source."""

from typing import Any

import mcpanel_step as step
from programs.failures import Failed


def write(settings: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Writes the input `rows`; how many there were. Raises Failed."""
    rows = inputs.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Failed("the input 'rows' has to be a list of objects", "INVALID_INPUT")
    source = step.datasource(settings["data_source"])
    try:
        return {"rows": source.write(settings["table"], rows, replace=settings.get("mode") == "replace")}
    except (step.DataSourceError, TypeError) as error:
        raise Failed(str(error)) from None
