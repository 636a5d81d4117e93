"""A plan from its stored document, with its expressions compiled once.

The document is what StartRun made of the workflow's version: canonical JSON, stored once per version and never changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from chassis import jsonvalue
from chassis.errors import Invalid
from chassis.expressions import EvaluationError, Expression, ExpressionError, Template
from chassis.jsonschema import Schema, SchemaError
from chassis.jsonvalue import Json
from engine.domain import (
    MAX_PAYLOAD,
    MAX_STEP_INPUTS,
    ONCE,
    ErrorKind,
    Join,
    Payload,
    Reference,
    Retry,
    SideEffect,
)
from engine.inputs import Declared, resolve
from engine.plan import (
    APPROVAL,
    IN_ENGINE,
    WORKFLOW,
    Approval,
    EvaluationFailed,
    Place,
    Plan,
    PlannedStep,
    Rate,
    Scope,
    StepView,
)

_MAX_TEXT: Final = 10_000
_ROOTS: Final = ("inputs", "steps", "run")
_ITEM_ROOTS: Final = (*_ROOTS, "item", "index")


def load(body: bytes, digest: bytes) -> Plan:
    """The plan of a stored document; `digest` is its SHA-256. Raises ExpressionError when it cannot be compiled."""
    return _plan(jsonvalue.parse_object(body), digest)


def _plan(document: Mapping[str, Any], digest: bytes) -> Plan:
    steps: list[dict[str, Any]] = document["steps"]
    index = {step["id"]: number for number, step in enumerate(steps)}
    planned = tuple(_planned(step, index) for step in steps)
    compiled = tuple(_compile(step) for step in steps)
    outputs = {name: Template.parse(value, _ROOTS) for name, value in document["outputs"].items()}
    evaluator = CelEvaluator(planned, compiled, outputs, _schema(document, "gives"))
    return Plan(planned, evaluator, digest, _seconds(document.get("timeout")))


def _planned(step: Mapping[str, Any], index: Mapping[str, int]) -> PlannedStep:
    rate, approval, place = step.get("rate"), step.get("approval"), step.get("place")
    return PlannedStep(
        id=step["id"],
        kind=step["type"],
        needs=tuple(index[need] for need in step["needs"]),
        retry=_retry(step.get("retry")),
        timeout=_seconds(step.get("timeout")),
        waiting_timeout=_seconds(step.get("waiting_timeout")),
        heartbeat_timeout=_seconds(step.get("heartbeat_timeout")),
        in_engine=step["type"] in IN_ENGINE and not step.get("has_program"),
        component=step["component"],
        version_id=step["version_id"],
        data_source_ids=tuple(step.get("data_source_ids", ())),
        secret_ids=tuple(step.get("secret_ids", ())),
        join=Join(step.get("join", "ALL")),
        side_effect=SideEffect(step.get("side_effect", "IDEMPOTENT")),
        goes_on=step.get("goes_on", False),
        max_parallel=step.get("max_parallel", 0),
        sub=_plan(step["plan"], b"") if step["type"] == WORKFLOW else None,
        approval=None
        if approval is None
        else Approval(_seconds(approval.get("timeout")), tuple(approval.get("approvers", ()))),
        cache_ttl=_seconds(step.get("cache_ttl")),
        rate=None if rate is None else Rate(rate["limit"], timedelta(seconds=rate["period"])),
        place=Place()
        if place is None
        else Place(place["pool"], tuple(place["labels"]), place["cpus"], place["memory_bytes"]),
    )


def needed(step: Mapping[str, Json]) -> list[str]:
    """The ids of the steps that the expressions of a document's step read, in order. Raises ExpressionError."""
    return _step_ids(_compile(step).references)


