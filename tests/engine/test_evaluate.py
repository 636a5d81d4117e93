"""Plans from their documents: needs inferred, expressions evaluated, failures told in sentences."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from chassis import jsonvalue
from engine import evaluate
from engine.domain import EMPTY, ErrorKind, Failure, Payload, StepStatus
from engine.plan import EvaluationFailed, Plan, StepView
from engine.wire import plans as wire
from mcpanel.registry.v1 import component_pb2


def plan(*steps: dict[str, Any], outputs: dict[str, Any] | None = None) -> Plan:
    filled: list[dict[str, Any]] = [
        {
            "type": "PYTHON_SCRIPT",
            "component": "x@1.0.0",
            "version_id": "v",
            "with": {},
            "if": "",
            "timeout": 5.0,
        }
        | step
        for step in steps
    ]
    for step in filled:
        step["needs"] = [*step.get("needs", []), *evaluate.needed(step)]
    body = jsonvalue.canonical({"steps": filled, "outputs": outputs or {}})  # type: ignore[dict-item]
    return evaluate.load(body, b"digest")


@dataclass
class Given:
    """A scope whose steps have all succeeded, or were skipped where they have no output."""

    inputs: Payload
    outputs: dict[str, Any]
    item: tuple[int, Any] | None = None
    run_id: str = "r1"

    def step(self, step_id: str) -> StepView | None:
        if step_id not in self.outputs:
            return None
        value = self.outputs[step_id]
        if value is None:
            return StepView(StepStatus.SKIPPED, None, Failure(ErrorKind.SKIPPED, "its condition was false"))
        return StepView(StepStatus.SUCCESS, Payload.of(value))


def scope(inputs: Any = None, **outputs: Any) -> Given:
    return Given(Payload.of(inputs or {}), outputs)


def test_needs_are_inferred_from_conditions_and_inputs() -> None:
    made = plan(
        {"id": "a"},
        {"id": "b"},
        {"id": "c", "with": {"x": "${{ steps.a.output }}"}, "if": "${{ steps.b.output.go }}"},
    )

    assert set(made.steps[2].needs) == {0, 1}
    assert made.dependents[0] == (2,)
    assert made.steps[0].timeout == timedelta(seconds=5)


def test_a_string_that_is_one_expression_keeps_the_values_type() -> None:
    made = plan({"id": "a", "with": {"n": "${{ inputs.n * 2 }}", "text": "n=${{ inputs.n }}", "fixed": [1]}})

    assert made.evaluator.inputs(0, scope({"n": 4})).value == {"n": 8, "text": "n=4", "fixed": [1]}


@pytest.mark.parametrize(
    ("condition", "answer"), [("${{ inputs.n > 3 }}", True), ("${{ inputs.n > 9 }}", False)]
)
def test_a_condition_is_a_boolean(condition: str, answer: bool) -> None:
    assert plan({"id": "a", "if": condition}).evaluator.condition(0, scope({"n": 4})) is answer


def test_a_condition_that_is_something_else_fails_with_a_sentence() -> None:
    with pytest.raises(EvaluationFailed, match="its condition yields a number, not a boolean"):
        plan({"id": "a", "if": "${{ inputs.n }}"}).evaluator.condition(0, scope({"n": 4}))


def test_outputs_of_skipped_steps_are_null_and_other_failures_are_not_hidden() -> None:
    made = plan(
        {"id": "a"}, {"id": "b"}, outputs={"a": "${{ steps.a.output.x }}", "b": "${{ steps.b.output.x }}"}
    )

    assert made.evaluator.outputs(scope(a=None, b={"x": 1})).value == {"a": None, "b": 1}
    with pytest.raises(EvaluationFailed, match="output 'b' cannot be evaluated"):
        made.evaluator.outputs(scope(a=None, b={}))


def test_the_engine_computes_values_and_expressions() -> None:
    made = plan(
        {"id": "data", "type": "DATA", "value": {"k": 1}},
        {"id": "sum", "type": "UTILITY", "expression": "inputs.a + inputs.b"},
        {"id": "out", "type": "OUTPUT"},
    )

    assert all(step.in_engine for step in made.steps)
    assert made.evaluator.compute(0, EMPTY).value == {"k": 1}
    assert made.evaluator.compute(1, Payload.of({"a": 1, "b": 2})).value == 3
    assert made.evaluator.compute(2, Payload.of({"a": 1})).value == {"a": 1}
    with pytest.raises(
        EvaluationFailed, match=r"its expression cannot be evaluated: .* in .*inputs.a \+ inputs.b"
    ):
        made.evaluator.compute(1, EMPTY)


def test_a_step_whose_expression_would_hold_everybody_up_fails_and_says_what_to_do() -> None:
    made = plan(
        {"id": "grow", "type": "UTILITY", "expression": "inputs.n.map(i, inputs.text + inputs.text).size()"}
    )

    with pytest.raises(EvaluationFailed, match=r"too much work for these values: .*let a script do it"):
        made.evaluator.compute(0, Payload.of({"n": [1] * 2000, "text": "a" * 200_000}))


@pytest.mark.parametrize(
    ("config", "in_engine"),
    [
        ({"data": {"value": 1}}, True),
        ({"data": {}}, True),
        ({"data": {"query": {"data_source": "a", "sql": "SELECT 1"}}}, False),
        ({"data": {"file": {}}}, False),
        ({"data": {"sql": "SELECT * FROM data"}}, False),
        ({"output": {}}, True),
        ({"output": {"file": {"name": "a"}}}, False),
        ({"utility": {"expression": "inputs"}}, True),
    ],
)
def test_what_does_nothing_but_pass_values_on_needs_no_worker(
    config: dict[str, Any], *, in_engine: bool
) -> None:
    (kind,) = config
    version = ParseDict({"id": "v", "type": kind.upper(), **config}, component_pb2.Version())
    workflow = wire.workflow_of_one(version, (), None)

    body = wire.document(workflow, wire.Parts({"v": version}, {}))

    assert evaluate.load(body, b"").steps[0].in_engine is in_engine
