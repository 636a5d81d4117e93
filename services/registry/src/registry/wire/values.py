"""What every message is made of: enums by name, times, JSON."""

from datetime import datetime, timedelta

from google.protobuf import struct_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import jsonvalue
from chassis.errors import FieldViolation, Invalid
from chassis.jsonvalue import Json


def enum_name(enum: "EnumTypeWrapper", number: int) -> str:
    """The value's name, empty for the unspecified one."""
    return enum.Name(number) if number else ""


def timestamp(moment: datetime) -> Timestamp:
    """The moment as a message."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def duration(length: timedelta) -> Duration:
    """The length of time as a message."""
    message = Duration()
    message.FromTimedelta(length)
    return message


def delta(message: Message, field: str) -> timedelta | None:
    """A message's Duration field, None where it is absent."""
    if not message.HasField(field):
        return None
    length: timedelta = getattr(message, field).ToTimedelta()
    return length


def struct_json(struct: struct_pb2.Struct, field: str) -> dict[str, Json]:
    """The Struct as JSON. Raises Invalid for what JSON has no word for."""
    value = jsonvalue.from_struct(struct)
    _finite(value, field)
    return value


def value_json(value: struct_pb2.Value, field: str) -> Json:
    """The Value as JSON. Raises Invalid for what JSON has no word for."""
    found = jsonvalue.from_value(value)
    _finite(found, field)
    return found


def _finite(value: Json, field: str) -> None:
    try:
        jsonvalue.canonical(value)
    except ValueError:
        text = "holds a number that is not finite, which is not JSON"
        raise Invalid("INVALID_FIELD", f"{field} {text}", fields=[FieldViolation(field, text)]) from None
