"""What a form needs besides a schema: titles, an order, defaults, and what kind of field to draw.

All of it is read from the contract: its names, its comments and its limits. So a new field of a config needs nothing
here, unless it is code.
"""

import re
from typing import Any, Final

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from buf.validate import validate_pb2
from chassis import contracts, schemas
from chassis.jsonvalue import Json

Schema = dict[str, Any]

_FORMATS: Final = {
    "code_content": "code",
    "content": "code",
    "expression": "code",
    "sql": "code",
    "ipynb": "code",
    "mcp_configuration": "yaml",
}
"""Fields that are more than text, by name; other long texts are `textarea`."""
_LONG: Final = 4096
"""Bytes or characters from which on a text gets more than one line."""
_ABBREVIATIONS: Final = {"api", "cel", "html", "id", "json", "llm", "mcp", "p", "k", "sql", "ttl", "url"}
_NUMBERS: Final = {"one": 1, "two": 2, "five": 5, "ten": 10, "fifteen": 15, "thirty": 30}
_UNITS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_DEFAULT: Final = re.compile(r"\bDefault:? (.+?)(?:\.\s|\.$|;|,\s)", re.DOTALL)


def schema_of(name: str) -> Schema:
    """The JSON Schema of the message `name` with what a form needs: in every object `x-order` names the fields in their
    order and `x-choices` those of which there is one at most, and every field has a `title`, and a `default` and a
    `format` where they are known.
    """
    schema = schemas.message(name)
    _enriched(schema, contracts.pool().FindMessageTypeByName(name))
    for inner_name, inner in schema.get("$defs", {}).items():
        if "properties" in inner:
            _enriched(inner, contracts.pool().FindMessageTypeByName(inner_name))
    return schema


def _enriched(schema: Schema, message: Descriptor) -> None:
    schema["x-order"] = [field.json_name for field in message.fields]
    choices = [[field.json_name for field in one.fields] for one in message.oneofs]
    if choices := [names for names in choices if len(names) > 1]:
        schema["x-choices"] = choices
    for field in message.fields:
        shown: Schema = schema["properties"][field.json_name]
        shown["title"] = title(field.name)
        comment = contracts.comments().get(field.full_name, "")
        if (default := default_of(comment, shown)) is not None:
            shown["default"] = default
        if (kind := _format(field)) and "enum" not in shown and "format" not in shown:
            shown["format"] = kind


def title(name: str) -> str:
    """A field's name as people write it: `git_repo_url` is `Git repo URL`."""
    words = [word.upper() if word in _ABBREVIATIONS else word for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def default_of(comment: str, schema: Schema) -> Json:
    """The default that a comment tells of, in the JSON form of its field; None when it tells of none, or of none that a
    form could fill in.
    """
    match = _DEFAULT.search(comment)
    if match is None:
        return None
    told = match[1].strip("`")
    if schema.get("type") in ("number", "integer"):
        return float(told) if re.fullmatch(r"-?\d+\.\d+", told) else _whole(told)
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get(told)
    if told in schema.get("enum", ()):
        return told
    if "s$" in schema.get("pattern", "") and (length := re.fullmatch(r"(\w+) (\w+?)s?", told)):
        count, unit = _NUMBERS.get(length[1], _whole(length[1])), _UNITS.get(length[2])
        return None if count is None or unit is None else f"{count * unit}s"
    return None


def _whole(text: str) -> int | None:
    plain = text.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+", text) else text
    return int(plain) if re.fullmatch(r"-?\d+", plain) else None


def _format(field: FieldDescriptor) -> str:
    if field.type != FieldDescriptor.TYPE_STRING or field.is_repeated:
        return ""
    if known := _FORMATS.get(field.name):
        return known
    extensions: Any = descriptor_pb2.FieldOptions.FromString(
        field.GetOptions().SerializeToString()
    ).Extensions
    rules = extensions[validate_pb2.field].string
    return "textarea" if max(rules.max_bytes, rules.max_len) >= _LONG else ""
