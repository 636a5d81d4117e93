"""A workflow's `source` document, read strictly into the same draft that a message makes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from chassis import source
from chassis.source import Node, UnreadableError
from registry.domain.workflows import ABSENT, CONTENT, Draft, Input, Problem, Retry, Step
from registry.resolution import did_you_mean, nearest

_DURATION: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?s")
_VISIBILITIES: Final = ("PUBLIC", "PRIVATE")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a document says, as far as it could be read, and what could not."""

    draft: Draft
    problems: tuple[Problem, ...]
    misspelt: frozenset[str]
    """The paths of fields that are probably there under a misspelt name, which is a problem already."""
    places: Mapping[str, tuple[int, int]]
    """Line and column of each field by its path, e.g. `steps[1].with.rows`."""

    def place(self, path: str) -> tuple[int, int]:
        """Where the field at `path` is, or the nearest thing around it; (0, 0) when nothing is."""
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["))] if "." in path or "[" in path else ""
        return self.places.get(path, (0, 0))


def parse(text: str) -> Parsed:
    """The workflow that `text` (YAML or JSON) describes. Raises UnreadableError when it is neither."""
    root = source.read(text)
    if not isinstance(root.value, dict):
        raise UnreadableError(f"a workflow is a mapping, not {root.kind}", root.line, root.column)
    reader = _Reader()
    values = reader.record(root, "", _WORKFLOW, _IGNORED)
    draft = Draft(
        name=values.get("name", ""),
        display_name=values.get("display_name", ""),
        description=values.get("description", ""),
        inputs=values.get("inputs", {}),
        steps=tuple(values.get("steps", ())),
        outputs=values.get("outputs", {}),
        tags=tuple(values.get("tags", ())),
        visibility=values.get("visibility", ""),
        etag=values.get("etag", ""),
        present=_present(frozenset(values)),
    )
    return Parsed(draft, tuple(reader.problems), frozenset(reader.misspelt), reader.places)


def _present(fields: frozenset[str]) -> frozenset[str]:
    """What a document sets: with its steps also the inputs and outputs, which it may have left out as empty."""
    return fields | set(CONTENT) if "steps" in fields else fields


Read = Callable[["_Reader", Node, str], Any]


@dataclass(slots=True)
class _Reader:
    """Collects problems and places while the readers below take values out of nodes."""

    problems: list[Problem] = field(default_factory=list)
    misspelt: set[str] = field(default_factory=set)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    step: str = ""

    def refuse(self, path: str, line: int, column: int, message: str, fix: str) -> None:
        self.problems.append(Problem(self.step, path, message, fix, line, column))

    def expected(self, node: Node, path: str, wanted: str, fix: str) -> Any:
        self.refuse(path, node.line, node.column, f"expected {wanted}, found {node.kind}", fix)
        return _WRONG

    def record(
        self, node: Node, path: str, fields: Mapping[str, Read], ignored: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The fields of a mapping by their contract's names; unknown and wrong ones become problems."""
        if not isinstance(node.value, dict):
            self.expected(node, path, "a mapping", f"write the fields {', '.join(fields)} below it")
            return {}
        values: dict[str, Any] = {}
        for key, entry in node.value.items():
            name = _snake(key)
            where = f"{path}.{name}" if path else name
            if name in ignored:
                continue
            read = fields.get(name)
            if read is None or name in values:
                where = f"{path}.{key}" if path else key
                again = name in values
                message = f"{key!r} is given twice, as {name} too" if again else f"unknown field {key!r}"
                fix = "remove one of them" if again else did_you_mean(key, list(fields))
                self.refuse(where, entry.line, entry.column, message, fix)
                if not again and (near := nearest(key, list(fields))):
                    self.misspelt.add(f"{path}.{near}" if path else near)
                continue
            self.places[where] = (entry.node.line, entry.node.column)
            value = read(self, entry.node, where)
            if value is not _WRONG:
                values[name] = value
        return values


_WRONG: Final = object()


def _snake(key: str) -> str:
    """The contract's name of a field given in either spelling: `maxAttempts`, `max_attempts`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda letter: "_" + letter[1].lower(), key)


def _text(reader: _Reader, node: Node, path: str) -> Any:
    if isinstance(node.value, str):
        return node.value
    shown = source.plain(node) if not isinstance(node.value, (list, dict)) else None
    fix = f'put it in quotes: "{shown}"' if shown is not None else "write a string"
    return reader.expected(node, path, "a string", fix)


def _any(reader: _Reader, node: Node, path: str) -> Any:
    _remember(reader, node, path)
    return source.plain(node)


def _remember(reader: _Reader, node: Node, path: str) -> None:
    """Notes the places of everything inside a free value, so that problems in it point there."""
    reader.places[path] = (node.line, node.column)
    if isinstance(node.value, dict):
        for key, entry in node.value.items():
            _remember(reader, entry.node, f"{path}.{key}")
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            _remember(reader, item, f"{path}[{index}]")


def _whole(reader: _Reader, node: Node, path: str) -> Any:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        if abs(node.value) < 2**31:
            return node.value
        reader.refuse(path, node.line, node.column, f"{node.value} is too large", "write a smaller number")
        return _WRONG
    return reader.expected(node, path, "a whole number", "write digits without quotes")


def _number(reader: _Reader, node: Node, path: str) -> Any:
    if isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    return reader.expected(node, path, "a number", "write digits without quotes")


def _duration(reader: _Reader, node: Node, path: str) -> Any:
    match = _DURATION.fullmatch(node.value) if isinstance(node.value, str) else None
    if match is None:
        shown = source.plain(node) if not isinstance(node.value, (list, dict)) else node.kind
        reader.refuse(
            path,
            node.line,
            node.column,
            f"{shown!r} is not a duration",
            "write seconds with an s, e.g. 90s or 1.5s",
        )
        return _WRONG
    microseconds = int((match[2] or "").ljust(9, "0")) // 1000
    try:
        return timedelta(seconds=int(match[1]), microseconds=microseconds)
    except OverflowError:
        reader.refuse(path, node.line, node.column, f"{node.value} is too long", "write a shorter duration")
        return _WRONG


def _visibility(reader: _Reader, node: Node, path: str) -> Any:
    if node.value in _VISIBILITIES:
        return node.value
    if isinstance(node.value, str):
        fix = did_you_mean(node.value.upper(), _VISIBILITIES)
        reader.refuse(path, node.line, node.column, f"{node.value!r} is no visibility", fix)
        return _WRONG
    return reader.expected(node, path, "PUBLIC or PRIVATE", "write PUBLIC or PRIVATE")


def _texts(reader: _Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, list):
        return reader.expected(
            node, path, "a list of strings", "write each in a line of its own after a dash"
        )
    found = []
    for index, item in enumerate(node.value):
        reader.places[f"{path}[{index}]"] = (item.line, item.column)
        value = _text(reader, item, f"{path}[{index}]")
        if value is not _WRONG:
            found.append(value)
    return tuple(found)


def _values(reader: _Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, dict):
        return reader.expected(node, path, "a mapping", "write name: value below it")
    return {key: _any(reader, entry.node, f"{path}.{key}") for key, entry in node.value.items()}


def _inputs(reader: _Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, dict):
        return reader.expected(node, path, "a mapping", "write name: {type: string} below it")
    found: dict[str, Input] = {}
    for name, entry in node.value.items():
        reader.places[f"{path}.{name}"] = (entry.node.line, entry.node.column)
        values = reader.record(entry.node, f"{path}.{name}", _INPUT)
        found[name] = Input(
            values.get("type", ""), values.get("default", ABSENT), values.get("description", "")
        )
    return found


def _retry(reader: _Reader, node: Node, path: str) -> Any:
    values = reader.record(node, path, _RETRY)
    return Retry(
        max_attempts=values.get("max_attempts", 0),
        backoff=values.get("backoff"),
        factor=values.get("factor", 0.0),
        max_backoff=values.get("max_backoff"),
    )


def _steps(reader: _Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, list):
        return reader.expected(node, path, "a list of steps", "begin each step with a dash: - id: …")
    found = []
    for index, item in enumerate(node.value):
        where = f"{path}[{index}]"
        reader.places[where] = (item.line, item.column)
        reader.step = _id_of(item)
        values = reader.record(item, where, _STEP, _IGNORED_IN_STEP)
        reader.step = ""
        found.append(
            Step(
                id=values.get("id", ""),
                component=values.get("component", ""),
                with_=values.get("with", {}),
                if_=values.get("if", ""),
                needs=values.get("needs", ()),
                retry=values.get("retry"),
                timeout=values.get("timeout"),
            )
        )
    return tuple(found)


def _id_of(node: Node) -> str:
    entry = node.value.get("id") if isinstance(node.value, dict) else None
    return entry.node.value if entry is not None and isinstance(entry.node.value, str) else ""


_RETRY: Final[Mapping[str, Read]] = {
    "max_attempts": _whole,
    "backoff": _duration,
    "factor": _number,
    "max_backoff": _duration,
}
_INPUT: Final[Mapping[str, Read]] = {"type": _text, "default": _any, "description": _text}
_STEP: Final[Mapping[str, Read]] = {
    "id": _text,
    "component": _text,
    "with": _values,
    "if": _text,
    "needs": _texts,
    "retry": _retry,
    "timeout": _duration,
}
_WORKFLOW: Final[Mapping[str, Read]] = {
    "name": _text,
    "display_name": _text,
    "description": _text,
    "inputs": _inputs,
    "steps": _steps,
    "outputs": _values,
    "tags": _texts,
    "visibility": _visibility,
    "etag": _text,
}
# What the server writes into an answer is read over, so that an answer can be sent back.
_IGNORED: Final = frozenset({"id", "owner_id", "version", "created_at", "updated_at"})
_IGNORED_IN_STEP: Final = frozenset({"component_version_id", "component_version", "component_type"})
