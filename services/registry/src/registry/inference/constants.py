"""Values that a Python script writes out: literals, and names that stand for literals."""

import ast
from typing import Any, Final

from chassis.jsonvalue import Json
from registry.inference.schema import DEPTH

UNKNOWN: Final = object()
"""What only running the script would tell."""


def constant(node: ast.expr | None) -> Any:
    """The JSON value of a literal, or UNKNOWN."""
    if node is None:
        return UNKNOWN
    try:
        return _jsonable(ast.literal_eval(node), 0)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UNKNOWN


def _jsonable(value: object, depth: int) -> Json:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)) and abs(value) <= 2**53:
        return value
    if isinstance(value, (list, tuple)) and depth < DEPTH:
        return [_jsonable(item, depth + 1) for item in value]
    if isinstance(value, dict) and depth < DEPTH and all(isinstance(key, str) for key in value):
        return {key: _jsonable(item, depth + 1) for key, item in value.items()}
    raise ValueError("not JSON")


def last_name(node: ast.AST | None) -> str:
    """The last part of a dotted name, a call's or a subscript's included: `t.Annotated[int, 1]` is `Annotated`."""
    while isinstance(node, (ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def first_line(docstring: str | None) -> str:
    """The first line of a docstring; empty without one."""
    return (docstring or "").strip().split("\n", 1)[0].strip()
