"""JSON values as the text that PostgreSQL reads them from: the way back of `connectors.values`."""

import base64
import binascii
import enum
import json
from typing import Final

from chassis.jsonvalue import Json

_BACKSLASHES: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})


class Form(enum.Enum):
    """What of a column's type decides how a value is written."""

    TEXT = "text"
    JSON = "json"
    BYTES = "bytes"


def text(value: Json, form: Form, delimiter: str) -> str | None:
    """The value as PostgreSQL's text, None for NULL; `delimiter` is that of an array, empty where the type is none.

    Raises ValueError with what was wrong.
    """
    if value is None:
        return None
    if not delimiter:
        return _scalar(value, form)
    if not isinstance(value, list):
        raise ValueError("takes a list")
    return _array(value, form, delimiter)


def _array(items: list[Json], form: Form, delimiter: str) -> str:
    parts = []
    for item in items:
        if item is None:
            parts.append("NULL")
        elif isinstance(item, list) and form is not Form.JSON:
            parts.append(_array(item, form, delimiter))
        else:
            parts.append(f'"{_scalar(item, form).translate(_BACKSLASHES)}"')
    return "{" + delimiter.join(parts) + "}"


def _scalar(value: Json, form: Form) -> str:
    if form is Form.JSON:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, (list, dict)):
        raise ValueError("takes a single value, neither a list nor an object")
    if form is Form.BYTES:
        if not isinstance(value, str):
            raise ValueError("takes bytes, as base64")
        try:
            return "\\x" + base64.b64decode(value, validate=True).hex()
        except (binascii.Error, ValueError):
            raise ValueError("takes bytes, as base64") from None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)
