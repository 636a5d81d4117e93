"""Writes JSON values as YAML that people can read and review, the same bytes for the same value.

`chassis.source` reads back exactly what was written. Text of several lines, such as code, stands as it is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from chassis.jsonvalue import MAX_EXACT, Json, narrow

_STEP: Final = 2
_LONGEST_KEY: Final = 900
"""A longer key is written with a question mark: YAML reads no more than 1,024 characters ahead for a colon."""
_LONGEST_PLAIN: Final = 200
_PLAIN: Final = re.compile(r"[A-Za-z](?:[A-Za-z0-9 ,._/()'@+-]*[A-Za-z0-9._/()'@+-])?|[0-9]+\.[0-9]+\.[0-9]+")
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
"""What is no text to one YAML or the other, in lower case."""
_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_UNSAFE_IN_BLOCK: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def write(value: Mapping[str, Json]) -> str:
    """The value as a YAML document. Mappings keep their order: sort what has none with `tidy`."""
    return "".join(f"{line}\n" for line in _mapping(value, 0))


def tidy(value: Json) -> Json:
    """The value with all its mappings sorted, so that equal values are written alike."""
    if isinstance(value, Mapping):
        return {key: tidy(value[key]) for key in sorted(value)}
    return [tidy(item) for item in value] if isinstance(value, list) else value


def _mapping(value: Mapping[str, Json], indent: int) -> Iterator[str]:
    margin = " " * indent
    for key, item in value.items():
        name = _text(key)
        if len(name) > _LONGEST_KEY:
            yield f"{margin}? {name}"
            yield f"{margin}: {_flow(item)}"
        elif isinstance(item, Mapping) and item:
            yield f"{margin}{name}:"
            yield from _mapping(item, indent + _STEP)
        elif isinstance(item, list) and item:
            yield f"{margin}{name}:"
            yield from _list(item, indent + _STEP)
        else:
            yield from _scalar(f"{margin}{name}: ", item, indent + _STEP)


def _list(value: list[Json], indent: int) -> Iterator[str]:
    dash = " " * indent + "- "
    for item in value:
        if isinstance(item, Mapping) and item:
            lines = _mapping(item, indent + _STEP)
        elif isinstance(item, list) and item:
            lines = _list(item, indent + _STEP)
        else:
            yield from _scalar(dash, item, indent + _STEP)
            continue
        yield dash + next(lines)[indent + _STEP :]
        yield from lines


def _scalar(before: str, value: Json, indent: int) -> Iterator[str]:
    """A value after what stands before it in its line; text of several lines below it, by `indent`."""
    if not isinstance(value, str) or not _is_block(value):
        yield before + (_text(value) if isinstance(value, str) else _flow(value))
        return
    body = value.rstrip("\n")
    ends = len(value) - len(body)
    yield before + "|" + ("-" if ends == 0 else "" if ends == 1 else "+")
    for line in body.split("\n"):
        yield " " * indent + line if line else ""
    yield from [""] * (ends - 1)


def _is_block(text: str) -> bool:
    """Whether it can stand as it is: several lines, the first not indented, the last not blank, nothing invisible."""
    if "\n" not in text or _UNSAFE_IN_BLOCK.search(text):
        return False
    body = text.rstrip("\n")
    return bool(body) and not body[0].isspace() and not body[-1].isspace()


def _flow(value: Json) -> str:
    """The value in one line, where nothing is plain."""
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        pairs = (f"? {_quoted(key)} : {_flow(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_EXACT:
        return repr(float(value))
    return json.dumps(narrow(value) if isinstance(value, float) else value)


def _text(text: str) -> str:
    is_plain = _PLAIN.fullmatch(text) and len(text) <= _LONGEST_PLAIN and text.lower() not in _WORDS
    return text if is_plain else _quoted(text)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
