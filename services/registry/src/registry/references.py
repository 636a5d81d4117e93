"""What the expressions of a workflow refer to, whether that exists, and of which type it is."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chassis.expressions import Expression, ExpressionError
from chassis.expressions.template import OPEN, split
from chassis.jsonvalue import Json
from registry import schemas
from registry.domain.workflows import Input
from registry.resolution import did_you_mean
from registry.schemas import Schema, Unknown

ROOTS: Final = ("inputs", "steps")
Typed = tuple[Schema, Schema]
"""A schema and the root its references start from."""

_PATH: Final = re.compile(
    r"""\s*[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*|\s*\[\s*(?:"[^"\\]*"|'[^'\\]*'|[0-9]{1,9})\s*\])*\s*"""
)
_SEGMENT: Final = re.compile(r"""\[\s*(?:"([^"\\]*)"|'([^'\\]*)'|([0-9]+))\s*\]|([A-Za-z_]\w*)""")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A string with expressions, and where in the workflow it stands."""

    path: str
    text: str
    expressions: tuple[Expression, ...] = ()
    whole: bool = False
    """Whether the string is nothing but one expression, so that the value's type is kept."""
    error: str = ""
    """Why an expression of it cannot be read; empty when all can."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with what an expression refers to."""

    path: str
    message: str
    fix: str


def leaves(value: Json, path: str) -> Iterator[Leaf]:
    """Every string in `value` that holds an expression, in order."""
    if isinstance(value, str):
        if OPEN in value:
            yield read(value, path)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")


def is_constant(value: Json) -> bool:
    """Whether there is no expression in `value`."""
    if isinstance(value, str):
        return OPEN not in value
    if isinstance(value, dict):
        return all(map(is_constant, value.values()))
    return all(map(is_constant, value)) if isinstance(value, list) else True


def opened(value: Json) -> int:
    """How many expressions begin in `value`."""
    if isinstance(value, str):
        return value.count(OPEN)
    if isinstance(value, dict):
        return sum(map(opened, value.values()))
    return sum(map(opened, value)) if isinstance(value, list) else 0


def read(text: str, path: str) -> Leaf:
    """The leaf for a string, its expressions compiled."""
    try:
        parts = list(split(text))
        compiled = tuple(Expression.parse(part, ROOTS) for is_one, part in parts if is_one)
    except ExpressionError as error:
        return Leaf(path, text, error=_sentence(error, text))
    around = "".join(part for is_one, part in parts if not is_one)
    return Leaf(path, text, compiled, len(compiled) == 1 and not around.strip())


def _sentence(error: ExpressionError, text: str) -> str:
    """What is wrong, with the place counted from the string's beginning."""
    lines = error.source.split("\n")
    offset = sum(len(line) + 1 for line in lines[: error.line - 1]) + error.column - 1
    place = max(text.find(error.source), 0) + offset + 1
    return (
        f"the expression ${{{{{error.source[:100]}}}}}: {error.message}, at character {place} of the string"
    )


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions may refer to: the workflow's inputs, and its steps with their output schemas."""

    inputs: Mapping[str, Input]
    outputs: Mapping[str, Schema | None]

    def findings(self, leaf: Leaf, own: str | None) -> Iterator[Finding]:
        """What is wrong with the references of a leaf; `own` is the step it stands in, None in the outputs."""
        for expression in leaf.expressions:
            for path in expression.references:
                message, fix = self._missing(path, own)
                if message:
                    yield Finding(leaf.path, message, fix)

    def _missing(self, path: Sequence[str], own: str | None) -> tuple[str, str]:
        if path[0] == "inputs":
            return self._missing_input(path)
        if len(path) == 1:
            if own is None:
                return "", ""
            return "an expression names the step it reads", "write steps.<id>.output"
        step = path[1]
        if step not in self.outputs:
            others = [one for one in self.outputs if one != own]
            return f"there is no step {step!r}", did_you_mean(
                step, others
            ) or "read an input, or add that step"
        if step == own:
            return f"step {step!r} reads its own output", "read another step's output, or an input"
        if len(path) == 2:
            return "", ""
        if path[2] != "output":
            return f"a step has no {path[2]!r}, only 'output'", f"write steps.{step}.output"
        schema = self.outputs[step]
        found = schemas.at(schema, path[3:]) if schema is not None else None
        if not isinstance(found, Unknown):
            return "", ""
        where = ".".join(("steps", step, "output", *map(str, found.where)))
        if not found.known:
            return f"{where} is no object and has no {found.name!r}", f"write {where}"
        return f"{where} has no {found.name!r}", did_you_mean(
            found.name, list(found.known)
        ) or f"write {where}"

    def _missing_input(self, path: Sequence[str]) -> tuple[str, str]:
        if len(path) == 1:
            return "", ""
        name = path[1]
        declared = self.inputs.get(name)
        if declared is None:
            fix = did_you_mean(name, list(self.inputs)) or "declare it below inputs"
            return f"there is no input {name!r}", fix
        if len(path) > 2 and declared.type in ("string", "integer", "number", "boolean"):
            return f"inputs.{name} is of type {declared.type} and has no {path[2]!r}", f"write inputs.{name}"
        return "", ""

    def type_of(self, leaf: Leaf) -> Typed | None:
        """The schema of the values a leaf can have, None when it is not known."""
        if not leaf.whole:
            text: Schema = {"type": "string"}
            return text, text
        expression = leaf.expressions[0]
        if expression.result_type is not None:
            known: Schema = {"type": expression.result_type}
            return known, known
        path = path_of(expression.source)
        if path is None:
            return None
        if path[0] == "inputs" and len(path) == 2 and path[1] in self.inputs:
            declared = self.inputs[str(path[1])].type
            typed: Schema = {"type": declared} if declared else schemas.ANY
            return typed, typed
        if path[0] == "steps" and len(path) > 2 and path[2] == "output":
            schema = self.outputs.get(str(path[1]))
            found = schemas.at(schema, path[3:]) if schema is not None else None
            return found if isinstance(found, tuple) else None
        return None


def path_of(source: str) -> tuple[str | int, ...] | None:
    """The path that an expression is when it is nothing else (`steps.a.output.rows[0]`), else None."""
    if not _PATH.fullmatch(source):
        return None
    segments: list[str | int] = []
    for double, single, number, word in _SEGMENT.findall(source):
        segments.append(int(number) if number else double or single or word)
    return tuple(segments)
