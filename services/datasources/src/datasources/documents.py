"""The `source` of a data source: a YAML or JSON document, read strictly, with line and column in every complaint."""

import re
from typing import Any, Final

import yaml

from chassis.errors import FieldViolation, Invalid
from datasources.domain import Draft, TlsMode, Type

_TEXT: Final = "tag:yaml.org,2002:str"
_WHOLE: Final = "tag:yaml.org,2002:int"
_NULL: Final = "tag:yaml.org,2002:null"
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
)
_DEEPEST: Final = 50
_PORT: Final = re.compile("0|[1-9][0-9]{0,4}")


def parse(source: str) -> Draft:
    """The draft the document describes. Raises Invalid INVALID_DOCUMENT with line and column, from 1.

    The document is one mapping from field names, in snake_case or lowerCamelCase, to text or whole numbers. Anchors,
    tags, repeated and unknown fields are refused, as is both `secret_value` and `secret_ref`.
    """
    node = _compose(source)
    if not isinstance(node, yaml.MappingNode):
        raise _refused("expected a mapping such as `name: sales`", node)
    values: dict[str, Any] = {}
    for key, value in node.value:
        field = _field(key)
        if field in values:
            raise _refused(f"{field} appears twice", key)
        values[field] = _value(field, value)
    if values.get("secret_value") and values.get("secret_ref"):
        raise _refused("secret_value and secret_ref exclude each other", node)
    return Draft(**{field: value for field, value in values.items() if value is not None})


def _compose(source: str) -> yaml.Node | None:
    try:
        loader = yaml.SafeLoader(source)
        depth = 0
        for event in yaml.parse(source, yaml.SafeLoader):
            # Composing is recursive, and an alias can be its own ancestor.
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise _refused("anchors and aliases are not accepted", event)
            if getattr(event, "tag", None):
                raise _refused("tags are not accepted", event)
            if depth > _DEEPEST:
                raise _refused("the document is nested too deeply", event)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        raise _at(
            f"the character U+{ord(str(error.character)[:1] or ' '):04X} is not accepted", 1, 1
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _at(error.problem or "it is not YAML", line, column) from None
    if node is None:
        raise _at("it is empty", 1, 1)
    return node


def _field(key: yaml.Node) -> str:
    if not isinstance(key, yaml.ScalarNode):
        raise _refused("a field's name is text", key)
    name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in str(key.value))
    if name not in _FIELDS:
        raise _refused(f"unknown field {key.value!r}; known: {', '.join(_FIELDS)}", key)
    return name


def _value(field: str, node: yaml.Node) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        raise _refused(f"{field} is text, not a list or a mapping", node)
    if node.tag == _NULL:
        return None
    text = str(node.value)
    if "\0" in text:
        raise _refused(f"{field} holds a NUL character", node)
    if field == "port":
        if node.tag != _WHOLE or not _PORT.fullmatch(text) or int(text) > 65535:
            raise _refused("port is a whole number up to 65535", node)
        return int(text)
    if node.tag != _TEXT:
        raise _refused(f"{field} is text: put it in quotes", node)
    if field == "type":
        return _word(text, [one.value for one in Type], "type", node)
    if field == "tls_mode":
        return _word(text, [one.value for one in TlsMode], "tls_mode", node)
    return text


def _word(text: str, words: list[str], field: str, node: yaml.Node) -> str:
    if text.upper() not in words:
        raise _refused(f"{field} is one of {', '.join(words)}", node)
    return text.upper()


def _refused(why: str, where: Any) -> Invalid:
    mark = where.start_mark if where is not None else None
    return _at(why, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1)


def _at(why: str, line: int, column: int) -> Invalid:
    sentence = f"line {line}, column {column}: {why}"
    return Invalid(
        "INVALID_DOCUMENT",
        f"source: {sentence}",
        metadata={"line": str(line), "column": str(column)},
        fields=[FieldViolation("source", sentence)],
    )
