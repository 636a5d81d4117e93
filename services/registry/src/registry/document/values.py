"""Reads what a field may hold: text, numbers, words, durations, lists, anything."""

import re
from typing import Any, Final

from chassis import source
from chassis.source import Node
from registry.document import durations
from registry.document.reader import WRONG, Read, Reader
from registry.resolution import did_you_mean

_MEMORY: Final = re.compile(r"[1-9][0-9]{0,9}(?:Ki|Mi|Gi)")


def text(reader: Reader, node: Node, path: str) -> Any:
    """A string."""
    if isinstance(node.value, str):
        return node.value
    shown = source.plain(node) if not isinstance(node.value, (list, dict)) else None
    fix = f'put it in quotes: "{shown}"' if shown is not None else "write a string"
    return reader.expected(node, path, "a string", fix)


def word(what: str, *known: str) -> Read:
    """Reads one of the `known` words, or the empty one; `what` names them, with its article."""
    listed = f"{', '.join(known[:-1])} or {known[-1]}"

    def read(reader: Reader, node: Node, path: str) -> Any:
        if not isinstance(node.value, str):
            return reader.expected(node, path, listed, f"write {listed}")
        if node.value in known or not node.value:
            return node.value
        return reader.refuse(path, node, f"{node.value[:100]!r} is not {what}", meant(node.value, known))

    return read


def meant(given: str, known: tuple[str, ...]) -> str:
    """Which of the `known` words was probably meant, in whatever case it was written."""
    case = str.upper if known[0].isupper() else str.lower
    return did_you_mean(case(given), known)


def anything(reader: Reader, node: Node, path: str) -> Any:
    """Any JSON value, with the places of all that is in it."""
    _remember(reader, node, path)
    return source.plain(node)


def _remember(reader: Reader, node: Node, path: str) -> None:
    """Notes the places of everything inside a free value, so that problems in it point there."""
    reader.places[path] = (node.line, node.column)
    if isinstance(node.value, dict):
        for key, entry in node.value.items():
            _remember(reader, entry.node, f"{path}.{key}")
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            _remember(reader, item, f"{path}[{index}]")


def yes_or_no(reader: Reader, node: Node, path: str) -> Any:
    """A boolean."""
    if isinstance(node.value, bool):
        return node.value
    return reader.expected(node, path, "a boolean", "write true or false")


def whole(reader: Reader, node: Node, path: str) -> Any:
    """A whole number."""
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        if abs(node.value) < 2**31:
            return node.value
        return reader.refuse(path, node, f"{node.value} is too large", "write a smaller number")
    return reader.expected(node, path, "a whole number", "write digits without quotes")


def number(reader: Reader, node: Node, path: str) -> Any:
    """A number."""
    if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    return reader.expected(node, path, "a number", "write digits without quotes")


def duration(reader: Reader, node: Node, path: str) -> Any:
    """A length of time."""
    if isinstance(node.value, str):
        try:
            return durations.parse(node.value)
        except ValueError as error:
            message = str(error)
    else:
        shown = source.plain(node) if not isinstance(node.value, (list, dict)) else node.kind
        message = f"{shown!r} is not a duration"
    return reader.refuse(path, node, message, "write it with its unit, e.g. 90s, 1.5s, 250ms, 1h30m or 7d")


def memory(reader: Reader, node: Node, path: str) -> Any:
    """An amount of memory."""
    if isinstance(node.value, str) and (_MEMORY.fullmatch(node.value) or not node.value):
        return node.value
    shown = source.plain(node) if not isinstance(node.value, (list, dict)) else node.kind
    fix = "write it in Ki, Mi or Gi, e.g. 512Mi"
    return reader.refuse(path, node, f"{str(shown)[:100]!r} is no amount of memory", fix)


def listed(one: Read) -> Read:
    """Reads a list of what `one` reads."""

    def read(reader: Reader, node: Node, path: str) -> Any:
        if not isinstance(node.value, list):
            fix = "write each in a line of its own after a dash"
            return reader.expected(node, path, "a list of strings", fix)
        found = []
        for index, item in enumerate(node.value):
            reader.places[f"{path}[{index}]"] = (item.line, item.column)
            value = one(reader, item, f"{path}[{index}]")
            if value is not WRONG:
                found.append(value)
        return tuple(found)

    return read


def values(reader: Reader, node: Node, path: str) -> Any:
    """JSON values by name."""
    if not isinstance(node.value, dict):
        return reader.expected(node, path, "a mapping", "write name: value below it")
    return {key: anything(reader, entry.node, f"{path}.{key}") for key, entry in node.value.items()}
