"""Types of DuckDB's that neither JSON nor Parquet has, and what to make of them instead."""

import re
from typing import Any, Final

from programs.failures import Failed

_INSTEAD: Final = {
    "bignum": "{column}::VARCHAR",
    "bit": "{column}::VARCHAR",
    "interval": "epoch({column}) for its seconds, or {column}::VARCHAR",
    "uhugeint": "{column}::VARCHAR",
    "union": "{column}::VARCHAR",
}
_ANY: Final = re.compile(r"JSON((\[\d*\])*)")
_NESTED: Final = frozenset({"array", "list", "map", "struct"})


def check(names: list[str], kinds: list[Any]) -> None:
    """Raises Failed naming the first column whose values cannot be kept, with its type and what to cast it to."""
    for name, kind in zip(names, kinds, strict=True):
        found = _unfit(kind)
        if not found:
            continue
        nested = found != kind.id
        said = f"{kind}, with {found.upper()}" if nested else found.upper()
        instead = ("{column}::VARCHAR" if nested else _INSTEAD[found]).format(column=quoted(name))
        raise Failed(
            f"the column '{name}' is {said}, which neither JSON nor Parquet has; in `sql` take {instead}"
        )


def word(kind: Any) -> str:
    """How people are told the type: in DuckDB's words, and `any` where each value has a kind of its own."""
    found = _ANY.fullmatch(str(kind))
    return f"any{found[1]}" if found else str(kind).replace('"NULL"', "NULL")


def is_any(kind: Any) -> bool:
    """Whether each value has a kind of its own, and is written as JSON."""
    return str(kind) == "JSON"


def quoted(name: str) -> str:
    """The column's name, as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _unfit(kind: Any) -> str:
    """The first such type of a type and those in it; empty when there is none."""
    if kind.id in _INSTEAD:
        return str(kind.id)
    if kind.id not in _NESTED:
        return ""
    parts = (part for _, part in kind.children if hasattr(part, "id"))
    return next((found for part in parts if (found := _unfit(part))), "")
