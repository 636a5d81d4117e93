"""Type hints of `main`: turns JSON values into what the hints ask for, and says what does not fit."""

import dataclasses
import datetime
import decimal
import enum
import types
import typing
import uuid
from typing import Any, Final

_WORDS: Final = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    type(None): "null",
}


class Mismatch(Exception):
    """A value does not fit its hint; the message says what was expected, `path` where."""

    def __init__(self, expected: str, value: Any) -> None:
        super().__init__(f"must be {expected}, not {name(value)}")
        self.path = ""


def name(value: Any) -> str:
    """The JSON word for a value's type."""
    return _WORDS.get(type(value), type(value).__name__)


def of(function: Any) -> dict[str, Any]:
    """The function's resolved hints; none where they cannot be resolved."""
    try:
        return typing.get_type_hints(function)
    except Exception:  # a hint may be any expression; an unresolved one converts nothing
        return {}


def convert(value: Any, hint: Any) -> Any:
    """The value as the hint asks for; unchanged where the hint says nothing we know. Raises Mismatch."""
    plain = _PLAIN.get(hint)
    if plain is not None:
        return plain(value)
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(value, arguments)
    if origin is typing.Annotated:
        return convert(value, arguments[0])
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise Mismatch(f"one of {', '.join(map(repr, arguments))}", value)
    if origin in (list, set, frozenset, tuple) or hint in (list, set, frozenset, tuple):
        return _items(value, origin or hint, arguments)
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise Mismatch("an object", value)
        return {k: _at(v, arguments[1], f".{k}") for k, v in value.items()} if len(arguments) == 2 else value
    if isinstance(hint, type):
        return _of_class(value, hint)
    return value


def _at(value: Any, hint: Any, where: str) -> Any:
    try:
        return convert(value, hint)
    except Mismatch as problem:
        problem.path = where + problem.path
        raise


def _one_of(value: Any, hints: tuple[Any, ...]) -> Any:
    problems = []
    exact = [hint for hint in hints if hint is type(value)]
    for hint in (*exact, *hints):
        try:
            return convert(value, hint)
        except Mismatch as problem:
            problems.append(problem)
    raise problems[0] if len(hints) <= 2 else Mismatch("one of its types", value)


def _items(value: Any, kind: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, list):
        raise Mismatch("a list", value)
    if not arguments:
        return kind(value)
    if kind is tuple and arguments[-1] is not Ellipsis:
        if len(arguments) != len(value):
            raise Mismatch(f"a list of {len(arguments)} items", value)
        return tuple(
            _at(item, hint, f"[{i}]") for i, (item, hint) in enumerate(zip(value, arguments, strict=True))
        )
    return kind(_at(item, arguments[0], f"[{i}]") for i, item in enumerate(value))


def _of_class(value: Any, kind: type) -> Any:
    if dataclasses.is_dataclass(kind):
        return _dataclass(value, kind)
    if issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError:
            raise Mismatch(f"one of {', '.join(repr(m.value) for m in kind)}", value) from None
    validate = getattr(kind, "model_validate", None)  # pydantic
    if validate is not None:
        try:
            return validate(value)
        except ValueError as error:
            raise Mismatch(f"a valid {kind.__name__} ({error})", value) from None
    return value


def _dataclass(value: Any, kind: Any) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(f"an object ({kind.__name__})", value)
    types_of = of(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    unknown = sorted(set(value) - set(fields))
    if unknown:
        problem = Mismatch(f"a field of {kind.__name__} ({', '.join(fields)})", unknown[0])
        problem.path = f".{unknown[0]}"
        raise problem
    missing = [
        name
        for name, field in fields.items()
        if name not in value
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise Mismatch(f"an object with '{missing[0]}' ({kind.__name__})", value)
    return kind(**{key: _at(item, types_of.get(key, Any), f".{key}") for key, item in value.items()})


def _integer(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mismatch("an integer", value)
    if isinstance(value, float):
        if not value.is_integer():
            raise Mismatch("an integer", value)
        return int(value)
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Mismatch("a number", value)
    return float(value)


def _exactly(kind: type) -> Any:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise Mismatch(_WORDS[kind], value)
        return value

    return check


def _parsed(parse: Any, words: str) -> Any:
    def check(value: Any) -> Any:
        if not isinstance(value, str):
            raise Mismatch(words, value)
        try:
            return parse(value)
        except (ValueError, ArithmeticError):
            raise Mismatch(words, value) from None

    return check


def _decimal(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return decimal.Decimal(str(value))
    return _parsed(decimal.Decimal, "a decimal number")(value)


_PLAIN: Final[dict[Any, Any]] = {
    Any: lambda value: value,
    int: _integer,
    float: _number,
    str: _exactly(str),
    bool: _exactly(bool),
    type(None): _exactly(type(None)),
    decimal.Decimal: _decimal,
    datetime.datetime: _parsed(datetime.datetime.fromisoformat, "a date and time (ISO 8601)"),
    datetime.date: _parsed(datetime.date.fromisoformat, "a date (YYYY-MM-DD)"),
    datetime.time: _parsed(datetime.time.fromisoformat, "a time (HH:MM:SS)"),
    uuid.UUID: _parsed(uuid.UUID, "a UUID"),
}
