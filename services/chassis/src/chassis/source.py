"""Reads YAML and JSON text into nodes that know their line and column.

YAML is read as its version 1.2 core schema has it, which is what JSON writers mean: `no` and `on` are words, and
only `true` and `false` are booleans. What would surprise is refused: a key given twice, tags, several documents,
aliases that unfold into very much.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from chassis.jsonvalue import MAX_EXACT, Json, narrow

Scalar: TypeAlias = bool | int | float | str | None

MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 32
"""A message nests three levels for each of these, and protobuf reads at most a hundred."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_BASED: Final = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_SURROGATES: Final = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})"
)
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableError(Exception):
    """The text is no YAML or JSON document; `line` and `column` count from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.message = message
        self.line = line
        self.column = column


@dataclass(slots=True)
class Node:
    """A value and where it begins. `size` counts the values in it, itself included; `depth` its levels."""

    value: "Scalar | list[Node] | dict[str, Entry]"
    line: int
    column: int
    size: int = 1
    depth: int = 1

    @property
    def kind(self) -> str:
        """What it is, in JSON's words with an article."""
        return _KINDS[type(self.value)]


@dataclass(slots=True)
class Entry:
    """A key's place in a mapping and what it stands for."""

    line: int
    column: int
    node: Node


_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "a mapping",
}


def plain(node: Node) -> Json:
    """The node's value without places."""
    if isinstance(node.value, dict):
        return {key: plain(entry.node) for key, entry in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def read(text: str) -> Node:
    """The one document that `text` holds. Raises UnreadableError."""
    text = _json_as_yaml(text.removeprefix("\ufeff"))
    builder = _Builder()
    loader = _Loader(text)
    try:
        for event in _events(loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _refused(error) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise UnreadableError("a character that YAML does not allow", line, column) from None
    finally:
        loader.dispose()
    if builder.root is None:
        raise UnreadableError("the document is empty", 1, 1)
    return builder.root


def _events(loader: Any) -> Iterator[yaml.Event]:
    while loader.check_event():
        yield loader.get_event()


def _refused(error: yaml.MarkedYAMLError) -> UnreadableError:
    mark = error.problem_mark or error.context_mark
    message = ", ".join(part for part in (error.context, error.problem) if part) or "it is not YAML"
    if mark is None:
        return UnreadableError(message, 1, 1)
    return UnreadableError(message, mark.line + 1, mark.column + 1)


def _json_as_yaml(text: str) -> str:
    """YAML holds JSON but for one thing: characters written as two `\\u` escapes."""
    if not _SURROGATES.search(text):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _SURROGATES.sub(lambda pair: f"{pair[1]}\\U{_code_point(pair):08x}", text)


def _code_point(pair: re.Match[str]) -> int:
    return 0x10000 + ((int(pair[2], 16) - 0xD800) << 10) + (int(pair[3], 16) - 0xDC00)


@dataclass(slots=True)
class _Frame:
    """A list or mapping being read; `key` is the mapping's pending key."""

    node: Node
    anchor: str | None
    key: Entry | None = None
    name: str = ""


@dataclass(slots=True)
class _Builder:
    """Builds the tree from the parser's events: without recursion, so that no depth can hurt."""

    root: Node | None = None
    stack: list[_Frame] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    count: int = 0

    def take(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise UnreadableError("a second document begins here; give one", line, column)
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event.tag, line, column)
            self._add(Node(self._scalar(event, line, column), line, column), event.anchor)
        elif isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            self._refuse_tag(event.tag, line, column)
            if len(self.stack) >= MAX_DEPTH:
                raise UnreadableError(f"the document is nested deeper than {MAX_DEPTH}", line, column)
            self._refuse_as_key(
                "a list" if isinstance(event, yaml.SequenceStartEvent) else "a mapping", line, column
            )
            value: list[Node] | dict[str, Entry] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
            self.stack.append(_Frame(Node(value, line, column), event.anchor))
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            frame = self.stack.pop()
            self._add(frame.node, frame.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor), line, column)

    def _alias(self, anchor: str, line: int, column: int) -> None:
        target = self.anchors.get(anchor)
        if target is None:
            raise UnreadableError(f"*{anchor} stands for nothing that is complete here", line, column)
        self._add(target, None)

    def _add(self, node: Node, anchor: str | None) -> None:
        self.count += 1
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        value = frame.node.value
        if isinstance(value, list):
            value.append(node)
        elif isinstance(value, dict):
            if frame.key is None:
                self._take_key(frame, node, value)
                return
            frame.key.node = node
            value[frame.name] = frame.key
            frame.key = None
        frame.node.size += node.size
        frame.node.depth = max(frame.node.depth, node.depth + 1)
        if frame.node.depth > MAX_DEPTH:
            raise UnreadableError(f"the document is nested deeper than {MAX_DEPTH}", node.line, node.column)
        if frame.node.size > MAX_NODES or self.count > MAX_NODES:
            raise UnreadableError(f"the document holds more than {MAX_NODES} values", node.line, node.column)

    def _take_key(self, frame: _Frame, node: Node, value: dict[str, Entry]) -> None:
        if isinstance(node.value, (list, dict)):
            raise UnreadableError(f"a key is a string, not {node.kind}", node.line, node.column)
        name = node.value if isinstance(node.value, str) else json.dumps(node.value)
        if name in value:
            first = value[name]
            raise UnreadableError(
                f"the key {name!r} is given twice, first in line {first.line}", node.line, node.column
            )
        frame.name, frame.key = name, Entry(node.line, node.column, node)

    def _refuse_as_key(self, kind: str, line: int, column: int) -> None:
        if self.stack and isinstance(self.stack[-1].node.value, dict) and self.stack[-1].key is None:
            raise UnreadableError(f"a key is a string, not {kind}", line, column)

    def _refuse_tag(self, tag: str | None, line: int, column: int) -> None:
        if tag is not None and tag != "!":
            raise UnreadableError(f"the tag {tag} is not supported", line, column)

    def _scalar(self, event: yaml.ScalarEvent, line: int, column: int) -> Scalar:
        text = str(event.value)
        is_key = bool(
            self.stack and isinstance(self.stack[-1].node.value, dict) and self.stack[-1].key is None
        )
        if is_key or event.style or event.tag == "!":
            return text
        if text in _NULL:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        if _INTEGER.fullmatch(text) or _BASED.fullmatch(text):
            return self._integer(text, line, column)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if number in (float("inf"), float("-inf")):
                raise UnreadableError(f"{text} is too large for a number", line, column)
            return narrow(number)
        if _NOT_FINITE.fullmatch(text):
            raise UnreadableError(f"{text} is not JSON; write it as a string", line, column)
        return text

    def _integer(self, text: str, line: int, column: int) -> int:
        digits = text.lstrip("+-")
        too_large = len(digits) > 20
        number = 0 if too_large else int(text, 0) if digits[:2] in ("0o", "0x") else int(text)
        if too_large or abs(number) > MAX_EXACT:
            raise UnreadableError(
                f"the integer {text[:30]} is beyond 2^53 and would lose digits; write it as a string",
                line,
                column,
            )
        return number
