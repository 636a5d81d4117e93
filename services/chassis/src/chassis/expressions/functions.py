"""What expressions may call beside CEL's own: arithmetic of mixed numbers, `merge` and `select`."""

import math
import threading
from collections.abc import Callable
from typing import Any, Final

from cel_expr_python import cel

MAX_WORK: Final = 100_000
"""How many values `merge` and `select` may take in and give back while one expression is evaluated. Reckoning with
numbers of two kinds counts as one."""
_CHARACTERS: Final = 64
"""How many characters of a string count as one more value."""


class _Meter(threading.local):
    left: int = MAX_WORK


_METER: Final = _Meter()


def restart() -> None:
    """Begins to count the work of another evaluation in this thread."""
    _METER.left = MAX_WORK


def extension() -> Any:
    """All of them, for an environment's extensions."""
    return cel.CelExtension("mcpanel", [*_mixed_arithmetic(), *_of_objects()])


def _mixed_arithmetic() -> list[Any]:
    """CEL refuses `double + int`, and nobody who writes 2 beside 1.5 means to be refused."""

    def overloads(symbol: str, name: str, apply: Any) -> Any:
        def counted(a: float, b: float) -> Any:
            _take(1)
            return apply(a, b)

        def one(left: Any, right: Any, kinds: str) -> Any:
            return _overload(f"{name}_{kinds}", cel.Type.DOUBLE, [left, right], counted)

        double, integer = cel.Type.DOUBLE, cel.Type.INT
        return cel.FunctionDecl(
            symbol, [one(double, integer, "double_int64"), one(integer, double, "int64_double")]
        )

    return [
        overloads("_+_", "add", lambda a, b: float(a) + float(b)),
        overloads("_-_", "subtract", lambda a, b: float(a) - float(b)),
        overloads("_*_", "multiply", lambda a, b: float(a) * float(b)),
        overloads("_/_", "divide", _divide),
    ]


def _divide(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
    return float(a) / float(b)


def _of_objects() -> list[Any]:
    whole, names = cel.Type.MAP, cel.Type.LIST
    return [
        cel.FunctionDecl("merge", [_overload("merge_map_map", whole, [whole, whole], _merge)]),
        cel.FunctionDecl("select", [_overload("select_map_list", whole, [whole, names], _select)]),
    ]


def _merge(first: dict[Any, Any], second: dict[Any, Any]) -> dict[Any, Any]:
    """The fields of both; of a name that both have, the second's."""
    _count(first)
    _count(second)
    return {**first, **second}


def _select(whole: dict[Any, Any], names: list[Any]) -> dict[Any, Any]:
    """The fields of these names, in this order; one that there is not is left out."""
    _count(whole)
    _count(names)
    return {name: whole[name] for name in names if name in whole}


def _count(value: Any) -> None:
    """Takes the value's size off what is left. Raises RuntimeError, which ends the evaluation."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        _take(1 + (len(one) // _CHARACTERS if isinstance(one, (str, bytes)) else 0))
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, (list, tuple)):
            waiting += one


def _take(values: int) -> None:
    _METER.left -= values
    if _METER.left < 0:
        raise RuntimeError(
            f"merge, select and arithmetic of mixed numbers handle more than {MAX_WORK:,} values"
        )


def _overload(name: str, answers: Any, takes: list[Any], apply: Callable[..., Any]) -> Any:
    return cel.Overload(name, return_type=answers, parameters=takes, is_member=False, impl=apply)
