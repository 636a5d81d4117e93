"""Filters, orders and keyset positions as SQLAlchemy conditions. Only columns that a service lists can be
reached.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Boolean,
    DateTime,
    Float,
    Integer,
    Numeric,
    String,
    and_,
    any_,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.elements import ColumnElement

from chassis.filtering.order import Order
from chassis.filtering.parser import refused
from chassis.filtering.tree import And, Comparison, Filter, Not, Or

Condition = ColumnElement[bool]
_COMPARE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column.is_distinct_from(value),
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}
_ORDERED: Final = frozenset({"<", "<=", ">", ">="})
_MOST_NAMED: Final = 12


@dataclass(frozen=True, slots=True)
class Field:
    """A column whose values read differently in filters: `convert` turns the filter's text into the column's
    value.

    `convert` raises ValueError with a sentence such as `expected one of RUNNING, SUCCESS`.
    """

    column: ColumnElement[Any]
    convert: Callable[[str], Any] | None = None


Columns = Mapping[str, "ColumnElement[Any] | Field"]


class _Words:
    """What `one_of` makes."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = {word.upper(): word for word in words}

    def __call__(self, text: str) -> str:
        """The word that `text` is. Raises ValueError naming the known ones, or the nearest of many."""
        word = self._words.get(text.upper())
        if word is None:
            raise self._unknown(text)
        return word

    def matching(self, pattern: str) -> list[str]:
        """The words that begin or end as a pattern with `*` says. Raises ValueError when there are none."""
        body = pattern.upper().removeprefix("*").removesuffix("*")
        found = [
            word
            for key, word in self._words.items()
            if body in key
            and (pattern.startswith("*") or key.startswith(body))
            and (pattern.endswith("*") or key.endswith(body))
        ]
        if not found:
            raise self._unknown(pattern)
        return found

    def _unknown(self, text: str) -> ValueError:
        if len(self._words) <= _MOST_NAMED:
            return ValueError(f"expected one of {', '.join(self._words.values())}")
        near = difflib.get_close_matches(text.upper(), self._words, _MOST_NAMED, 0.5) or list(self._words)
        some = ", ".join(self._words[key] for key in near[:_MOST_NAMED])
        return ValueError(f"expected one of {len(self._words)} words such as {some}")


def one_of(words: Iterable[str]) -> Callable[[str], str]:
    """A converter for columns that hold one of a few words, such as an enum's names; it ignores case.

    Anything else is refused: it could only find nothing, and its writer would not know why.
    """
    return _Words(words)


def where(found: Filter | None, columns: Columns) -> Condition:
    """The condition for a parsed filter (true for None). Raises Invalid for unknown fields and unfit values."""
    if found is None:
        return true()
    if isinstance(found, And):
        return and_(*(where(part, columns) for part in found.parts))
    if isinstance(found, Or):
        return or_(*(where(part, columns) for part in found.parts))
    if isinstance(found, Not):
        # A NULL is neither equal nor unequal in SQL; people who write NOT mean it to be included.
        return not_(func.coalesce(where(found.part, columns), false()))
    return _comparison(found, columns)


def order_by(orders: Sequence[Order], columns: Mapping[str, ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """The ORDER BY list."""
    return [columns[one.field].desc() if one.descending else columns[one.field].asc() for one in orders]


def after(
    orders: Sequence[Order], columns: Mapping[str, ColumnElement[Any]], keys: Sequence[Any] | None
) -> Condition:
    """The condition for rows that come after the one with these order keys (true for None): the keyset
    position.

    Columns of an order must not be NULL.
    """
    if keys is None:
        return true()
    if len(keys) != len(orders):
        raise ValueError("a position has as many keys as its order has fields")
    # As literals, because SQLAlchemy takes a bare True or None for a word of SQL.
    values = [literal(key, columns[order.field].type) for order, key in zip(orders, keys, strict=True)]
    alternatives = []
    for index, order in enumerate(orders):
        equal = [
            columns[before.field] == key for before, key in zip(orders[:index], keys[:index], strict=True)
        ]
        column = columns[order.field]
        beyond = column < values[index] if order.descending else column > values[index]
        alternatives.append(and_(*equal, beyond))
    first = columns[orders[0].field]
    bound = first <= values[0] if orders[0].descending else first >= values[0]
    return and_(bound, or_(*alternatives))  # the first bound lets an index start at the right place


def _comparison(one: Comparison, columns: Columns) -> Condition:
    target = columns.get(one.field)
    if target is None:
        raise refused(f"unknown field {one.field!r} (known: {', '.join(sorted(columns))})", one.position)
    field = target if isinstance(target, Field) else Field(target)
    column = field.column
    if one.operator == ":" and one.value == "*" and not one.quoted:
        return column.is_not(None)
    if isinstance(column.type, (ARRAY, JSONB)):
        return _in_collection(one, column)
    if field.convert is not None:
        return _plain(one, column, field.convert)
    if isinstance(column.type, String):
        return _text(one, column)
    return _plain(one, column, _converter(column))


def _plain(one: Comparison, column: ColumnElement[Any], convert: Callable[[str], Any]) -> Condition:
    try:
        if isinstance(convert, _Words) and one.operator not in _ORDERED and _is_pattern(one.value):
            matched = column.in_(convert.matching(one.value))
            return not_(func.coalesce(matched, false())) if one.operator == "!=" else matched
        value = convert(one.value)
    except ValueError as error:
        raise refused(f"{one.field}: {error}", one.position) from None
    if isinstance(column.type, Boolean) and one.operator in _ORDERED:
        raise refused(f"{one.field} is true or false and has no order", one.position)
    if isinstance(convert, _Words) and one.operator in _ORDERED:
        raise refused(f"{one.field} is a word and has no order", one.position)
    operator = "=" if one.operator == ":" else one.operator
    condition: Condition = _COMPARE[operator](column, value)
    return condition


def _text(one: Comparison, column: ColumnElement[Any]) -> Condition:
    if one.operator == ":":
        return column.ilike(f"%{_escaped(one.value.strip('*'))}%", escape="\\")
    if one.operator in ("=", "!=") and _is_pattern(one.value):
        start, end = one.value.startswith("*"), one.value.endswith("*")
        body = _escaped(one.value.removeprefix("*").removesuffix("*"))
        like = column.like(f"{'%' if start else ''}{body}{'%' if end else ''}", escape="\\")
        return like if one.operator == "=" else not_(func.coalesce(like, false()))
    condition: Condition = _COMPARE[one.operator](column, one.value)
    return condition


def _is_pattern(text: str) -> bool:
    return text.startswith("*") or text.endswith("*")


def _in_collection(one: Comparison, column: ColumnElement[Any]) -> Condition:
    if one.operator not in (":", "="):
        raise refused(f"{one.field} is a list: use {one.field}:value", one.position)
    if isinstance(column.type, JSONB):
        condition: Condition = cast(column, JSONB).op("?")(one.value)
        return condition
    member: Condition = literal(one.value) == any_(column)
    return member


def _converter(column: ColumnElement[Any]) -> Callable[[str], Any]:
    kind = column.type
    if isinstance(kind, Boolean):
        return _flag
    if isinstance(kind, DateTime):
        return _time
    if isinstance(kind, Integer):
        return _integer
    if isinstance(kind, (Numeric, Float)):
        return _number
    raise TypeError(f"a filter cannot compare a {kind}")


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("expected true or false")
    return text.lower() == "true"


def _integer(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError("expected a whole number") from None
    if abs(value) >= 2**63:
        raise ValueError("the number is too large")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def _time(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError('expected a time such as "2026-01-31T12:00:00Z"') from None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
