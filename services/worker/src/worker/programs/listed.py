"""Lists of objects, which tables and charts are made of."""

from collections.abc import Mapping
from typing import Any

from programs.failures import Failed


def rows(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The input `rows`. Raises Failed saying what it is instead of a list of objects, or which of its items is."""
    if "rows" not in inputs:
        raise Failed(
            "the input 'rows' is missing: a list of objects, each a row with its columns as fields",
            "INVALID_INPUT",
        )
    given = inputs["rows"]
    if found := misfit(given):
        raise Failed(f"the input 'rows' has to be a list of objects; {found}", "INVALID_INPUT")
    listed: list[dict[str, Any]] = given
    return listed


def misfit(value: Any) -> str:
    """What keeps the value from being a list of objects: `it is a text`, `item 2 is a number`; empty when nothing."""
    if not isinstance(value, list):
        return f"it is {_kind(value)}"
    return next(
        (
            f"item {number} is {_kind(one)}"
            for number, one in enumerate(value, 1)
            if not isinstance(one, Mapping)
        ),
        "",
    )


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        tuple: "a list",
    }
    return "one object" if isinstance(value, Mapping) else kinds.get(type(value), type(value).__name__)
