"""Type hints of `main`: turns JSON values into what the hints ask for, and says what does not fit.

The registry infers the schema of the inputs from the same hints: both take the same values.
"""

import collections
import collections.abc
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


_ARRAYS: Final[dict[Any, Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    tuple: tuple,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_OBJECTS: Final[dict[Any, Any]] = {
    dict: dict,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
    collections.defaultdict: dict,
    collections.OrderedDict: collections.OrderedDict,
}
_WRAPPERS: Final = ("Required", "NotRequired", "ReadOnly", "Final")


class Mismatch(Exception):
    """A value does not fit its hint; the message says what was expected, `path` where."""

    def __init__(self, expected: str, value: Any, shown: str = "") -> None:
        super().__init__(f"must be {expected}, not {shown or name(value)}")
        self.path = ""


def name(value: Any) -> str:
    """The JSON word for a value's type."""
    return _WORDS.get(type(value), type(value).__name__)


def of(function: Any) -> dict[str, Any]:
    """The function's resolved hints; none where they cannot be resolved."""
    try:
        return typing.get_type_hints(function, include_extras=True)
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
        return _narrowed(convert(value, arguments[0]), arguments[1:])
    if origin is typing.Literal:
        return _literal(value, arguments)
    kind = origin or hint
    if isinstance(kind, collections.abc.Hashable):
        if kind in _ARRAYS:
            return _items(value, _ARRAYS[kind], arguments)
        if kind in _OBJECTS:
            return _members(value, _OBJECTS[kind], arguments)
    if getattr(origin, "_name", "") in _WRAPPERS:
        return convert(value, arguments[0])
    if isinstance(hint, typing.NewType):
        return convert(value, hint.__supertype__)
    if isinstance(kind, type):
        return _of_class(value, kind, arguments)
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


def _literal(value: Any, allowed: tuple[Any, ...]) -> Any:
    for one in allowed:
        if _same(value, one.value if isinstance(one, enum.Enum) else one):
            return one
    shown = [one.value if isinstance(one, enum.Enum) else one for one in allowed]
    raise Mismatch(f"one of {', '.join(map(repr, shown))}", value, repr(value)[:100])


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _narrowed(value: Any, extras: tuple[Any, ...]) -> Any:
    """The value, if it keeps to what pydantic's `Field` and annotated-types say beside a type. Raises Mismatch."""
    for extra in extras:
        for one in (extra, *(getattr(extra, "metadata", None) or ())):
            _check(value, one)
    return value


def _check(value: Any, one: Any) -> None:
    if isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool):
        for word, expected, fits in _BOUNDS:
            bound = getattr(one, word, None)
            if isinstance(bound, int | float | decimal.Decimal) and not fits(value, bound):
                raise Mismatch(f"{expected} {bound}", value, str(value))
    if isinstance(value, str | list | tuple | set | frozenset | dict):
        least, most = getattr(one, "min_length", None), getattr(one, "max_length", None)
        if isinstance(least, int) and len(value) < least:
            raise Mismatch(f"{least} long at least", value, str(len(value)))
        if isinstance(most, int) and len(value) > most:
            raise Mismatch(f"{most} long at most", value, str(len(value)))
    pattern = getattr(one, "pattern", None)
    if isinstance(value, str) and isinstance(pattern, str):
        import re  # noqa: PLC0415

        if not re.search(pattern, value):
            raise Mismatch(f"text that matches {pattern}", value, repr(value)[:100])


def _members(value: Any, kind: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, dict):
        raise Mismatch("an object", value)
    if len(arguments) != 2:
        return kind(value)
    return kind((key, _at(item, arguments[1], f".{key}")) for key, item in value.items())


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


def _of_class(value: Any, kind: type, arguments: tuple[Any, ...]) -> Any:
    if dataclasses.is_dataclass(kind):
        return _dataclass(value, kind, arguments)
    if issubclass(kind, enum.Enum):
        return _member(value, kind)
    if hasattr(kind, "__required_keys__"):
        return _typed_dict(value, kind, arguments)
    validate = getattr(kind, "model_validate", None)  # pydantic
    if validate is not None:
        try:
            return validate(value)
        except ValueError as error:
            raise Mismatch(f"a valid {kind.__name__} ({error})", value) from None
    return value


def _fields(kind: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """The hints of a class's fields, those of generic classes above it included, with the type arguments put in."""
    hints = of(kind)
    if not hints or not hasattr(kind, "__orig_bases__"):
        return hints
    parameters = getattr(kind, "__parameters__", ())
    given = dict(zip(parameters, arguments, strict=True)) if len(parameters) == len(arguments) else {}
    found = {name: _filled(hint, given) for name, hint in hints.items()}
    for base in reversed(vars(kind).get("__orig_bases__", kind.__bases__)):
        above = typing.get_origin(base) or base
        if isinstance(above, type):
            passed = tuple(_filled(one, given) for one in typing.get_args(base))
            found |= {
                name: hint
                for name, hint in _fields(above, passed).items()
                if name not in kind.__annotations__
            }
    return found


def _filled(hint: Any, given: dict[Any, Any]) -> Any:
    """The hint with its type variables replaced; unchanged where it cannot be."""
    if isinstance(hint, typing.TypeVar):
        return given.get(hint, hint)
    parameters = () if isinstance(hint, type) else getattr(hint, "__parameters__", ())
    if not any(one in given for one in parameters):
        return hint
    try:
        return hint[tuple(given.get(one, one) for one in parameters)]
    except TypeError:  # parameters that are more than one type each
        return hint


def _member(value: Any, kind: Any) -> Any:
    try:
        found = kind(value)
    except ValueError:
        found = None
    if found is None or (found.value == value and not _same(found.value, value)):
        raise Mismatch(f"one of {', '.join(repr(m.value) for m in kind)}", value, repr(value)[:100])
    return found


def _typed_dict(value: Any, kind: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(f"an object ({kind.__name__})", value)
    hints = _fields(kind, arguments)
    for key, hint in hints.items():
        word = getattr(typing.get_origin(hint), "_name", "")
        if key not in value and (
            word == "Required" or (word != "NotRequired" and key in kind.__required_keys__)
        ):
            raise Mismatch(f"an object with '{key}' ({kind.__name__})", value, "one without")
    return {key: _at(item, hints.get(key, Any), f".{key}") for key, item in value.items()}


def _dataclass(value: Any, kind: Any, arguments: tuple[Any, ...]) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(f"an object ({kind.__name__})", value)
    types_of = _fields(kind, arguments)
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
        raise Mismatch(f"an object with '{missing[0]}' ({kind.__name__})", value, "one without")
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


_BOUNDS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("ge", "at least", lambda value, bound: value >= bound),
    ("gt", "more than", lambda value, bound: value > bound),
    ("le", "at most", lambda value, bound: value <= bound),
    ("lt", "less than", lambda value, bound: value < bound),
    ("multiple_of", "a multiple of", lambda value, bound: value % bound == 0),
)


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
