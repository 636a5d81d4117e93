"""Long lists that are gone through inside an expression: `inputs.rows.filter(…).size() > 3`.

Such a loop is an expression by itself, whose list is handed over in parts (`loops`); the rest of the expression then
reads what came of it as one more variable. That gives the same where a loop gives values of JSON, which is looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from google.protobuf import any_pb2

from chassis.expressions import loops
from chassis.expressions.syntax import checked

_BRANCHES: Final = {"_?_:_": 1, "_&&_": 0, "_||_": 0, "or": 1, "orValue": 1}
"""How many of a call's parts are computed whatever they are."""
_UNSIGNED: Final = "uint"
"""Numbers of this kind would come back as another."""


class Part(NamedTuple):
    """A loop inside an expression."""

    name: str
    """What the rest of the expression calls what comes of it."""
    program: bytes
    """The loop as a serialized expression."""
    is_needed: bool
    """Whether it is computed in any case; otherwise a branch of the expression may do without it."""


@dataclass(frozen=True, slots=True)
class Hoisted:
    """An expression in parts."""

    parts: tuple[Part, ...]
    rest: bytes
    """The rest as a serialized expression."""


def hoisted(serialized: bytes) -> Hoisted | None:
    """The expression in parts; None where it has no loop that can be computed by itself, or is nothing but one."""
    around = any_pb2.Any.FromString(serialized)
    whole = checked(serialized)
    if loops.loop(whole.expr) is not None:
        return None
    parts = []
    for number, (node, is_needed) in enumerate(_found(whole.expr, is_needed=True)):
        name = f"@{number}"
        alone = checked(serialized)
        alone.expr.CopyFrom(node)
        parts.append(Part(name, _packed(around, alone), is_needed))
        node.ClearField("comprehension")
        node.ident.name = name
    return Hoisted(tuple(parts), _packed(around, whole)) if parts else None


def _found(expr: Any, *, is_needed: bool) -> Iterator[tuple[Any, bool]]:
    """The loops that can be computed by themselves, outermost first; none of what is done with each item of another."""
    kind = next((field.name for field, _ in expr.ListFields() if field.name in _INSIDE), "")
    if kind == "comprehension":
        if loops.loop(expr) is None:
            yield from _found(expr.comprehension.iter_range, is_needed=is_needed)
        elif not _reads_unsigned(expr):
            yield expr, is_needed
        return
    parts = _INSIDE[kind](expr) if kind else []
    certain = _BRANCHES.get(expr.call.function, len(parts)) if kind == "call" else len(parts)
    for number, part in enumerate(parts):
        yield from _found(part, is_needed=is_needed and number < certain)


_INSIDE: Final = {
    "select": lambda expr: [expr.select.operand],
    "call": lambda expr: ([*([expr.call.target] if expr.call.HasField("target") else []), *expr.call.args]),
    "list": lambda expr: list(expr.list.elements),
    "struct": lambda expr: [part for one in expr.struct.entries for part in (one.map_key, one.value)],
    "comprehension": lambda expr: [expr.comprehension.iter_range],
}


def _reads_unsigned(expr: Any) -> bool:
    """Whether numbers without a sign are made in it."""
    waiting = [expr]
    while waiting:
        one = waiting.pop()
        if one.DESCRIPTOR.name == "Constant" and one.HasField("uint64_value"):
            return True
        if one.DESCRIPTOR.name == "Call" and one.function == _UNSIGNED:
            return True
        for described, value in one.ListFields():
            if described.message_type is not None:
                waiting += value if described.is_repeated else [value]
    return False


def _packed(around: any_pb2.Any, message: Any) -> bytes:
    """The expression as the library reads it."""
    return any_pb2.Any(type_url=around.type_url, value=message.SerializeToString()).SerializeToString()
