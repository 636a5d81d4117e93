"""PostgreSQL's values as JSON that loses nothing: numbers that fit, and exact text for everything else.

All values arrive in PostgreSQL's text form, which is exact; the loaders here never pass through a narrower type. The
session speaks UTC, ISO dates and ISO 8601 intervals (`connectors.postgresql`).
"""

import base64
import json
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

import psycopg
from psycopg import postgres
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.json import JsonbDumper

from chassis.jsonvalue import Json

Buffer: TypeAlias = "bytes | bytearray | memoryview"

_TIMESTAMP: Final = re.compile(r"(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-]\d\d)(:\d\d)?)?")
_TIME_ZONE: Final = re.compile(r"(.*[+-]\d\d)")
_DEEPEST: Final = 20
"""JSON nested deeper travels as its text: a message may nest a hundred levels, and each of JSON's takes three."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a connection takes its loaders and dumpers from."""

    adapters: AdaptersMap
    connection: None = None


class Text(Loader):
    """The text as PostgreSQL writes it; bytes that are no UTF-8 (from an SQL_ASCII database) are replaced."""

    def load(self, data: Buffer) -> Json:
        """The value."""
        return bytes(data).decode("utf-8", "replace")


class Whole(Loader):
    """An integer; beyond 2^53 the wire makes it text."""

    def load(self, data: Buffer) -> Json:
        """The value."""
        return int(bytes(data))


class Real(Loader):
    """A floating point number; NaN and infinities are words, since JSON has none."""

    def load(self, data: Buffer) -> Json:
        """The value."""
        value = float(bytes(data))
        return value if math.isfinite(value) else bytes(data).decode()


class Flag(Loader):
    """A boolean."""

    def load(self, data: Buffer) -> Json:
        """The value."""
        return bytes(data) == b"t"


class Timestamp(Loader):
    """ISO 8601 with a `T`, and `+00:00` where there is a time zone; infinities and BC stay PostgreSQL's words."""

    def load(self, data: Buffer) -> Json:
        """The value."""
        text = bytes(data).decode()
        match = _TIMESTAMP.fullmatch(text)
        if match is None:
            return text
        date, time, hours, minutes = match.groups()
        return f"{date}T{time}{hours or ''}{(minutes or ':00') if hours else ''}"


class TimeWithZone(Loader):
    """A time of day with its offset in full."""

    def load(self, data: Buffer) -> Json:
        """The value."""
        text = bytes(data).decode()
        return f"{text}:00" if _TIME_ZONE.fullmatch(text) else text


class Bytes(Loader):
    """Base64."""

    def load(self, data: Buffer) -> Json:
        """The value."""
        text = bytes(data)
        raw = bytes.fromhex(text[2:].decode()) if text.startswith(b"\\x") else text
        return base64.b64encode(raw).decode()


class Document(Loader):
    """JSON as JSON. Numbers that a double would change are text, and so is what is nested too deeply."""

    def load(self, data: Buffer) -> Json:
        """The value."""
        text = bytes(data).decode("utf-8", "replace")
        try:
            value: Json = json.loads(text, parse_float=exact)
        except (RecursionError, ValueError):
            return text
        return text if _is_deep(value) else value


def exact(text: str) -> float | str:
    """The double with this very value, or the text when there is none."""
    value = float(text)
    if repr(value) == text:
        return value
    return value if math.isfinite(value) and Decimal(repr(value)) == Decimal(text) else text


def _is_deep(value: Json) -> bool:
    """Whether `value` is nested deeper than `_DEEPEST`."""
    level = [value]
    for _ in range(_DEEPEST + 1):
        nested = [
            item.values() if isinstance(item, dict) else item
            for item in level
            if isinstance(item, (dict, list))
        ]
        level = [item for items in nested for item in items]
    return bool(nested)


_BY_NAME: Final[dict[str, type[Loader]]] = {
    "int2": Whole,
    "int4": Whole,
    "int8": Whole,
    "oid": Whole,
    "float4": Real,
    "float8": Real,
    "bool": Flag,
    "timestamp": Timestamp,
    "timestamptz": Timestamp,
    "timetz": TimeWithZone,
    "bytea": Bytes,
    "json": Document,
    "jsonb": Document,
}


def context() -> Context:
    """The loaders above for every type, arrays of them included, and JSON for dict parameters."""
    adapters = AdaptersMap(psycopg.adapters)
    for info in postgres.types:
        adapters.register_loader(info.oid, _BY_NAME.get(info.name, Text))
    adapters.register_loader(0, Text)
    adapters.register_dumper(dict, JsonbDumper)
    return Context(adapters)
