"""A component version, ready for a cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class BadComponentError(Exception):
    """The version cannot be run; the message says why, to its author."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """The packages a program needs, as PEP 508 lines; and the Python it asks for, a PEP 440 specifier."""

    packages: tuple[str, ...] = ()
    python: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """What a cell runs for one component version."""

    version_id: str
    component: str
    kind: str
    """The kind of cell: python or deno."""
    code: str
    requirements: Requirements = Requirements()
    data_sources: Mapping[str, str] = field(default_factory=dict)
    """The ids of the linked data sources by the names the step uses."""