def _seconds(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _retry(document: Mapping[str, Any] | None) -> Retry:
    if document is None:
        return ONCE
    return Retry(
        max_attempts=document["max_attempts"],
        backoff=timedelta(seconds=document["backoff"]),
        factor=document["factor"],
        max_backoff=timedelta(seconds=document["max_backoff"]),
        jitter=document.get("jitter", 0.0),
        on=frozenset(ErrorKind(kind) for kind in document.get("on", ())),
    )


@dataclass(frozen=True, slots=True)
class _Compiled:
    """What is evaluated of one step."""

    condition: Template | None
    items: Template | None
    inputs: Template
    message: Template | None
    cache_key: Template | None
    rate_key: Template | None
    constant: Payload | None
    expression: Expression | None
    declared: Mapping[str, Declared] | None
    """What the workflow takes that the step is."""
    takes: Schema | None
    """What the inputs of a component that the engine runs, or of a package, have to be."""
    gives: Schema | None
    """What the output of a component that the engine runs has to be."""

    @property
    def references(self) -> list[tuple[str, ...]]:
        templates = (
            self.condition,
            self.items,
            self.inputs,
            self.message,
            self.cache_key,
            self.rate_key,
        )
        return [path for one in templates if one is not None for path in one.references()]


def _compile(step: Mapping[str, Any]) -> _Compiled:
    inside = _ITEM_ROOTS if step.get("for_each") is not None else _ROOTS
    constant = Payload.of(step["value"]) if "value" in step else None
    expression = step.get("expression")
    return _Compiled(
        condition=_template(step.get("if"), _ROOTS),
        items=_template(step.get("for_each"), _ROOTS),
        inputs=Template.parse(step["with"], inside),
        message=_template((step.get("approval") or {}).get("message"), _ROOTS),
        cache_key=_template(step.get("cache_key"), inside),
        rate_key=_template((step.get("rate") or {}).get("key"), inside),
        constant=constant,
        expression=Expression.parse(str(expression), ("inputs",)) if expression else None,
        declared=None
        if "declared" not in step
        else {name: Declared(**one) for name, one in step["declared"].items()},
        takes=_schema(step, "takes"),
        gives=_schema(step, "gives"),
    )


def _schema(document: Mapping[str, Any], name: str) -> Schema | None:
    try:
        return Schema(document[name]) if name in document else None
    except SchemaError as error:
        raise ExpressionError(f"nothing can be matched with a component's schema: {error}", "") from None


def _template(value: Json, roots: tuple[str, ...]) -> Template | None:
    return None if value is None or value == "" else Template.parse(value, roots)


def _step_ids(references: Iterable[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(path[1] for path in references if path[0] == "steps" and len(path) > 1))


class CelEvaluator:
    """Evaluates a plan's expressions with CEL."""

    def __init__(
        self,
        steps: tuple[PlannedStep, ...],
        compiled: tuple[_Compiled, ...],
        outputs: Mapping[str, Template],
        gives: Schema | None = None,
    ) -> None:
        """`gives` is what the outputs have to be, of a package."""
        self._steps = steps
        self._compiled = compiled
        self._outputs = outputs
        self._gives = gives

    def condition(self, index: int, scope: Scope) -> bool:
        """Whether step `index` is to run."""
        condition = self._compiled[index].condition
        if condition is None:
            return True
        value = _evaluate("its condition", condition, scope)
        if not isinstance(value, bool):
            raise EvaluationFailed(f"its condition yields {_kind(value)}, not a boolean")
        return value

    def items(self, index: int, scope: Scope) -> Payload:
        """What step `index` runs for each of."""
        template = self._compiled[index].items
        value: Any = None if template is None else _evaluate("its `for_each`", template, scope)
        if isinstance(value, Reference):
            if value.total is None:
                raise EvaluationFailed(
                    f"its `for_each` yields a part of a value of {value.size_bytes:,} bytes that is not known to be a "
                    "list; use a step's whole output, or a field of it, that is one"
                )
            return Payload.of(value)
        if not isinstance(value, list):
            raise EvaluationFailed(f"its `for_each` yields {_kind(value)}, not a list")
        return _payload("its `for_each`", value, MAX_STEP_INPUTS)

    def message(self, index: int, scope: Scope) -> str:
        """What whoever decides about step `index` is told."""
        return self._text("its approval's message", self._compiled[index].message, scope)

    def cache_key(self, index: int, scope: Scope) -> str:
        """What tells apart the cached outputs of step `index`, beside its version and inputs."""
        return self._text("its cache's key", self._compiled[index].cache_key, scope)

    def rate_key(self, index: int, scope: Scope) -> str:
        """Which of its rate limits step `index` counts against: the step's component, unless it says."""
        key = self._text("its rate limit's key", self._compiled[index].rate_key, scope)
        return key or self._steps[index].component

    @staticmethod
    def _text(what: str, template: Template | None, scope: Scope) -> str:
        if template is None:
            return ""
        value = _evaluate(what, template, scope)
        if isinstance(value, Reference):
            raise EvaluationFailed(f"{what} cannot be evaluated: {value.refusal}")
        text = value if isinstance(value, str) else jsonvalue.canonical(value).decode()
        if len(text) > _MAX_TEXT:
            raise EvaluationFailed(f"{what} has {len(text):,} characters, more than {_MAX_TEXT:,}")
        return text

    def inputs(self, index: int, scope: Scope) -> Payload:
        """The inputs of step `index`."""
        compiled = self._compiled[index]
        value = _evaluate("its inputs", compiled.inputs, scope)
        if compiled.declared is None or not isinstance(value, dict):
            inputs = _payload("its inputs", value, MAX_STEP_INPUTS)
        else:
            try:
                inputs = resolve(compiled.declared, value)
            except Invalid as error:
                raise EvaluationFailed(f"the workflow does not take its inputs: {error.message}") from None
        _match("inputs", compiled.takes, inputs, ErrorKind.INVALID_INPUT)
        return inputs

    def compute(self, index: int, inputs: Payload) -> Payload:
        """DATA: its value; UTILITY: its expression over the inputs; otherwise, and without either, the inputs."""
        compiled = self._compiled[index]
        output = self._computed(compiled, inputs)
        _match("output", compiled.gives, output, ErrorKind.INVALID_OUTPUT)
        return output

    def _computed(self, compiled: _Compiled, inputs: Payload) -> Payload:
        if compiled.constant is not None:
            return compiled.constant
        if compiled.expression is None:
            return _payload("its output", inputs.value, MAX_PAYLOAD)
        try:
            value = compiled.expression.evaluate({"inputs": inputs.value})
        except EvaluationError as error:
            raise EvaluationFailed(f"its expression cannot be evaluated: {error}") from None
        return _payload("its output", value, MAX_PAYLOAD)

    def outputs(self, scope: Scope) -> Payload:
        """The run's outputs. One that reads a skipped step's output, and cannot do without it, is null."""
        found: dict[str, Json] = {}
        for name, template in self._outputs.items():
            try:
                found[name] = _evaluate(f"output '{name}'", template, scope)
            except EvaluationFailed:
                views = (scope.step(one) for one in _step_ids(template.references()))
                if all(view is not None and view.output is not None for view in views):
                    raise
                found[name] = None
        outputs = _payload("the run's output", found, MAX_PAYLOAD)
        _match("output", self._gives, outputs, ErrorKind.INVALID_OUTPUT)
        return outputs


def _evaluate(what: str, template: Template, scope: Scope) -> Json:
    """The template's value, with only what it reads of the scope handed to CEL."""
    variables: dict[str, Json] = {}
    if template.is_constant:
        return template.evaluate(variables)
    references = template.references()
    roots = {path[0] for path in references}
    if "inputs" in roots:
        variables["inputs"] = scope.inputs.value
    if "run" in roots:
        variables["run"] = {"id": scope.run_id}
    if scope.item is not None:
        variables["index"], variables["item"] = scope.item
    if "steps" in roots:
        variables["steps"] = {one: _shown(scope.step(one)) for one in _step_ids(references)}
    try:
        return template.evaluate(variables)
    except EvaluationError as error:
        raise EvaluationFailed(f"{what} cannot be evaluated: {error}") from None


def _shown(view: StepView | None) -> Json:
    """What expressions see of a step."""
    if view is None:
        return {"output": None, "status": "PENDING", "error": None}
    failure = view.failure
    return {
        "output": None if view.output is None else view.output.value,
        "status": view.status.value,
        "error": None if failure is None else {"kind": failure.kind.value, "message": failure.message},
    }


def _match(what: str, schema: Schema | None, payload: Payload, kind: ErrorKind) -> None:
    """Raises EvaluationFailed where a value is not what a schema says. A value with large parts is not looked into."""
    if schema is None or not payload.is_inline:
        return
    if not schema.is_cheap(len(payload.raw)):
        raise EvaluationFailed(
            f"matching its {what} of {len(payload.raw):,} bytes with the component's schema takes the engine too long; "
            "simplify the schema, or have a component with code do this",
            kind,
        )
    found = schema.mismatch(payload.raw)
    if found is not None:
        which = "input" if kind is ErrorKind.INVALID_INPUT else "output"
        raise EvaluationFailed(f"{what}{found.place} {found.why}, by the component's {which} schema", kind)


def _payload(what: str, value: Json, limit: int) -> Payload:
    try:
        payload = Payload.of(value)
    except (ValueError, TypeError) as error:
        raise EvaluationFailed(f"{what} is not JSON: {error}") from None
    if len(payload.raw) > limit:
        raise EvaluationFailed(
            f"{what} has {len(payload.raw):,} bytes, more than {limit:,}; what is larger has to be one step's output"
        )
    return payload


def _kind(value: "Json | Reference") -> str:
    names = {
        Reference: "a large value",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


__all__ = ["APPROVAL", "IN_ENGINE", "CelEvaluator", "ExpressionError", "load", "needed"]
