"""The `source` of a data source: a YAML or JSON document, read strictly, with line and column in every complaint."""

from typing import Any, Final

from chassis import source
from chassis.errors import FieldViolation, Invalid
from chassis.source import Node, UnreadableError
from datasources.domain import Draft, TlsMode, Type, Visibility

_FIELDS: Final = (
    "name",
    "display_name",
    "description",
    "type",
    "host",
    "port",
    "database",
    "username",
    "tls_mode",
    "secret_value",
    "secret_ref",
    "visibility",
    "allow_writes",
)


def parse(text: str) -> Draft:
    """The draft the document describes. Raises Invalid INVALID_DOCUMENT with line and column, from 1.

    The document is one mapping from field names, in snake_case or lowerCamelCase, to text, whole numbers or truth
    values. Tags, repeated and unknown fields are refused, as is both `secret_value` and `secret_ref`.
    """
    try:
        root = source.read(text)
    except UnreadableError as error:
        raise _at(error.message, error.line, error.column) from None
    if not isinstance(root.value, dict):
        raise _at("expected a mapping such as `name: sales`", root.line, root.column)
    values: dict[str, Any] = {}
    for key, entry in root.value.items():
        field = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in key)
        if field not in _FIELDS:
            raise _at(f"unknown field {key!r}; known: {', '.join(_FIELDS)}", entry.line, entry.column)
        if field in values:
            raise _at(f"{field} is given twice", entry.line, entry.column)
        values[field] = _value(field, entry.node)
    if values.get("secret_value") and values.get("secret_ref"):
        raise _at("secret_value and secret_ref exclude each other", root.line, root.column)
    return Draft(**{field: value for field, value in values.items() if value is not None})


def _value(field: str, node: Node) -> Any:
    value = node.value
    if value is None:
        return None
    if field == "port":
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 65535:
            raise _refused("port is a whole number up to 65535", node)
        return value
    if field == "allow_writes":
        if not isinstance(value, bool):
            raise _refused("allow_writes is true or false", node)
        return value
    if isinstance(value, (dict, list)):
        raise _refused(f"{field} is text, not a list or a mapping", node)
    if not isinstance(value, str):
        raise _refused(f"{field} is text: put it in quotes", node)
    if "\0" in value:
        raise _refused(f"{field} holds a NUL character", node)
    if field == "type":
        return _word(value, [one.value for one in Type], "type", node)
    if field == "visibility":
        return _word(value, [one.value for one in Visibility], "visibility", node)
    if field == "tls_mode":
        return _word(value, [one.value for one in TlsMode], "tls_mode", node)
    return value


def _word(text: str, words: list[str], field: str, node: Node) -> str:
    if text.upper() not in words:
        raise _refused(f"{field} is one of {', '.join(words)}", node)
    return text.upper()


def _refused(why: str, node: Node) -> Invalid:
    return _at(why, node.line, node.column)


def _at(why: str, line: int, column: int) -> Invalid:
    sentence = f"line {line}, column {column}: {why}"
    return Invalid(
        "INVALID_DOCUMENT",
        f"source: {sentence}",
        metadata={"line": str(line), "column": str(column)},
        fields=[FieldViolation("source", sentence)],
    )
