"""A parsed filter."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator value`; `quoted` tells `"5"` from `5`, `position` (from 1) where the field stands."""

    field: str
    operator: str
    value: str
    quoted: bool
    position: int


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of them."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not that."""

    part: "Filter"


Filter: TypeAlias = Comparison | And | Or | Not
