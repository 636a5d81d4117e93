"""What a JSDoc comment says: a description, what narrows a type, and words about parameters."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from registry.inference.constraints import is_pattern, kinds
from registry.inference.schema import MAX_TEXT, Schema, described

_LONG: Final = 20_000
_TAG: Final = re.compile(r"@(\w+)[ \t]*(.*)")
_PARAMETER: Final = re.compile(r"(?:\{[^{}]*\}\s*)?\[?([\w.$]+)[^\]\s]*\]?\s*(?:-\s*)?(.*)")
_BOUNDS: Final[dict[str, tuple[str, ...]]] = {
    "minimum": ("integer", "number"),
    "maximum": ("integer", "number"),
    "exclusiveMinimum": ("integer", "number"),
    "exclusiveMaximum": ("integer", "number"),
    "multipleOf": ("integer", "number"),
    "minLength": ("string",),
    "maxLength": ("string",),
    "minItems": ("array",),
    "maxItems": ("array",),
}


@dataclass(frozen=True, slots=True)
class Doc:
    """One comment. `parameters` are named as written, `inputs.city`."""

    text: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)

    def on(self, schema: Schema) -> Schema:
        """The schema with the description and what narrows it."""
        found = dict(schema)
        if "integer" in self.tags and "number" in kinds(found):
            words = found.get("type", "number")
            found["type"] = (
                ["integer" if one == "number" else one for one in words]
                if isinstance(words, list)
                else "integer"
            )
        for word, takers in _BOUNDS.items():
            value = _number(self.tags.get(word, ""))
            whole = word.endswith(("Length", "Items"))
            if (
                value is not None
                and kinds(found) & {*takers}
                and (not whole or (type(value) is int and value >= 0))
            ):
                found |= {} if word == "multipleOf" and value <= 0 else {word: value}
        pattern = self.tags.get("pattern", "")
        if pattern and "string" in kinds(found) and is_pattern(pattern):
            found["pattern"] = pattern
        if "default" in self.tags:
            value = _json(self.tags["default"])
            found |= {"default": value} if value is not _NOTHING else {}
        return described(found, self.text)


NOTHING_SAID: Final = Doc()
_NOTHING: Final = object()


def read(comment: str) -> Doc:
    """What a comment says; nothing unless it is `/** … */`."""
    if not comment.startswith("/**") or len(comment) > _LONG:
        return NOTHING_SAID
    lines = [line.strip().removeprefix("*").strip() for line in comment[3:].removesuffix("*/").splitlines()]
    words: list[str] = []
    tags: dict[str, str] = {}
    parameters: dict[str, str] = {}
    say: Callable[[str], Any] | None = words.append
    for line in lines:
        tag = _TAG.match(line)
        if tag is None:
            if not line and words:
                say = None  # the first paragraph is the description
            if say and line:
                say(line)
            continue
        say = None
        if tag[1] == "param":
            named = _PARAMETER.match(tag[2])
            if named:
                parameters.setdefault(named[1], named[2].strip()[:MAX_TEXT])
        else:
            tags.setdefault(tag[1], tag[2].strip())
    return Doc(" ".join(words), tags, parameters)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.strip("'\"`") if re.fullmatch(r"'[^'\\]*'|`[^`\\$]*`", text) else _NOTHING


def _number(text: str) -> int | float | None:
    value = _json(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 2**53:
        return None
    return value
