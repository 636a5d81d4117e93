"""Rows that go into a table of a data source."""

from typing import Any

import mcpanel_step as step
from programs import listed
from programs.failures import Failed


def write(settings: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Writes the input `rows`; how many there were. Raises Failed."""
    rows = listed.rows(inputs)
    source = step.datasource(settings["data_source"])
    try:
        return {"rows": source.write(settings["table"], rows, replace=settings.get("mode") == "replace")}
    except (step.DataSourceError, TypeError) as error:
        raise Failed(str(error)) from None
