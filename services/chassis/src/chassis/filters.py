"""List filters: the part of AIP-160 the contracts promise, `field operator value` joined by `AND`.

    action = "MCP_CREATED" AND time > "2026-01-01T00:00:00Z" AND tags:"weather"

Operators are `=`, `!=`, `<`, `<=`, `>`, `>=` and `:` (has). Values are words, or strings in single or double
quotes with backslash escapes.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from chassis import errors

Kind: TypeAlias = "type[str] | type[int] | type[bool] | type[datetime] | tuple[str, ...]"
"""What a field holds: text, a whole number, true or false, an RFC 3339 time, or one of these words."""
Value: TypeAlias = "str | int | bool | datetime"

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<operator>!=|<=|>=|=|<|>|:)|(?P<word>[^\s\"'=<>!:()]+))",
    re.DOTALL,
)
_ORDERED: Final = ("<", "<=", ">", ">=")
_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    ":": lambda column, value: column.contains([value]),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; `value` has the field's type."""

    field: str
    operator: str
    value: Value


def parse(text: str, fields: Mapping[str, Kind], lists: Sequence[str] = ()) -> tuple[Condition, ...]:
    """The conditions of a filter, all of which must hold; an empty filter has none.

    `fields` says which fields may be named and what they hold; those also in `lists` hold many and are asked
    with `:`. Raises Invalid INVALID_FILTER with the position, from 1.
    """
    tokens = _tokens(text)
    conditions: list[Condition] = []
    at = 0
    while at < len(tokens):
        if conditions:
            kind, word, place = tokens[at]
            if kind != "word" or word != "AND":
                raise _refused(f"expected AND at {place}, found {word!r}")
            at += 1
        if len(tokens) - at < 3:
            raise _refused(f"expected a field, an operator and a value at {_place(tokens, at, text)}")
        conditions.append(_condition(tokens[at : at + 3], fields, lists))
        at += 3
    return tuple(conditions)


def where(conditions: Sequence[Condition], columns: Mapping[str, Any]) -> list[Any]:
    """The conditions on `columns` (SQLAlchemy columns by field name; array or JSONB for `:`)."""
    return [_COMPARE[one.operator](columns[one.field], one.value) for one in conditions]


_Lexeme: TypeAlias = tuple[str, str, int]  # kind, text, place


def _tokens(text: str) -> list[_Lexeme]:
    found: list[_Lexeme] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise _refused(f"cannot read {text[at]!r} at {at + 1}")
        found.append((match.lastgroup, match.group(match.lastgroup), match.start(match.lastgroup) + 1))
        at = match.end()
    return found


def _condition(tokens: Sequence[_Lexeme], fields: Mapping[str, Kind], lists: Sequence[str]) -> Condition:
    (field_kind, field, place), (sign_kind, sign, sign_place), (value_kind, value, value_place) = tokens
    if field_kind != "word" or field not in fields:
        raise _refused(f"unknown field {field!r} at {place}; known are {', '.join(sorted(fields))}")
    if sign_kind != "operator":
        raise _refused(f"expected an operator at {sign_place}, found {sign!r}")
    if value_kind == "operator":
        raise _refused(f"expected a value at {value_place}, found {value!r}")
    kind = fields[field]
    fitting = (":",) if field in lists else ("=", "!=", *_ORDERED) if kind in (int, datetime) else ("=", "!=")
    if sign not in fitting:
        raise _refused(f"{field} does not take {sign} (at {sign_place}); use {' or '.join(fitting)}")
    plain = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL) if value_kind == "text" else value
    try:
        return Condition(field, sign, _value(plain, kind))
    except ValueError as error:
        raise _refused(f"{field} at {value_place}: {error}") from None


def _value(text: str, kind: Kind) -> Value:
    if isinstance(kind, tuple):
        if text not in kind:
            raise ValueError(f"expected one of {', '.join(kind)}")
        return text
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("expected true or false")
        return text == "true"
    if kind is int:
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
            raise ValueError("expected a whole number")
        return int(text)
    if kind is datetime:
        return _time(text)
    return text


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError('expected a time such as "2026-01-31T12:00:00Z"') from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _place(tokens: Sequence[_Lexeme], at: int, text: str) -> str:
    return str(tokens[at][2]) if at < len(tokens) else f"{len(text) + 1} (the end)"


def _refused(why: str) -> errors.Invalid:
    return errors.Invalid("INVALID_FILTER", why, fields=[errors.FieldViolation("filter", why)])
