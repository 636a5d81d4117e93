"""JSON values: the bridge between `google.protobuf.Struct` at the edge and plain Python inside.

A number of a Struct is a double. An integral one up to 2^53 becomes an int, because that is what its writer
meant; larger integers travel as strings, since a double cannot hold them.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from google.protobuf import struct_pb2

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_EXACT: Final = 2**53
"""The largest magnitude up to which every integer has a double of its own."""


class Opaque(ABC):
    """A value that is somewhere else: it may be passed on, whole or a part of it, but not be looked into."""

    __slots__ = ()

    @abstractmethod
    def part(self, key: str) -> "Opaque":
        """What is under a key of it, if there is such a key: nobody knows here."""

    @property
    def kind(self) -> str:
        """What it is: `object`, `list`, `string`, `number`, `boolean` or `null`; empty when nobody knows here."""
        return ""

    @property
    def fields(self) -> Sequence[str]:
        """The keys of what is known to be an object: it has no others."""
        return ()

    @property
    @abstractmethod
    def refusal(self) -> str:
        """Why it cannot be computed on, and what to do instead."""


def from_struct(struct: struct_pb2.Struct) -> dict[str, Json]:
    """The Struct as a dict; see the module's word on numbers."""
    return {key: from_value(value) for key, value in struct.fields.items()}


def from_list(values: struct_pb2.ListValue) -> list[Json]:
    """The ListValue as a list."""
    return [from_value(value) for value in values.values]


def from_value(value: struct_pb2.Value) -> Json:
    """The Value as Python; a Value without a kind is None."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return narrow(value.number_value)
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return from_list(value.list_value)
    return None


def narrow(number: float) -> int | float:
    """The int that `number` stands for when it is integral and at most 2^53, else the number."""
    if math.isfinite(number) and number == int(number) and abs(number) <= MAX_EXACT:
        return int(number)
    return number


def to_struct(value: Mapping[str, Json]) -> struct_pb2.Struct:
    """The mapping as a Struct. Integers beyond 2^53 become strings; NaN and infinities raise ValueError."""
    struct = struct_pb2.Struct()
    for key, item in value.items():
        _set(struct.fields[key], item)
    return struct


def to_value(value: Json) -> struct_pb2.Value:
    """The Python value as a Value; the same rules as `to_struct`."""
    message = struct_pb2.Value()
    _set(message, value)
    return message


def to_list(values: Sequence[Json]) -> struct_pb2.ListValue:
    """The sequence as a ListValue; the same rules as `to_struct`."""
    message = struct_pb2.ListValue()
    for item in values:
        _set(message.values.add(), item)
    return message


def _set(message: struct_pb2.Value, value: Json) -> None:
    if value is None:
        message.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, int):
        if abs(value) <= MAX_EXACT:
            message.number_value = value
        else:
            message.string_value = str(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
        message.number_value = value
    elif isinstance(value, Mapping):
        message.struct_value.SetInParent()
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"JSON keys are strings, not {type(key).__name__}")
            _set(message.struct_value.fields[key], item)
    elif isinstance(value, (list, tuple)):
        message.list_value.SetInParent()
        for item in value:
            _set(message.list_value.values.add(), item)
    else:
        raise TypeError(f"{type(value).__name__} is not JSON")


def canonical(value: Json, default: Callable[[object], Json] | None = None) -> bytes:
    """The value's canonical bytes: sorted keys, no spaces, UTF-8, so that equal values have equal bytes.

    Raises ValueError for NaN and infinities, and TypeError for what is not JSON, unless `default` makes JSON of it.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=default
    ).encode()


def parse(data: bytes | str) -> Json:
    """The value that `canonical` (or any JSON writer) wrote. Raises ValueError, also for NaN and infinities."""
    value: Json = json.loads(data, parse_constant=_refuse_constant)
    return value


def parse_object(data: bytes | str) -> dict[str, Json]:
    """Like `parse`, for a document that must be an object."""
    value = parse(data)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, not {type(value).__name__}")
    return value


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")
