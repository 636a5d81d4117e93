"""How much work an expression can be for the values at hand, told before it is evaluated: evaluating holds the process.

An upper bound, in bytes that are handled: about a nanosecond and at most a byte of memory each. What is gone through
item by item counts as much as all of the items together; what stands beside the items counts once for each.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final, NamedTuple

from chassis.expressions.syntax import Path, constant_path
from chassis.jsonvalue import Json, Opaque

MOST: Final = 250_000_000
"""How much an evaluation may handle: a quarter of a second, and as many bytes."""
TOO_MUCH: Final = (
    "the expression is too much work for these values: it may handle {handled:,} MB, more than {most:,}; go "
    "through fewer or smaller values at once, or let a script do it"
)
_FEW: Final = 100
_VALUE: Final = 16
_STEP: Final = 150
"""What the evaluation of one part of an expression takes."""
_APPENDED: Final = 16
"""What is copied of each item that there is already, when a list grows by one."""
_SPLIT: Final = 80
_PATTERN: Final = 4
_COMPILED: Final = 20_000
_MERGED: Final = 1000


_HEAVY: Final = frozenset(
    {"contains", "indexOf", "lastIndexOf", "replace", "matches", "split", "join", "format", "merge", "select"}
)


class Weight(IntEnum):
    """What kind of work an expression is."""

    LIGHT = 0
    """Everything is handled about once."""
    LOOP = 1
    """Something is done with each item of a list."""
    HEAVY = 2
    """Something is done again and again with what is in the items."""


def weight(expr: Any) -> Weight:
    """What kind of work a compiled expression is."""
    loops, heavy = 0, False
    waiting = [expr]
    while waiting:
        one = waiting.pop()
        loops += one.DESCRIPTOR.name == "Comprehension"
        heavy = heavy or (one.DESCRIPTOR.name == "Call" and one.function in _HEAVY)
        for described, value in one.ListFields():
            if described.message_type is not None:
                waiting += value if described.is_repeated else [value]
    return Weight.HEAVY if heavy or loops > 1 else Weight.LOOP if loops else Weight.LIGHT


class TooMuchError(Exception):
    """The evaluation may be more work than it may be."""


class Size(NamedTuple):
    """How large a value may be: the largest once, and all of them where it is evaluated many times; in bytes, and in
    items.
    """

    most: int
    total: int
    items: int
    all_items: int
    item: int = 0
    """How large its largest item may be."""
    is_object: bool = False


_SMALL: Final = Size(_VALUE, _VALUE, 0, 0)


@dataclass(slots=True)
class Meter:
    """What is left of the work of one template, or of one expression alone."""

    left: int = MOST
    _known: dict[int, tuple[object, Size]] = field(default_factory=dict)

    def check(
        self, expr: Any, kind: Weight, data: Mapping[str, Json], apart: Path = (), part: int = 0
    ) -> None:
        """Takes an expression's work off what is left. Raises TooMuchError before it is done.

        Where the list at `apart` is handed over in parts of so many items, what is beside it is handed over each time.
        """
        estimate = _Estimate(data, self._known, part, looks_into_items=kind is Weight.HEAVY)
        given = sum(estimate.given(one) for one in data.values())
        if part:
            items = estimate.at(apart)
            given += max(0, given - items.most) * (items.items // part)
        estimate.handled += given
        if kind is not Weight.LIGHT:
            estimate.of(expr, {}, 1)
        if estimate.handled > self.left:
            handled, most = estimate.handled // 1_000_000, self.left // 1_000_000
            raise TooMuchError(TOO_MUCH.format(handled=handled, most=most))
        self.left -= estimate.handled


class _Estimate:
    """The work of one expression."""

    def __init__(
        self,
        data: Mapping[str, Json],
        known: dict[int, tuple[object, Size]],
        part: int,
        *,
        looks_into_items: bool,
    ) -> None:
        self.handled = 0
        self._looks_into_items = looks_into_items
        self._part = part
        self._data = data
        self._known = known

    def given(self, value: Json) -> int:
        """How large a variable is: an object that was made of what is read, or that itself."""
        if isinstance(value, dict) and len(value) <= _FEW:
            return _VALUE + sum(self.measured(one).most for one in value.values())
        return self.measured(value).most

    def measured(self, value: Json) -> Size:
        """The size of a value that is there."""
        if isinstance(value, Opaque) or value is None or isinstance(value, (bool, int, float)):
            return _SMALL
        if isinstance(value, str):
            return Size(_VALUE + len(value), _VALUE + len(value), 0, 0)
        known = self._known.get(id(value))
        if known is None:
            if isinstance(value, list) and self._looks_into_items:
                sizes = [_bytes(one) for one in value]
                size, largest = _VALUE + sum(sizes), max(sizes, default=0)
            else:
                size = largest = _bytes(value)
            found = Size(size, size, len(value), len(value), largest, isinstance(value, dict))
            known = self._known[id(value)] = value, found  # kept with it, so that the id stays its own
        return known[1]

    def of(self, expr: Any, bound: Mapping[str, Size], times: int) -> Size:
        """The size of what a part yields that is evaluated so many `times`; its work is added."""
        self.handled += _STEP * times
        path = constant_path(expr)
        if path is not None and path[0] not in bound:
            return _repeated(self.at(path), times)
        kind = next((found.name for found, _ in expr.ListFields()), "")
        if kind == "ident":
            return bound.get(expr.ident.name, _SMALL)
        if kind == "select":
            inside = self.of(expr.select.operand, bound, times)
            return _part(inside, times)
        if kind == "const":
            size = _VALUE + len(expr.const.string_value)
            return Size(size, size * times, 0, 0)
        if kind == "list":
            return self._made([self.of(one, bound, times) for one in expr.list.elements], times)
        if kind == "struct":
            parts = [
                self.of(part, bound, times)
                for one in expr.struct.entries
                for part in (one.map_key, one.value)
            ]
            return self._made(parts, times)
        if kind == "comprehension":
            return self._loop(expr.comprehension, bound, times)
        return self._call(expr.call, bound, times) if kind == "call" else _SMALL

    def at(self, path: Path) -> Size:
        """The size of what is at a path of the values."""
        value: Any = self._data
        for key in path:
            if not isinstance(value, Mapping) or key not in value:
                return _SMALL
            value = value[key]
        return self.measured(value)

    def _made(self, parts: list[Size], times: int) -> Size:
        self.handled += 32 * times * len(parts)
        most, total = sum(one.most for one in parts), sum(one.total for one in parts)
        return Size(_VALUE + most, _VALUE * times + total, len(parts), len(parts) * times)

    def _loop(self, loop: Any, bound: Mapping[str, Size], times: int) -> Size:
        over = self.of(loop.iter_range, bound, times)
        longest, rounds = over.items, max(over.all_items, 1)
        inner = {name: _again(size, longest, rounds) for name, size in bound.items()}
        largest = min(over.item or over.most, over.most)
        item = Size(largest, over.total, largest // _VALUE, over.total // _VALUE)
        inner |= {loop.iter_var: item, loop.iter_var2: item, loop.accu_var: _SMALL}
        self.of(loop.accu_init, bound, times)
        self.of(loop.loop_condition, inner, rounds)
        made = self.of(loop.loop_step, inner, rounds)
        if not (loop.accu_init.HasField("list") or loop.accu_init.HasField("struct")):
            return _repeated(_SMALL, times)
        self.handled += (
            _APPENDED * min(longest, self._part or longest) * rounds
        )  # the list is put together anew with each item
        return Size(min(made.total, made.most * max(longest, 1)), made.total, longest, rounds, made.most)

    def _call(self, call: Any, bound: Mapping[str, Size], times: int) -> Size:
        nodes = ([call.target] if call.HasField("target") else []) + list(call.args)
        parts = [self.of(one, bound, times) for one in nodes]
        most, total = sum(one.most for one in parts), sum(one.total for one in parts)
        name = call.function
        if name in ("_[_]", "_[?_]", "_?._"):
            return _part(parts[0], times)
        if name in ("_?_:_", "_&&_", "_||_"):
            items, every = max(one.items for one in parts), sum(one.all_items for one in parts)
            return Size(max(one.most for one in parts), total, items, every)
        if name in ("_==_", "_!=_"):
            self.handled += 2 * min(min(one.most * times, one.total) for one in parts)
            return _repeated(_SMALL, times)
        if name in ("@in", "_in_"):
            self.handled += parts[0].total + (0 if parts[1].is_object else parts[1].total)
            return _repeated(_SMALL, times)
        if name in ("merge", "select"):
            self.handled += _MERGED * total // _VALUE
        elif name == "size":
            self.handled += 0 if parts[0].items else parts[0].total
            return _repeated(_SMALL, times)
        elif name == "replace":
            return self._replaced(nodes, parts)
        elif name in ("contains", "indexOf", "lastIndexOf"):
            self.handled += parts[0].total * (1 + parts[-1].most // (8 if name == "contains" else 1))
            return _repeated(_SMALL, times)
        elif name == "matches":
            constant = nodes[-1].HasField("const")
            self.handled += parts[0].total * _PATTERN * max(1, parts[-1].most // _VALUE)
            self.handled += (1 if constant else times) * min(parts[-1].most, 1000) * _COMPILED // _VALUE
            return _repeated(_SMALL, times)
        elif name == "split":
            self.handled += _SPLIT * parts[0].total
            return Size(most * _VALUE, total * _VALUE, parts[0].most, parts[0].total)
        elif name in ("join", "format"):
            joined = parts[0].all_items * parts[-1].most if len(parts) > 1 and name == "join" else 0
            self.handled += 2 * (total + joined)
            return Size(min(most + joined, total + joined), total + joined, 0, 0)
        else:
            self.handled += total
        items, every = sum(one.items for one in parts), sum(one.all_items for one in parts)
        return Size(most, total, items, every)

    def _replaced(self, nodes: list[Any], parts: list[Size]) -> Size:
        """Every character may give way to the whole of what replaces it."""
        text, old, new = parts[:3]
        shortest = max(1, len(nodes[1].const.string_value)) if nodes[1].HasField("const") else 1
        times_new = max(1, (new.most - _VALUE) // shortest + 1)
        grown = Size(text.most * times_new, text.total * times_new, 0, 0)
        self.handled += 3 * grown.total + old.total
        return grown


def _bytes(value: Json) -> int:
    """How large a value is."""
    if isinstance(value, str):
        return _VALUE + len(value)
    if not isinstance(value, (list, dict)):
        return _VALUE
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda _: None)
    # Every value is followed by a comma or the end of what it is in.
    return len(raw) + _VALUE * (raw.count(",") + raw.count("}") + raw.count("]") + 1)


def _repeated(size: Size, times: int) -> Size:
    """A value that is the same each time."""
    return size._replace(total=size.most * times, all_items=size.items * times)


def _again(size: Size, longest: int, rounds: int) -> Size:
    """A value from around a loop, in it."""
    total = min(size.most * rounds, size.total * max(longest, 1))
    return size._replace(total=total, all_items=min(size.items * rounds, size.all_items * max(longest, 1)))


def _part(size: Size, times: int) -> Size:
    """Something in a value of which nothing else is known."""
    total = min(size.total, size.most * times)
    return Size(size.most, total, size.most // _VALUE, total // _VALUE)
