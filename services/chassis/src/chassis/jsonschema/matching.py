"""Matches a value with a schema, and says in words where and why it does not fit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

from jsonschema_rs import Draft202012Validator, FancyRegexOptions, RegexOptions, ValidationError

from chassis import jsonvalue
from chassis.jsonschema.structure import MAX_WEIGHT, Document, is_bounded, is_endless, weight
from chassis.jsonvalue import Json

MOST_LEVELS: Final = 200
"""How deep the values may be nested that are matched."""
_MOST_STEPS: Final = 16_000_000
"""What matching may cost at most where everybody waits for it: some 0.1 s, and seconds for a schema that is made so."""
_BACKTRACKS: Final = 1_000_000
_SHOWN: Final = 60
_MOST_NAMED: Final = 20
_MOST_MESSAGE: Final = 300
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_KINDS: Final = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}
_LIMITS: Final = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be greater than {}",
    "exclusiveMaximum": "must be less than {}",
    "minLength": "must have at least {} character{s}",
    "maxLength": "must have at most {} character{s}",
    "minItems": "must have at least {} item{s}",
    "maxItems": "must have at most {} item{s}",
    "minProperties": "must have at least {} field{s}",
    "maxProperties": "must have at most {} field{s}",
}


class SchemaError(ValueError):
    """The document is no schema that values can be matched with; the message says why."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """That a value does not fit: where in it (keys and indices), and why, the rest of a sentence about the place."""

    path: tuple[str | int, ...]
    why: str

    @property
    def place(self) -> str:
        """The path as people write it, such as `.rows[3].id`; empty for the whole value."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.path)


TOO_DEEP: Final = Mismatch((), f"is nested more than {MOST_LEVELS} levels deep")


class Schema:
    """A schema that values can be matched with."""

    def __init__(self, document: Document) -> None:
        """Raises SchemaError."""
        self.document = document
        self._weight = 0
        try:
            if is_endless(document):
                raise SchemaError("it refers to itself for the same value, so that it says nothing")
            if is_bounded(document):
                self._weight = min(weight(document), MAX_WEIGHT)
        except RecursionError:
            raise SchemaError("it is nested too deeply") from None
        try:
            self._validator = _validator(document, RegexOptions())
        except ValidationError:
            self._weight = 0  # with look-around or back references, a pattern's steps have no bound
            try:
                self._validator = _validator(document, FancyRegexOptions(backtrack_limit=_BACKTRACKS))
            except ValidationError as error:
                raise SchemaError(str(error.message)[:_MOST_MESSAGE]) from None

    def is_cheap(self, size: int) -> bool:
        """Whether a value of `size` bytes of JSON is matched at once: in steps that are bounded, and few."""
        return 0 < self._weight * size <= _MOST_STEPS

    def mismatch(self, raw: bytes) -> Mismatch | None:
        """The first reason why a value does not fit, None when it does. Raises ValueError for what is not JSON."""
        if nests_deeper(raw, MOST_LEVELS):
            return TOO_DEEP
        return self.mismatch_of(jsonvalue.parse(raw))

    def mismatch_of(self, value: Json) -> Mismatch | None:
        """The same of a value that is nested no deeper than MOST_LEVELS, which is not looked at here."""
        try:
            self._validator.validate(value)
        except ValidationError as error:
            return Mismatch(tuple(error.instance_path), _why(error))
        return None


def _validator(document: Document, patterns: RegexOptions | FancyRegexOptions) -> Draft202012Validator:
    return Draft202012Validator(
        dict(document), validate_formats=False, offline=True, pattern_options=patterns
    )


def nests_deeper(raw: bytes, levels: int) -> bool:
    """Whether JSON is nested over so many levels. It is not parsed: that, too, goes as deep as the value."""
    if raw.count(b"[") + raw.count(b"{") <= levels:
        return False
    left = _STRINGS.sub(b"", raw).translate(None, _NO_BRACKETS)
    for _ in range(levels):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
        if not left:
            return False
    return True


def _why(error: ValidationError) -> str:
    instance = cast("Json", error.instance)
    match error.kind.name, error.kind.as_dict():
        case "type", {"types": types}:
            return f"must be {_kinds(types)}, not {_kind(instance)}"
        case name, {"limit": limit} if name in _LIMITS:
            return f"{_LIMITS[name].format(limit, s='' if limit == 1 else 's')}, not {_size(instance)}"
        case _, {"options": options}:
            return f"must be one of {', '.join(map(_shown, options[:_MOST_NAMED]))}, not {_shown(instance)}"
        case _, {"expected_value": value}:
            return f"must be {_shown(value)}, not {_shown(instance)}"
        case _, {"property": name}:
            return f"lacks {name!r}, which is required"
        case _, {"unexpected": names}:
            return f"may not have {', '.join(map(repr, names[:_MOST_NAMED]))}"
        case "falseSchema", _:
            return "is not allowed"
        case "pattern", {"pattern": pattern}:
            return f"must match {pattern[:_SHOWN]}, not be {_shown(instance)}"
        case (("anyOf" | "oneOf"), {"context": context}) if all(context):
            return _none_of([branch[0] for branch in context], instance)
    return f"does not fit: {error.message[:_MOST_MESSAGE]}"


def _none_of(errors: Sequence[ValidationError], instance: Json) -> str:
    """Why none of the alternatives is fitted: what is wrong with the first that is of the value's kind."""
    if all(one.kind.name == "type" and not one.instance_path for one in errors):
        kinds = [kind for one in errors for kind in one.kind.as_dict()["types"]]
        return f"must be {_kinds(kinds)}, not {_kind(instance)}"
    of_its_kind = [one for one in errors if one.kind.name != "type" or one.instance_path]
    place = Mismatch(tuple(of_its_kind[0].instance_path), "").place.removeprefix(".")
    others = f" (and {len(of_its_kind) - 1} more)" if len(of_its_kind) > 1 else ""
    return f"fits none of what it may be: {f'{place} {_why(of_its_kind[0])}'.strip()}{others}"


def _kinds(types: Sequence[str]) -> str:
    words = [_KINDS.get(one, one) for one in dict.fromkeys(types)]
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _kind(value: Json) -> str:
    match value:
        case None | bool():
            return _shown(value)
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "an object"
    return f"the number {_shown(value)}"


def _size(value: Json) -> str:
    """What a limit was compared with: a number, or how much there is of it."""
    return str(len(value)) if isinstance(value, (str, list, dict)) else _shown(value)


def _shown(value: Json) -> str:
    text = jsonvalue.canonical(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
