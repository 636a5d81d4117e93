"""What comes out of an expression, as JSON and no larger than it may be."""

import base64
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from chassis.jsonvalue import Json

MAX_VALUES: Final = 150_000
"""How many values a result may hold; eight characters count as one more."""
MAX_INNER: Final = 1_000_000
"""The same for a list that is made and computed on inside of an expression."""
_CHARACTERS: Final = 8


class UnusableError(Exception):
    """The result is larger than it may be, or no JSON."""


class InexactError(Exception):
    """The result has values that JSON has not, where it is to be computed on."""


@dataclass(slots=True)
class Left:
    """How many values the rest of a result may hold."""

    values: int = MAX_VALUES


def convert(value: Any, left: Left, *, exact: bool = False) -> Json:
    """The library's value as JSON. It is taken out piece by piece: a few values may stand in it many times.

    Raises UnusableError; where it has to be `exact`, InexactError for what JSON has not and would come back as another.
    """
    found = value.value()
    left.values -= 1 + (len(found) // _CHARACTERS if isinstance(found, (str, bytes)) else 0)
    if left.values < 0:
        raise UnusableError(f"the result holds more than {MAX_VALUES:,} values")
    if isinstance(found, list):
        return [convert(item, left, exact=exact) for item in found]
    if isinstance(found, dict):
        return {_key(key, exact=exact): convert(item, left, exact=exact) for key, item in found.items()}
    if exact and not (found is None or isinstance(found, (bool, int, float, str))):
        raise InexactError(type(found).__name__)
    return found if exact else _scalar(found)


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


def _key(key: object, *, exact: bool) -> str:
    if exact and not isinstance(key, str):
        raise InexactError("a key")
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)
