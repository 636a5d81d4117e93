"""The sixth layer: each request message against the rules of its contract."""

import logging
from collections.abc import Callable
from typing import Any

import protovalidate
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from chassis.errors import FieldViolation, Invalid
from chassis.rules import calls_beside

log = logging.getLogger(__name__)

_DEPTH = 100


class Unreadable:
    """Stands for a request whose bytes are no message: refused here, with a sentence, and not by gRPC."""


def reader(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """`deserialize`, with Unreadable for what it cannot read."""

    def read(content: bytes) -> Any:
        try:
            return deserialize(content)
        except DecodeError:
            return Unreadable()

    return read


def validate(message: Message | Unreadable) -> None:
    """Raises Invalid naming every field that breaks its rule, or that holds a NUL character."""
    if isinstance(message, Unreadable):
        raise Invalid("INVALID_FIELD", "the request cannot be read: it is damaged, or nested too deeply")
    violations = protovalidate.collect_violations(message)
    if violations:
        fields = [_violation(message, violation) for violation in violations]
        raise Invalid(
            "INVALID_FIELD", "; ".join(f"{one.field}: {one.description}" for one in fields[:5]), fields=fields
        )
    # No encoding of a string without NUL has a NUL in its bytes, but numbers do; as text they have not. Only then
    # look closer.
    if b"\0" in message.SerializeToString() and "\\000" in str(message) and (path := find_nul(message)):
        raise Invalid(
            "NUL_CHARACTER",
            f"{path} holds a NUL character",
            fields=[FieldViolation(path, "must not hold a NUL character", "NUL_CHARACTER")],
        )


def _violation(message: Message, violation: Any) -> FieldViolation:
    proto, path = violation.proto, ""
    for element in proto.field.elements if proto.field else ():
        path += f".{element.field_name}" if path else str(element.field_name)
        subscript = element.subscript
        if subscript is not None:
            path += f"[{subscript.value!r}]"
    text = proto.message or proto.rule_id
    if proto.rule_id == "string.in":
        text = _choice(list(violation.rule_value))
    if proto.rule_id == "string.uuid" and (calls := calls_beside(message.DESCRIPTOR)):
        # In a path `{id}:cancle` is an id to the edge: no call is called so.
        _, colon, word = str(violation.field_value).partition(":")
        text += f"; there is no call ':{word[:40]}' here, there is {', '.join(calls)}" if colon else ""
    return FieldViolation(path or "request", text, (proto.rule_id or "").upper().replace(".", "_"))


def _choice(words: list[str]) -> str:
    """`must be 'a', 'b' or 'c'`, and whether it may be left out."""
    named = [f"'{word}'" for word in words if word]
    text = " or ".join(part for part in (", ".join(named[:-1]), *named[-1:]) if part)
    return f"must be {text}" + ("; or leave it out" if "" in words else "")


def find_nul(message: Message, prefix: str = "", depth: int = 0) -> str:
    """The path of the first string (a Struct's keys included) that holds a NUL character, or an empty string."""
    if depth > _DEPTH:
        return prefix
    for field, value in message.ListFields():
        path = f"{prefix}.{field.name}" if prefix else field.name
        if found := _in_field(field, value, path, depth):
            return found
    return ""


def _in_field(field: FieldDescriptor, value: Any, path: str, depth: int) -> str:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for key, item in value.items():
            if isinstance(key, str) and "\0" in key:
                return path
            if found := _in_value(item, f"{path}[{key!r}]", depth):
                return found
        return ""
    if field.is_repeated:
        for index, item in enumerate(value):
            if found := _in_value(item, f"{path}[{index}]", depth):
                return found
        return ""
    return _in_value(value, path, depth)


def _in_value(value: Any, path: str, depth: int) -> str:
    if isinstance(value, str):
        return path if "\0" in value else ""
    if isinstance(value, Message):
        return find_nul(value, path, depth + 1)
    return ""
