"""The sixth layer: each request message against the rules of its contract."""

import logging
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from chassis.errors import FieldViolation, Invalid
from chassis.rules import calls_beside

log = logging.getLogger(__name__)

_DEPTH = 100
_TIMES: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    # google/protobuf/timestamp.proto: the years 1 to 9999.
    "google.protobuf.Timestamp": (
        lambda time: -62135596800 <= time.seconds <= 253402300799 and 0 <= time.nanos < 10**9,
        "must be from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z, with nanos from 0 to 999,999,999",
    ),
    # google/protobuf/duration.proto allows ten times as much, which no date goes on from.
    "google.protobuf.Duration": (
        lambda time: (
            abs(time.seconds) <= 31_557_600_000 and abs(time.nanos) < 10**9 and time.seconds * time.nanos >= 0
        ),
        "must be within 1,000 years, with seconds and nanos of one sign",
    ),
}
"""What every time has to be, in whatever field, to be one that can be reckoned with."""


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
    """Raises Invalid naming every field that breaks its rule, or one that holds a NUL character or no time."""
    if isinstance(message, Unreadable):
        raise Invalid("INVALID_FIELD", "the request cannot be read: it is damaged, or nested too deeply")
    violations = protovalidate.collect_violations(message)
    if violations:
        fields = [_violation(message, violation) for violation in violations]
        raise Invalid(
            "INVALID_FIELD", "; ".join(f"{one.field}: {one.description}" for one in fields[:5]), fields=fields
        )
    if not _holds_proper_times(message) and (found := _find_no_time(message)):
        path, expected = found
        raise Invalid(
            "INVALID_FIELD",
            f"{path}: {expected}",
            fields=[FieldViolation(path, expected, "TIME_OUT_OF_RANGE")],
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


@cache
def _holds_times(descriptor: Descriptor) -> bool:
    """Whether such a message may hold a Timestamp or a Duration, however deep."""
    seen: set[str] = set()
    todo = [descriptor]
    while todo:
        one = todo.pop()
        if one.full_name in _TIMES:
            return True
        if one.full_name not in seen:
            seen.add(one.full_name)
            todo += [field.message_type for field in one.fields if field.message_type is not None]
    return False


@cache
def _with_times(descriptor: Descriptor) -> tuple[FieldDescriptor, ...]:
    """The fields of such a message that are a time or may hold one."""
    return tuple(
        field
        for field in descriptor.fields
        if field.message_type is not None and _holds_times(field.message_type)
    )


def _holds_proper_times(message: Message, depth: int = 0) -> bool:
    """Whether there is nothing for `_find_no_time` to find: asked of every message, and so without any paths."""
    is_time, single, several = _looks(message.DESCRIPTOR)
    if is_time is not None:
        return is_time(message)
    if depth > _DEPTH:
        return True
    for name in single:
        if message.HasField(name) and not _holds_proper_times(getattr(message, name), depth + 1):
            return False
    for name, is_map in several:
        value = getattr(message, name)
        for one in value.values() if is_map else value:
            if not _holds_proper_times(one, depth + 1):
                return False
    return True


@cache
def _looks(
    descriptor: Descriptor,
) -> tuple[Callable[[Any], bool] | None, tuple[str, ...], tuple[tuple[str, bool], ...]]:
    """What to look at in such a message: the rule of a time; the fields of one message; those of several, and whether
    each is a map.
    """
    is_time, _ = _TIMES.get(descriptor.full_name, (None, ""))
    fields = _with_times(descriptor)
    single = tuple(field.name for field in fields if not field.is_repeated)
    several = tuple((field.name, _is_map(field)) for field in fields if field.is_repeated)
    return is_time, single, several


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _find_no_time(message: Message, prefix: str = "", depth: int = 0) -> tuple[str, str] | None:
    """The path of the first Timestamp or Duration that means none, and what it has to be."""
    if (rule := _TIMES.get(message.DESCRIPTOR.full_name)) is not None:
        is_time, expected = rule
        return None if is_time(message) else (prefix, expected)
    if depth > _DEPTH:
        return None
    for field in _with_times(message.DESCRIPTOR):
        if not field.is_repeated and not message.HasField(field.name):
            continue
        path = f"{prefix}.{field.name}" if prefix else field.name
        for place, one in _messages(field, getattr(message, field.name), path):
            if isinstance(one, Message) and (found := _find_no_time(one, place, depth + 1)):
                return found
    return None


def _messages(field: Any, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each value of a field of messages, with its path."""
    if _is_map(field):
        yield from ((f"{path}[{key!r}]", one) for key, one in value.items())
    elif field.is_repeated:
        yield from ((f"{path}[{index}]", one) for index, one in enumerate(value))
    else:
        yield path, value


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
