"""What a step returned, as JSON: exactly, or an error that names the place and the type."""

import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` itself is left to the components that use it: it costs every fork memory
    from typing import Any

_DEPTH = 100
"""What is held here, of all that is made JSON; what the engine keeps itself it holds to 30."""
_EXACT = 2**53
_COUNTED = 100
_KEY = 200
_DESCRIBED = 100
_DESCRIPTION = 4000


class InvalidOutput(Exception):
    """The value is not JSON, or too large; the message names the place."""


def encode(value: "Any", *, limit: int, where: str = "output") -> bytes:
    """The value's JSON, UTF-8. Raises InvalidOutput; `limit` is in bytes."""
    return dump(plain(value, where), limit=limit, where=where)


def dump(value: "Any", *, limit: int, where: str = "output") -> bytes:
    """The same, for what `plain` made."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise InvalidOutput(f"{where} holds a lone surrogate, which is no valid text") from None
    if len(data) > limit:
        raise InvalidOutput(
            f"{where} is {len(data):,} bytes of JSON, over the limit of {limit:,}; "
            "store large results with step.artifact(name, data) and return a reference"
        )
    return data


def counts(value: "Any") -> "dict[str, int]":
    """How many items the lists in a plain value have, its own and those of its fields, by their JSON Pointers."""
    if isinstance(value, list):
        return {"": len(value)}
    found: dict[str, int] = {}
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, list) and len(found) < _COUNTED and len(key) <= _KEY:
                found["/" + key.replace("~", "~0").replace("/", "~1")] = len(item)
    return found


def kinds(value: "Any") -> "dict[str, str]":
    """What a plain value and its parts are, by their JSON Pointers: of an `object` every field is there as well.

    Objects that would make the description long are named without their kind. Lists are not looked into.
    """
    found = {"": _kind(value)}
    waiting = [("", value)]
    size = 0
    for pointer, one in waiting:  # grows on the way
        if not isinstance(one, dict):
            continue
        if len(found) + len(one) <= _DESCRIBED:
            parts = [(pointer + "/" + key.replace("~", "~0").replace("/", "~1"), one[key]) for key in one]
            longer = sum(len(part) for part, _ in parts)
            if size + longer <= _DESCRIPTION and all(len(part) <= 2 * _KEY for part, _ in parts):
                size += longer
                found.update((part, _kind(item)) for part, item in parts)
                waiting += parts
                continue
        found[pointer] = ""
    return found


def _kind(value: "Any") -> str:
    names = {dict: "object", list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


def is_deeper(value: "Any", levels: int) -> bool:
    """Whether a plain value is nested over so many levels; a scalar has none."""
    within = [value]
    for _ in range(levels + 1):
        within = [
            item
            for one in within
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(within)


def plain(value: "Any", where: str = "output", depth: int = 0) -> "Any":
    """The value built from dict, list, str, int, float, bool and None only."""
    kind = type(value)
    if kind is str:
        if "\0" in value:
            raise InvalidOutput(f"{where} holds a NUL character, which JSON stores cannot keep")
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if -_EXACT <= value <= _EXACT:
            return value
        raise InvalidOutput(f"{where} is {value}, beyond 2^53; return it as a string")
    if kind is float:
        if value - value == 0.0:
            return value
        raise InvalidOutput(f"{where} is {value}, which JSON cannot hold; return None or a string")
    if depth > _DEPTH:
        raise InvalidOutput(
            f"{where[:200]} is nested more than {_DEPTH} levels deep, or contains itself; "
            "an output of 256 KiB or less may be nested 30 levels deep"
        )
    if kind is dict:
        return {_key(key, where): plain(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
    return _converted(value, where, depth)


def _key(key: "Any", where: str) -> str:
    if not isinstance(key, str):
        raise InvalidOutput(
            f"{where} has the key {key!r} of type {type(key).__name__}; JSON keys are strings"
        )
    if "\0" in key:
        raise InvalidOutput(f"{where} has a key with a NUL character")
    return str(key)


def _converted(value: "Any", where: str, depth: int) -> "Any":
    """The usual types beyond JSON, the way pydantic writes them; anything else is refused."""
    if _is(value, "enum", "Enum"):
        return plain(value.value, where, depth + 1)
    for base in (str, bool, int, float):
        if isinstance(value, base):
            return plain(base(value), where, depth + 1)
    if _is(value, "datetime", "date", "time"):
        return value.isoformat()
    if _is(value, "datetime", "timedelta"):
        return plain(value.total_seconds(), where, depth + 1)
    if _is(value, "decimal", "Decimal"):
        if value.is_finite():
            return str(value)
        raise InvalidOutput(f"{where} is Decimal('{value}'), which JSON cannot hold")
    if _is(value, "uuid", "UUID") or hasattr(type(value), "__fspath__"):
        return plain(str(value), where, depth + 1)
    if (fields := getattr(type(value), "__dataclass_fields__", None)) is not None:
        return plain(
            {name: getattr(value, name) for name in fields if hasattr(value, name)}, where, depth + 1
        )
    if isinstance(value, dict):
        return plain(dict(value), where, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return plain(list(value), where, depth + 1)
    if isinstance(value, bytes | bytearray | memoryview):
        raise InvalidOutput(f"{where} is {type(value).__name__}; store it with step.artifact(name, data)")
    return _foreign(value, where, depth)


def _is(value: "Any", module: str, *names: str) -> bool:
    """Whether the value is of one of the module's classes; without importing it, for then it cannot be."""
    loaded = sys.modules.get(module)
    return loaded is not None and any(isinstance(value, getattr(loaded, name, ())) for name in names)


def _foreign(value: "Any", where: str, depth: int) -> "Any":
    """Values of libraries we know by their methods: pydantic models, numpy scalars and arrays."""
    kind = type(value)
    if hasattr(kind, "model_dump"):
        return plain(value.model_dump(mode="json"), where, depth + 1)
    if kind.__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return plain(value.tolist(), where, depth + 1)
    hint = ""
    if kind.__name__ == "DataFrame":
        hint = '; return its rows, for example frame.to_dict("records") or frame.to_dicts()'
    raise InvalidOutput(f"{where} is a {kind.__module__}.{kind.__qualname__}, which is not JSON{hint}")
