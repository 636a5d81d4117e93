"""Finds a part of a JSON document by its pointer, without reading the document into memory as values.

It only tells where the part lies. Whether the document is JSON, and the part a value, shows when the part is parsed:
in the cell that asked for it.
"""

import json
import re
from collections.abc import Iterator
from typing import Final, TypeAlias

Span: TypeAlias = tuple[int, int]
Readable: TypeAlias = "bytes | memoryview"

_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_OPEN: Final = frozenset(b"[{")
_CLOSE: Final = frozenset(b"]}")
_QUOTE: Final = ord('"')
_COLON: Final = ord(":")


class NoSuchPartError(Exception):
    """The document has no such part; the message says what is missing."""


def keys_of(pointer: str) -> list[str]:
    """The keys and indices of a JSON Pointer (RFC 6901)."""
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def children(data: Readable, start: int) -> Iterator[tuple[str, Span]]:
    """The members of the object, or the items of the list, that begins at `start`, each with where it lies."""
    start = _skip(data, start)
    opening = data[start : start + 1]
    if bytes(opening) not in (b"[", b"{"):
        return
    is_object = bytes(opening) == b"{"
    depth, index, begins, key = 0, 0, start + 1, ""
    last_string: Span = (start, start)
    for match in _TOKEN.finditer(data, start):
        token = data[match.start()]
        if token == _QUOTE:
            last_string = match.span()
        elif token in _OPEN:
            depth += 1
        elif token == _COLON:
            if depth == 1:
                key, begins = _text(data, last_string), match.end()
        elif depth == 1 or token in _CLOSE:
            depth -= token in _CLOSE
            if depth == 0 or token not in _CLOSE:
                span = _trimmed(data, begins, match.start())
                if span[0] < span[1]:
                    yield (key if is_object else str(index)), span
                index, begins = index + 1, match.end()
            if depth == 0:
                return


def find(data: Readable, pointer: str, known: "dict[str, dict[str, Span]] | None" = None) -> Span:
    """Where a part of the document lies. Raises NoSuchPartError.

    `known` remembers the items of lists for the next time: who asks for one of them asks for others.
    """
    span, walked = _trimmed(data, 0, len(data)), ""
    for key in keys_of(pointer):
        members = None if known is None else known.get(walked)
        if members is None:
            members = dict(
                children(data, span[0])
            )  # of a key that is there twice the last counts, as in JSON
            if known is not None:
                known[walked] = members
        if key not in members:
            raise NoSuchPartError(f"there is no '{key}' {f'under {walked}' if walked else 'in it'}")
        span, walked = members[key], f"{walked}/{key.replace('~', '~0').replace('/', '~1')}"
    return span


def _skip(data: Readable, start: int) -> int:
    match = _SPACE.match(data, start)
    return start if match is None else match.end()


def _trimmed(data: Readable, start: int, end: int) -> Span:
    start = _skip(data, start)
    while end > start and bytes(data[end - 1 : end]).isspace():
        end -= 1
    return start, end


def _text(data: Readable, span: Span) -> str:
    try:
        return str(json.loads(bytes(data[span[0] : span[1]])))
    except ValueError:
        return ""
