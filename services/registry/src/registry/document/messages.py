"""Reads a document's mapping as a message of the contract: its fields, of the kinds they have, and nothing else.

The readers are made from the message's descriptor, so that a new field can be written as soon as there is one.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration

from chassis import source
from chassis.source import Node
from registry.document import values
from registry.document.reader import WRONG, Read, Reader

_WHOLE: Final = frozenset(
    {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_INT64}
)
_NUMBERS: Final = frozenset({FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT})


@cache
def fields_of(message: Descriptor) -> Mapping[str, Read]:
    """How to read each field of a message, by its name, into what `json_format.ParseDict` takes."""
    return {field.name: _reader_of(field) for field in message.fields}


def _reader_of(field: FieldDescriptor) -> Read:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _mapping(_single(field.message_type.fields_by_name["value"]))
    return _list(_single(field)) if field.is_repeated else _single(field)


def _single(field: FieldDescriptor) -> Read:
    if field.message_type is not None:
        return _message(field.message_type)
    if field.enum_type is not None:
        return values.word(f"a {field.name.replace('_', ' ')}", *list(field.enum_type.values_by_name)[1:])
    if field.type == FieldDescriptor.TYPE_STRING:
        return values.text
    if field.type == FieldDescriptor.TYPE_BOOL:
        return flag
    if field.type in _WHOLE:
        return values.whole
    return values.number if field.type in _NUMBERS else values.anything


def _message(message: Descriptor) -> Read:
    match message.full_name:
        case "google.protobuf.Struct":
            return _mapping(values.anything)
        case "google.protobuf.Value" | "google.protobuf.ListValue":
            return values.anything
        case "google.protobuf.Duration":
            return _duration

    def read(reader: Reader, node: Node, path: str) -> Any:
        if not isinstance(node.value, dict):
            return reader.expected(node, path, "a mapping", f"write {', '.join(fields_of(message))} below it")
        return reader.record(node, path, fields_of(message))

    return read


def flag(reader: Reader, node: Node, path: str) -> Any:
    """True or false."""
    if isinstance(node.value, bool):
        return node.value
    return reader.expected(node, path, "true or false", "write true or false without quotes")


def schema(reader: Reader, node: Node, path: str) -> Any:
    """A JSON Schema: a mapping, or JSON text that holds one."""
    if not isinstance(node.value, str):
        return _mapping(values.anything)(reader, node, path)
    if not node.value.strip():
        return WRONG
    try:
        root = source.read(node.value)
    except source.UnreadableError as error:
        return reader.refuse(path, node, f"is no JSON: {error}", "write a JSON object, or a mapping")
    if not isinstance(root.value, dict):
        return reader.refuse(path, node, f"holds {root.kind}", "write a JSON object, or a mapping")
    return source.plain(root)


def _duration(reader: Reader, node: Node, path: str) -> Any:
    found = values.duration(reader, node, path)
    if found is WRONG:
        return found
    length = Duration()
    length.FromTimedelta(found)
    return length.ToJsonString()


def _list(one: Read) -> Read:
    def read(reader: Reader, node: Node, path: str) -> Any:
        if not isinstance(node.value, list):
            return reader.expected(node, path, "a list", "write each in a line of its own after a dash")
        found = []
        for index, item in enumerate(node.value):
            reader.places[f"{path}[{index}]"] = (item.line, item.column)
            value = one(reader, item, f"{path}[{index}]")
            if value is not WRONG:
                found.append(value)
        return found

    return read


def _mapping(one: Read) -> Read:
    def read(reader: Reader, node: Node, path: str) -> Any:
        if not isinstance(node.value, dict):
            return reader.expected(node, path, "a mapping", "write name: value below it")
        found = {key: one(reader, entry.node, f"{path}.{key}") for key, entry in node.value.items()}
        return {key: value for key, value in found.items() if value is not WRONG}

    return read
