"""What comes out of an expression, as JSON and no larger than it may be."""

import base64
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chassis.jsonvalue import Json

MAX_VALUES: Final = 150_000
"""How many values a result may hold; eight characters count as one more."""
_CHARACTERS: Final = 8


class UnusableError(Exception):
    """The result is larger than it may be, or no JSON."""


@dataclass(slots=True)
class Left:
    """How many values the rest of a result may hold."""

    values: int = MAX_VALUES


def convert(value: Any, left: Left) -> Json:
    """The library's value as JSON. It is taken out piece by piece: a few values may stand in it many times.

    Raises UnusableError.
    """
    found = value.value()
    left.values -= 1 + (len(found) // _CHARACTERS if isinstance(found, (str, bytes)) else 0)
    if left.values < 0:
        raise UnusableError(f"the result holds more than {MAX_VALUES:,} values")
    if isinstance(found, list):
        return [convert(item, left) for item in found]
    if isinstance(found, dict):
        return {_key(key): convert(item, left) for key, item in found.items()}
    return _scalar(found)


def _scalar(value: Any) -> Json:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UnusableError(f"the result is {value}, which is not JSON")
        return value
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    raise UnusableError(f"the result is a {type(value).__name__}, which is not JSON")


def _key(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)
