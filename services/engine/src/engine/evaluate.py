"""A plan from its stored document, with its expressions compiled once.

The document is what StartRun made of the workflow's version: canonical JSON, stored once per version and never changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from chassis import jsonvalue
from chassis.expressions import EvaluationError, Expression, ExpressionError, Template
from chassis.jsonvalue import Json
from engine.domain import MAX_PAYLOAD, MAX_STEP_INPUTS, ONCE, Payload, Retry
from engine.plan import EvaluationFailed, Plan, PlannedStep, Scope

IN_ENGINE: Final = frozenset({"DATA", "UTILITY", "OUTPUT"})
"""The component types that the engine runs itself."""
_ROOTS: Final = ("inputs", "steps")


def load(body: bytes, digest: bytes) -> Plan:
    """The plan of a stored document; `digest` is its SHA-256. Raises ExpressionError when it cannot be compiled."""
    document = jsonvalue.parse_object(body)
    steps: list[dict[str, Any]] = document["steps"]  # type: ignore[assignment]  # written by `wire.plans`
    index = {step["id"]: number for number, step in enumerate(steps)}
    planned = tuple(
        PlannedStep(
            id=step["id"],
            kind=step["type"],
            needs=tuple(index[need] for need in step["needs"]),
            retry=_retry(step.get("retry")),
            timeout=timedelta(seconds=step["timeout"]),
            in_engine=step["type"] in IN_ENGINE,
            component=step["component"],
            version_id=step["version_id"],
            data_source_ids=tuple(step.get("data_source_ids", ())),
        )
        for step in steps
    )
    compiled = tuple(_compile(step) for step in steps)
    declared: dict[str, Json] = document["outputs"]  # type: ignore[assignment]  # as above
    outputs = {name: Template.parse(value, _ROOTS) for name, value in declared.items()}
    return Plan(planned, CelEvaluator(planned, compiled, outputs), digest)


def needed(step: Mapping[str, Json]) -> list[str]:
    """The ids of the steps that the expressions of a document's step read, in order. Raises ExpressionError."""
    return _step_ids(_compile(step).references)


def _retry(document: Mapping[str, Any] | None) -> Retry:
    if document is None:
        return ONCE
    return Retry(
        max_attempts=document["max_attempts"],
        backoff=timedelta(seconds=document["backoff"]),
        factor=document["factor"],
        max_backoff=timedelta(seconds=document["max_backoff"]),
    )


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What is evaluated of one step."""

    condition: Template | None
    inputs: Template
    constant: Payload | None
    expression: Expression | None

    @property
    def references(self) -> list[tuple[str, ...]]:
        condition = self.condition.references() if self.condition else []
        return [*condition, *self.inputs.references()]


def _compile(step: Mapping[str, Json]) -> _Compiled:
    condition = step.get("if")
    inputs = Template.parse(step["with"], _ROOTS)
    constant = Payload.of(step["value"]) if "value" in step else None
    expression = step.get("expression")
    return _Compiled(
        Template.parse(condition, _ROOTS) if condition else None,
        inputs,
        constant,
        Expression.parse(str(expression), ("inputs",)) if expression else None,
    )


def _step_ids(references: Iterable[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(path[1] for path in references if path[0] == "steps" and len(path) > 1))


class CelEvaluator:
    """Evaluates a plan's expressions with CEL."""

    def __init__(
        self, steps: tuple[PlannedStep, ...], compiled: tuple[_Compiled, ...], outputs: Mapping[str, Template]
    ) -> None:
        self._steps = steps
        self._compiled = compiled
        self._outputs = outputs

    def condition(self, index: int, scope: Scope) -> bool:
        """Whether step `index` is to run."""
        condition = self._compiled[index].condition
        if condition is None:
            return True
        value = _evaluate("its condition", condition, scope)
        if not isinstance(value, bool):
            raise EvaluationFailed(f"its condition yields {_kind(value)}, not a boolean")
        return value

    def inputs(self, index: int, scope: Scope) -> Payload:
        """The inputs of step `index`."""
        value = _evaluate("its inputs", self._compiled[index].inputs, scope)
        return _payload("its inputs", value, MAX_STEP_INPUTS)

    def compute(self, index: int, inputs: Payload) -> Payload:
        """DATA: its value; UTILITY: its expression over the inputs; otherwise, and without either, the inputs."""
        compiled = self._compiled[index]
        if compiled.constant is not None:
            return compiled.constant
        if compiled.expression is None:
            return _payload("its output", inputs.value, MAX_PAYLOAD)
        try:
            value = compiled.expression.evaluate({"inputs": inputs.value})
        except EvaluationError as error:
            raise EvaluationFailed(str(error)) from None
        return _payload("its output", value, MAX_PAYLOAD)

    def outputs(self, scope: Scope) -> Payload:
        """The run's outputs. One that reads a skipped step's output, and cannot do without it, is null."""
        found: dict[str, Json] = {}
        for name, template in self._outputs.items():
            try:
                found[name] = _evaluate(f"output '{name}'", template, scope)
            except EvaluationFailed:
                if all(scope.outputs.get(one) is not None for one in _step_ids(template.references())):
                    raise
                found[name] = None
        return _payload("the run's output", found, MAX_PAYLOAD)


def _evaluate(what: str, template: Template, scope: Scope) -> Json:
    """The template's value, with only what it reads of the scope handed to CEL."""
    variables: dict[str, Json] = {}
    if template.is_constant:
        return template.evaluate(variables)
    references = template.references()
    roots = {path[0] for path in references}
    if "inputs" in roots:
        variables["inputs"] = scope.inputs.value
    if "steps" in roots:
        ids = _step_ids(references)
        if any(path == ("steps",) for path in references):
            ids = list(scope.outputs)
        variables["steps"] = {
            one: {"output": None if (output := scope.outputs.get(one)) is None else output.value}
            for one in ids
        }
    try:
        return template.evaluate(variables)
    except EvaluationError as error:
        raise EvaluationFailed(f"{what} cannot be evaluated: {error}") from None


def _payload(what: str, value: Json, limit: int) -> Payload:
    try:
        payload = Payload.of(value)
    except (ValueError, TypeError) as error:
        raise EvaluationFailed(f"{what} is not JSON: {error}") from None
    if len(payload.raw) > limit:
        raise EvaluationFailed(f"{what} has {len(payload.raw)} bytes, more than {limit}")
    return payload


def _kind(value: Json) -> str:
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


__all__ = ["IN_ENGINE", "CelEvaluator", "ExpressionError", "load", "needed"]
