"""What narrows a type beside it: `Field(ge=0)` of pydantic, `Ge(0)` of annotated-types, and their like."""

import ast
import re
from typing import Any, Final

from registry.inference.constants import UNKNOWN, constant, last_name
from registry.inference.schema import Schema, described

_NUMBERS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LENGTHS: Final = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}
_ALONE: Final = {
    "Ge": "ge",
    "Gt": "gt",
    "Le": "le",
    "Lt": "lt",
    "MultipleOf": "multiple_of",
    "MinLen": "min_length",
    "MaxLen": "max_length",
}
_SEVERAL: Final = frozenset({"Field", "Interval", "StringConstraints", "Len"})
CALLS: Final = {"conint": "int", "confloat": "float", "constr": "str", "conlist": "list"}
"""Types of pydantic that are written as calls, and what they narrow."""
NAMED: Final[dict[str, tuple[str, str, int]]] = {
    "PositiveInt": ("int", "gt", 0),
    "NonNegativeInt": ("int", "ge", 0),
    "NegativeInt": ("int", "lt", 0),
    "NonPositiveInt": ("int", "le", 0),
    "PositiveFloat": ("float", "gt", 0),
    "NonNegativeFloat": ("float", "ge", 0),
    "NegativeFloat": ("float", "lt", 0),
    "NonPositiveFloat": ("float", "le", 0),
}
"""Names of pydantic for narrowed numbers."""
_PATTERN: Final = 1000


def narrowed(schema: Schema, extra: ast.expr) -> Schema:
    """The schema with what `extra`, something of an `Annotated`, says; unchanged where that is unknown."""
    if isinstance(extra, ast.Constant) and isinstance(extra.value, str):
        return schema if "description" in schema else described(schema, extra.value)
    if not isinstance(extra, ast.Call):
        return schema
    name = last_name(extra)
    if name in _ALONE and len(extra.args) == 1:
        return with_keywords(schema, {_ALONE[name]: extra.args[0]})
    if name in _SEVERAL:
        keywords = {one.arg: one.value for one in extra.keywords if one.arg}
        if name == "Len":
            keywords |= dict(zip(("min_length", "max_length"), extra.args, strict=False))
        return with_keywords(schema, keywords)
    return schema


def with_keywords(schema: Schema, keywords: dict[str, ast.expr]) -> Schema:
    """The schema narrowed by keywords with pydantic's names."""
    around = kinds(schema)
    found: Schema = {}
    for word, node in keywords.items():
        value = constant(node)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if word in _NUMBERS and number and around & {"integer", "number"}:
            if word != "multiple_of" or value > 0:
                found[_NUMBERS[word]] = value
        elif word in ("min_length", "max_length") and number and isinstance(value, int) and value >= 0:
            for kind in around & _LENGTHS.keys():
                found[_LENGTHS[kind][word == "max_length"]] = value
        elif word in ("pattern", "regex") and isinstance(value, str) and "string" in around:
            found |= {"pattern": value} if is_pattern(value) else {}
        elif word in ("description", "title") and isinstance(value, str):
            found |= described({}, value) if word == "description" else {"title": value[:200]}
        elif word == "examples" and isinstance(value, list):
            found["examples"] = value
    return schema | found


def takes_null(schema: Schema) -> bool:
    """Whether a schema says itself that null fits it."""
    return not schema or "null" in kinds(schema) or None in schema.get("enum", ())


def kinds(schema: Schema) -> set[str]:
    """The types of which a schema speaks itself; those behind references are their own affair."""
    words: Any = schema.get("type", [])
    found = {words} if isinstance(words, str) else set(words)
    return found.union(*(kinds(one) for one in schema.get("anyOf", ())))


def is_pattern(text: str) -> bool:
    """Whether a text is a regular expression of a reasonable length."""
    if len(text) > _PATTERN:
        return False
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError, MemoryError):
        return False
    return True


def default(call: ast.Call) -> tuple[bool, Any]:
    """Whether a field of this `Field(…)` or `field(…)` may be left out; and its default, or UNKNOWN."""
    named = {one.arg: one.value for one in call.keywords if one.arg}
    given = named.get("default", call.args[0] if call.args else None)
    if "default_factory" in named:
        factory = {"list": [], "dict": {}, "str": "", "set": []}.get(
            last_name(named["default_factory"]), UNKNOWN
        )
        return True, factory if isinstance(named["default_factory"], ast.Name) else UNKNOWN
    if given is None or (isinstance(given, ast.Constant) and given.value is Ellipsis):
        return False, UNKNOWN
    return True, constant(given)
