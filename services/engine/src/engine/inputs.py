"""What a run is given, against what its workflow or component declares."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, cast

from chassis import jsonvalue
from chassis.errors import FieldViolation, Invalid
from chassis.jsonschema import Schema
from chassis.jsonvalue import MAX_EXACT, Json
from engine.domain import MAX_PAYLOAD, Payload, Reference

_NEAR: Final = 0.6
_SHOWN: Final = 50
_INTEGER: Final = re.compile(r"-?[0-9]{1,40}")
_WORDS: Final = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """An input as it is declared. An empty type takes any value."""

    type: str = ""
    has_default: bool = False
    default: Json = None
    allowed: tuple[Json, ...] = ()
    """The values it may have; empty: any of its type."""
    optional: bool = False
    """Whether it may be left out though it has no default."""


def resolve(
    declared: Mapping[str, Declared],
    given: Mapping[str, Json],
    kind: str = "workflow",
    takes: Schema | None = None,
) -> Payload:
    """The run's inputs: every given value in its declared type, and the defaults of the others. `kind` is what declares
    them, `workflow` or `component`; `takes` is what they have to be together, which a step tells where that costs much.

    Raises Invalid RUN_INPUT_INVALID naming every unknown, missing or wrong one, or all when they are too large.
    """
    problems = list(_unknown([name for name in given if name not in declared], declared, kind))
    resolved: dict[str, Json] = {}
    for name, one in declared.items():
        if name not in given:
            if one.has_default:
                resolved[name] = _convert(one.type, one.default)
            elif not one.optional:
                problems.append(_problem(name, "is required", "REQUIRED"))
            continue
        if one.type != "number" and (problem := _inexact(given[name], f"inputs.{name}")) is not None:
            problems.append(problem)
            continue
        try:
            resolved[name] = _convert(one.type, given[name])
            if one.allowed and not _is_one_of(resolved[name], one.allowed):
                values = ", ".join(map(_shown, one.allowed[:20]))
                text = f"expected one of {values}, not {_shown(given[name])}"
                problems.append(_problem(name, text, "NOT_ALLOWED"))
        except ValueError:
            found = _shown(given[name])
            problems.append(_problem(name, f"expected {_WORDS[one.type]}, not {found}", "WRONG_TYPE"))
    if problems:
        raise _refused(problems)
    try:
        payload = Payload.of(resolved)
    except ValueError as error:
        raise _refused([FieldViolation("inputs", f"not JSON: {error}")]) from None
    if len(payload.raw) > MAX_PAYLOAD:
        text = (
            f"{len(payload.raw):,} bytes of JSON; at most {MAX_PAYLOAD:,}. Give the run the name or "
            "address of the data, and let its first step read it: the output of a step may be larger"
        )
        raise _refused([FieldViolation("inputs", text, "TOO_LARGE")])
    if takes is not None and payload.is_inline and takes.is_cheap(len(payload.raw)):
        wrong = takes.mismatch(payload.raw)
        if wrong is not None:
            raise _refused([FieldViolation(f"inputs{wrong.place}", wrong.why, "MISMATCH")])
    return payload


def _unknown(names: Sequence[str], declared: Mapping[str, Declared], kind: str) -> Iterator[FieldViolation]:
    """That there are no such inputs, what may have been meant, and all there are: those that have to be given first."""
    required = sorted(name for name, one in declared.items() if not (one.has_default or one.optional))
    optional = sorted(declared.keys() - set(required))
    known = [*required, *optional]
    shown = ", ".join([*(f"{one} (required)" for one in required), *optional][:_SHOWN])
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    takes = f"takes: {shown}{more}" if known else "takes none"
    for number, name in enumerate(names):
        near = get_close_matches(name, known, n=1, cutoff=_NEAR) if number < _SHOWN else []
        meant = f"did you mean {near[0]!r}? It {takes}" if near else f"it {takes}"
        yield _problem(name, f"the {kind} has no such input; {meant}", "UNKNOWN")


def _is_one_of(value: object, allowed: tuple[Json, ...]) -> bool:
    if isinstance(value, Reference):
        return True  # what it is shows when a step reads it
    return any(isinstance(value, bool) == isinstance(one, bool) and value == one for one in allowed)


def _convert(kind: str, value: Any) -> Json:
    """The value in the declared type. Raises ValueError."""
    match kind, value:
        case "", _:
            return cast("Json", value)
        case _, Reference():  # what it is shows when a step reads it
            return cast("Json", value)
        case "string", str():
            return value
        case "boolean", bool():
            return value
        case (("integer" | "number"), bool()):
            raise ValueError
        case "integer", int():
            return value
        case "integer", str() if _INTEGER.fullmatch(value):
            return int(value)  # from 2^53 on integers travel as strings
        case "number", int() | float():
            return float(value)
        case "array", list():
            return value
        case "object", dict():
            return value
    raise ValueError


def _inexact(value: Json, field: str) -> FieldViolation | None:
    """The first number in `value` that need not be the one its writer meant.

    A JSON number arrives as a double: 2^53 may have been 2^53 + 1. Only who declares a number means a double.
    """
    match value:
        case bool():
            return None
        case int() | float() if abs(value) >= MAX_EXACT and value == value // 1:
            text = (
                f"the whole number {_shown(value)} may have lost digits: JSON numbers are exact below 2^53 only; "
                "send it as a string, or declare the input a number"
            )
            return FieldViolation(field, text, "INEXACT")
        case list():
            parts = [(item, f"{field}[{index}]") for index, item in enumerate(value)]
        case dict():
            parts = [(item, f"{field}.{key}") for key, item in value.items()]
        case _:
            return None
    return next((found for item, path in parts if (found := _inexact(item, path)) is not None), None)


def _shown(value: Json) -> str:
    text = jsonvalue.canonical(value).decode()
    return text if len(text) <= 100 else f"{text[:100]}…"


def _problem(name: str, description: str, reason: str) -> FieldViolation:
    return FieldViolation(f"inputs.{name}", description, reason)


def _refused(problems: list[FieldViolation]) -> Invalid:
    text = "; ".join(f"{one.field}: {one.description}" for one in problems[:5])
    return Invalid("RUN_INPUT_INVALID", text, fields=problems)
