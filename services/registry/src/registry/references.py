"""What the expressions of a workflow refer to, whether that exists, and of which type it is."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chassis.expressions import Expression, ExpressionError
from chassis.expressions.template import OPEN, split
from chassis.jsonvalue import Json
from registry import schemas
from registry.domain.content import Input
from registry.resolution import did_you_mean, nearest
from registry.schemas import Path, Schema, Typed, Unknown

ROOTS: Final = ("inputs", "steps", "run")
"""What expressions may read."""
ITEM_ROOTS: Final = (*ROOTS, "item", "index")
"""What expressions may read that are evaluated for each item of a `for_each` step."""
INPUT_ROOTS: Final = ("inputs",)
"""What expressions may read that are evaluated before a run begins."""

_STRING: Final[dict[str, Json]] = {"type": "string"}
_PARTS: Final = ("output", "status", "error")
"""What expressions can read of a step."""
_ERROR: Final[Schema] = {
    "type": ["object", "null"],
    "properties": {"kind": _STRING, "message": _STRING},
    "additionalProperties": False,
}
_RUN: Final[Schema] = {"type": "object", "properties": {"id": _STRING}, "additionalProperties": False}
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
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem with what an expression refers to."""

    path: str
    message: str
    fix: str


def leaves(value: Json, path: str, roots: tuple[str, ...] = ROOTS) -> Iterator[Leaf]:
    """Every string in `value` that holds an expression, in order."""
    if isinstance(value, str):
        if OPEN in value:
            yield read(value, path, roots)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}", roots)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]", roots)


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


def read(text: str, path: str, roots: tuple[str, ...] = ROOTS) -> Leaf:
    """The leaf for a string, its expressions compiled; they may read `roots`."""
    try:
        parts = list(split(text))
        compiled = tuple(Expression.parse(part, roots) for is_one, part in parts if is_one)
    except ExpressionError as error:
        if misplaced := _misplaced(error.source, roots):
            return Leaf(path, text, error=misplaced[0], fix=misplaced[1])
        return Leaf(path, text, error=_sentence(error, text), fix="correct the expression")
    around = "".join(part for is_one, part in parts if not is_one)
    return Leaf(path, text, compiled, len(compiled) == 1 and not around.strip())


