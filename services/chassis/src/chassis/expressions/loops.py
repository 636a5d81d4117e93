"""Expressions that do something with each item of one list: `inputs.rows.filter(…).map(…)`.

CEL puts the list of what comes out together anew with each item. A list of some length is therefore handed to it in
parts, which gives the same: what becomes of an item depends on no other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chassis.expressions.syntax import Path, constant_path, paths

MAX_ITERATIONS: Final = 9_999
"""How many items one evaluation goes through, as CEL counts."""
MAX_ITEMS: Final = 100_000
"""How many items a list has at most that is handed over in parts."""
TOO_MANY: Final = "the expression takes too many iterations"
PART: Final = 16
"""How many items of a long list are handed over at once."""
PART_BESIDE: Final = 128
"""The same where something else is handed over beside them each time."""


@dataclass(frozen=True, slots=True)
class Loop:
    """What `path` leads to is gone through `times` times, one after the other."""

    path: Path
    times: int
    part: int = PART
    """How many items are handed over at once."""

    def is_long(self, data: Mapping[str, Any]) -> bool:
        """Whether it is worth it to hand the list over in parts."""
        return self._items(data) is not None

    def _items(self, data: Mapping[str, Any]) -> list[Any] | None:
        items: Any = data
        for key in self.path:
            items = items.get(key) if isinstance(items, Mapping) else None
        return items if isinstance(items, list) and len(items) > PART_BESIDE else None

    def parts(self, data: dict[str, Any]) -> "Iterator[dict[str, Any]] | None":
        """The data again and again, each time with a part of the list; None where it has to be taken as it is.

        Raises OverflowError, which CEL would find out late, when the list is too long for one loop.
        """
        items = self._items(data)
        if items is None:
            return None
        if len(items) > MAX_ITEMS:
            raise OverflowError(TOO_MANY)
        if self.part * self.times > MAX_ITERATIONS:
            return None
        return (
            _with(data, self.path, items[start : start + self.part])
            for start in range(0, len(items), self.part)
        )


def loop(expr: Any) -> Loop | None:
    """What a compiled expression goes through, when that is all it does."""
    times, read, items = 0, set[Path](), set[str]()
    while expr.HasField("comprehension"):
        one = expr.comprehension
        given = _given(one)
        if given is None:
            return None
        read |= {path for part in given for path in paths(part)}
        if any(_has_loop(part) for part in given):
            return None
        items.add(one.iter_var)
        expr, times = one.iter_range, times + 1
    path = constant_path(expr)
    if not times or path is None:
        return None
    length = len(path)
    if any(other[:length] == path or path[: len(other)] == other for other in read):
        return None
    return Loop(path, times, PART_BESIDE if any(other[0] not in items for other in read) else PART)


def _given(one: Any) -> list[Any] | None:
    """What a `map` or a `filter` does with each item; None for what is neither."""
    step = one.loop_step
    condition = []
    if not one.accu_init.HasField("list") or one.accu_init.list.elements or one.iter_var2:
        return None
    if one.result.ident.name != one.accu_var or not one.loop_condition.HasField("const"):
        return None
    if step.call.function == "_?_:_" and step.call.args[2].ident.name == one.accu_var:
        condition, step = [step.call.args[0]], step.call.args[1]
    if step.call.function != "_+_" or step.call.args[0].ident.name != one.accu_var:
        return None
    return [*condition, *step.call.args[1].list.elements] if step.call.args[1].HasField("list") else None


def _has_loop(expr: Any) -> bool:
    """Whether there is a loop in what is done with each item: then CEL counts on."""
    if expr.DESCRIPTOR.name == "Comprehension":
        return True
    for field, value in expr.ListFields():
        if field.message_type is not None:
            several = value if field.is_repeated else [value]
            if any(_has_loop(one) for one in several):
                return True
    return False


def _with(data: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The data with another value at the path; the data itself stays as it is."""
    first, *rest = path
    return {**data, first: _with(data[first], tuple(rest), value) if rest else value}
