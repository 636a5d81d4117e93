"""Takes values out of a document's nodes, and keeps what could not be taken as problems with places."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chassis.source import Node
from registry.domain.problems import Problem
from registry.resolution import did_you_mean, nearest

Read = Callable[["Reader", Node, str], Any]
"""Reads a field's value at a path; WRONG when it is not what it should be, which is a problem then."""

WRONG: Final = object()


@dataclass(slots=True)
class Reader:
    """Collects problems and places while the fields are read."""

    problems: list[Problem] = field(default_factory=list)
    misspelt: set[str] = field(default_factory=set)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    step: str = ""

    def refuse(self, path: str, node: Node, message: str, fix: str) -> Any:
        """Notes a problem with the node at `path`."""
        self.problems.append(Problem(self.step, path, message, fix, node.line, node.column))
        return WRONG

    def expected(self, node: Node, path: str, wanted: str, fix: str) -> Any:
        """Notes that the node at `path` is of another kind than `wanted`."""
        return self.refuse(path, node, f"expected {wanted}, found {node.kind}", fix)

    def record(
        self, node: Node, path: str, fields: Mapping[str, Read], ignored: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The fields of a mapping by their contract's names; unknown and wrong ones become problems."""
        if not isinstance(node.value, dict):
            self.expected(node, path, "a mapping", f"write the fields {', '.join(fields)} below it")
            return {}
        values: dict[str, Any] = {}
        seen: set[str] = set()
        for key, entry in node.value.items():
            name = _snake(key)
            if name in ignored:
                continue
            read = fields.get(name)
            if read is None or name in seen:
                again = name in seen
                message = f"{key!r} is given twice, as {name} too" if again else f"unknown field {key!r}"
                fix = "remove one of them" if again else did_you_mean(key, list(fields))
                place = Node(None, entry.line, entry.column)
                self.refuse(f"{path}.{key}" if path else key, place, message, fix)
                if not again and (near := nearest(key, list(fields))):
                    self.misspelt.add(f"{path}.{near}" if path else near)
                continue
            seen.add(name)
            where = f"{path}.{name}" if path else name
            self.places[where] = (entry.node.line, entry.node.column)
            value = read(self, entry.node, where)
            if value is not WRONG:
                values[name] = value
        return values


def _snake(key: str) -> str:
    """The contract's name of a field given in either spelling: `maxAttempts`, `max_attempts`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda letter: "_" + letter[1].lower(), key)