def _misplaced(source: str, roots: tuple[str, ...]) -> tuple[str, str] | None:
    """Why an expression reads what can be read elsewhere, but not here, and what to do; None when it does not."""
    if not any(name in source for name in ITEM_ROOTS if name not in roots):
        return None
    try:
        found = Expression.parse(source, ITEM_ROOTS)
    except ExpressionError:
        return None
    name = next((path[0] for path in found.references if path[0] not in roots), "")
    if not name:
        return None
    if name in ROOTS:
        return f"{name!r} is not known yet where this is evaluated, before the run begins", "read inputs only"
    message = f"{name!r} can be read only in with, cache.key and rate_limit.key of a step with for_each"
    return message, "read it there, or give the step for_each"


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
    """What expressions may refer to: the workflow's inputs, and its steps with their outputs' schemas."""

    inputs: Mapping[str, Input]
    outputs: Mapping[str, Typed | None]
    roots: tuple[str, ...] = ROOTS
    item: Typed | None = None

    def inside(self, item: Typed | None) -> "Scope":
        """What expressions may refer to that are evaluated for each item."""
        return replace(self, roots=ITEM_ROOTS, item=item)

    def read(self, text: str, path: str) -> Leaf:
        """The leaf for a string of this scope."""
        return read(text, path, self.roots)

    def findings(self, leaf: Leaf, own: str | None) -> Iterator[Finding]:
        """What is wrong with the references of a leaf; `own` is the step it stands in, None in the outputs."""
        for expression in leaf.expressions:
            for path in _paths(expression):
                message, fix = self._missing(path, own)
                if message:
                    yield Finding(leaf.path, message, fix)

    def _missing(self, path: Path, own: str | None) -> tuple[str, str]:
        if path[0] == "inputs":
            return self._missing_input(path)
        if path[0] == "steps":
            return self._missing_step(path, own)
        if path[0] == "run":
            return _absent("run", (_RUN, _RUN), path[1:])
        return _absent(str(path[0]), self.item if path[0] == "item" else _typed("integer"), path[1:])

    def _missing_step(self, path: Path, own: str | None) -> tuple[str, str]:
        if len(path) == 1:
            if own is None:
                return "", ""
            return "an expression names the step it reads", "write steps.<id>.output"
        step = str(path[1])
        if step not in self.outputs:
            others = [one for one in self.outputs if one != own]
            return f"there is no step {step!r}", did_you_mean(
                step, others
            ) or "read an input, or add that step"
        if step == own:
            part = path[2] if len(path) > 2 and path[2] in _PARTS else "output"
            return f"step {step!r} reads its own {part}", "read another step's output, or an input"
        if len(path) == 2:
            return "", ""
        part = str(path[2])
        if part not in _PARTS:
            message = f"a step has no {part!r}, only output, status and error"
            return message, f"write steps.{step}.{nearest(part, _PARTS) or 'output'}"
        return _absent(f"steps.{step}.{part}", self._of_step(step, part), path[3:])

    def _of_step(self, step: str, part: str) -> Typed | None:
        if part == "output":
            return self.outputs.get(step)
        return _typed("string") if part == "status" else (_ERROR, _ERROR)

    def _missing_input(self, path: Path) -> tuple[str, str]:
        if len(path) == 1:
            return "", ""
        name = str(path[1])
        declared = self.inputs.get(name)
        if declared is None:
            fix = did_you_mean(name, list(self.inputs)) or "declare it below inputs"
            return f"there is no input {name!r}", fix
        if len(path) > 2 and declared.type in ("string", "integer", "number", "boolean"):
            return (
                f"inputs.{name} is of type {declared.type} and has no {str(path[2])!r}",
                f"write inputs.{name}",
            )
        return "", ""

    def type_of(self, leaf: Leaf) -> Typed | None:
        """The schema of the values a leaf can have, None when it is not known."""
        if not leaf.whole:
            return _typed("string")
        expression = leaf.expressions[0]
        if expression.result_type is not None:
            return _typed(expression.result_type)
        path = path_of(expression.source)
        return None if path is None else self._type_at(path)

    def _type_at(self, path: Path) -> Typed | None:
        start: Typed | None = None
        rest = path[1:]
        if path[0] == "inputs" and len(path) == 2 and path[1] in self.inputs:
            declared = self.inputs[str(path[1])].type
            return _typed(declared) if declared else (schemas.ANY, schemas.ANY)
        if path[0] == "steps" and len(path) > 2 and path[2] in _PARTS:
            start, rest = self._of_step(str(path[1]), str(path[2])), path[3:]
        elif path[0] == "run":
            start = (_RUN, _RUN)
        elif path[0] in ("item", "index"):
            start = self.item if path[0] == "item" else _typed("integer")
        found = schemas.at(start, rest) if start is not None else None
        return found if isinstance(found, tuple) else None


def _typed(kind: str) -> Typed:
    schema: Schema = {"type": kind}
    return schema, schema


def _paths(expression: Expression) -> Sequence[Path]:
    """The paths an expression reads; those that are all of it lead on behind an index."""
    whole = path_of(expression.source)
    return [whole] if whole else expression.references


def _absent(where: str, typed: Typed | None, path: Path) -> tuple[str, str]:
    """Why there is nothing at `path` below `where`, and what to write; empty when there may be."""
    found = schemas.at(typed, path) if typed is not None else None
    if not isinstance(found, Unknown):
        return "", ""
    where += "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found.where)
    if found.known is None:
        return f"{where} is no object and has no {found.name!r}", f"write {where}"
    return f"{where} has no {found.name!r}", did_you_mean(found.name, list(found.known)) or f"write {where}"


def path_of(source: str) -> Path | None:
    """The path that an expression is when it is nothing else (`steps.a.output.rows[0]`), else None."""
    if not _PATH.fullmatch(source):
        return None
    segments: list[str | int] = []
    for double, single, number, word in _SEGMENT.findall(source):
        segments.append(int(number) if number else double or single or word)
    return tuple(segments)
