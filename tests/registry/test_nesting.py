"""Workflows inside workflows."""

import pytest

from registry import nesting, validation
from registry.domain.content import Content, Pin, Step, WorkflowPin
from registry.nesting import Callee, Uses
from registry.resolution import UnresolvedError
from tests.registry.catalog import CATALOG, NESTED, REPORT, many, nest, pinned, problems, workflow


def of_step(step: str) -> list[tuple[str, str, str]]:
    """Field, message and fix of each problem of a workflow of one step."""
    found = problems(workflow(f"  - {step}\n"))
    return [(one.field.removeprefix("steps[0]."), one.message, one.fix) for one in found]


@pytest.mark.parametrize(("written", "version"), [("report", 3), ("report@1", 1), ("report@3", 3)])
def test_a_name_means_the_newest_version_and_a_number_that_one(written: str, version: int) -> None:
    content = pinned(Content(steps=(Step("a", workflow=written),)))

    assert content.steps[0].workflow_pin == WorkflowPin("w1", version)


@pytest.mark.parametrize(
    ("written", "message", "fix"),
    [
        ("report@4", "has no version 4, versions 1 to 3", "write report@3"),
        ("crowd@2", "has no version 2, only version 1", "write crowd@1"),
        ("report@1.2.0", "names no workflow", "write name or name@3"),
        ("report@", "names no workflow", "write name or name@3"),
        ("report@0", "names no workflow", "write name or name@3"),
        ("Report", "names no workflow", "write name or name@3"),
        ("reprot", "there is no workflow 'reprot'", "did you mean report?"),
        ("flow", "a workflow is no step of itself", "run another"),
        ("flow@1", "a workflow is no step of itself", "run another"),
        ("lossy", "its step 'b' runs the component 'lost', which was deleted", "run another version"),
        ("hollow", "its step 'c' runs the workflow 'gone', which was deleted", "run another version"),
        ("outer", "'d' runs a workflow of which 'b' runs the component 'lost'", "run another version"),
        ("nest5", "6 deep here, more than 5", "run what lies inside it directly"),
    ],
)
def test_a_workflow_that_cannot_be_run_is_told_once_with_what_can(
    written: str, message: str, fix: str
) -> None:
    ((field, why, what),) = of_step(f"{{id: a, workflow: {written}}}")

    assert field == "workflow"
    assert message in why
    assert fix in what


def test_five_workflows_may_lie_inside_each_other() -> None:
    assert of_step("{id: a, workflow: nest4}") == []


@pytest.mark.parametrize(
    ("names", "fine"),
    [
        (["workflow: crowd"] * 9 + ["component: loose"] * 91, True),
        (["workflow: crowd"] * 9 + ["component: loose"] * 90 + ["workflow: nest0"], False),
        (["workflow: crowd"] * 10, False),
    ],
)
def test_there_are_a_thousand_steps_in_all_at_most(names: list[str], fine: bool) -> None:
    found = problems(workflow("".join(f"  - {{id: s{n}, {one}}}\n" for n, one in enumerate(names))))

    assert [one.field for one in found] == ([] if fine else ["steps"])
    assert fine or "steps in all, those inside workflows included, more than 1,000" in found[0].message


@pytest.mark.parametrize(
    ("given", "field", "message", "fix"),
    [
        ("{}", "with", "the input 'city' is missing", "add city, string"),
        ("{city: x, day: 1}", "with.day", "there is no input 'day'", "did you mean days?"),
        ("{city: x, bogus: 1}", "with.bogus", "there is no input 'bogus'", "there are"),
        ("{city: 3}", "with.city", "expected a string, found an integer", ""),
        ("{city: x, days: two}", "with.days", "expected an integer, found a string", ""),
        ('{city: "${{ inputs.n }}"}', "with.city", "expected a string, found an integer", "string()"),
    ],
)
def test_what_a_workflow_is_given_is_checked_against_its_inputs(
    given: str, field: str, message: str, fix: str
) -> None:
    ((where, why, what),) = of_step(f"{{id: a, workflow: report, with: {given}}}")

    assert where == field
    assert message in why
    assert fix in what


def test_a_name_that_is_not_known_is_no_step_of_itself_without_one() -> None:
    content = pinned(Content(steps=(Step("a", workflow="report", with_={"city": "x"}),)))

    assert validation.check(content, CATALOG, "") == []
    assert [one.field for one in validation.check(content, CATALOG, "report")] == ["steps[0].workflow"]


def test_steps_are_counted_wherever_they_run_and_depth_where_it_is_deepest() -> None:
    pins = [WorkflowPin("n2", 1), WorkflowPin("w4", 1), WorkflowPin("w4", 1), WorkflowPin("w9", 1)]
    content = Content(steps=tuple(Step(f"s{n}", workflow_pin=pin) for n, pin in enumerate(pins)))

    assert nesting.measure(content, NESTED) == (3, 4 + 3 + 100 + 100)
    assert nesting.measure(many(7), NESTED) == (0, 7)


def test_an_assistant_counts_as_deep_as_what_it_may_call_and_its_tools_are_no_steps() -> None:
    def step(version_id: str, kind: str) -> Step:
        return Step("a", version_id, pin=Pin(version_id, "1.0.0", kind, f"of-{version_id}"))

    tools = Content(steps=(step("package", "MCP"), step("tool", "PYTHON_SCRIPT")))
    nested: dict[WorkflowPin | str, Content] = {"helper": tools, "package": many(3)}
    content = Content(steps=(step("helper", "AI_ASSISTANT"), step("package", "MCP")))

    assert nesting.measure(content, nested) == (2, 2 + 3)
    assert nesting.uses(content, nested).definitions == ("d1", "of-helper", "of-package", "of-tool")


def test_what_takes_long_to_count_by_hand_is_counted_at_once() -> None:
    """Sixty levels of two each would be 2^60 steps to walk."""
    nested: dict[WorkflowPin | str, Content] = {WorkflowPin("x0", 1): many(1)}
    for level in range(1, 60):
        pin = WorkflowPin(f"x{level - 1}", 1)
        nested[WorkflowPin(f"x{level}", 1)] = Content(
            steps=(Step("a", workflow_pin=pin), Step("b", workflow_pin=pin))
        )
    content = nested[WorkflowPin("x59", 1)]

    assert nesting.measure(content, nested)[0] == 59
    assert nesting.deleted(content, nested, ()) == ""
    assert len(nesting.inside(content, nested)) == 59


def test_a_workflow_uses_what_lies_inside_it_but_never_itself() -> None:
    content = Content(
        steps=(Step("a", workflow_pin=WorkflowPin("w5", 1)), Step("b", workflow_pin=WorkflowPin("n1", 1)))
    )

    assert nesting.uses(content, NESTED) == Uses(("d1", "d9"), ("n0", "n1", "w2", "w5"))
    assert nesting.uses(content, NESTED, "n0").workflows == ("n1", "w2", "w5")
    assert nesting.uses(many(2), {}) == Uses(("d1",), ())


def test_the_schemas_of_a_workflow_are_its_inputs_and_outputs() -> None:
    assert nesting.input_schema(REPORT) == {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "any": {}},
        "required": ["city"],
        "additionalProperties": False,
    }
    assert nesting.output_schema(REPORT) == {
        "type": "object",
        "properties": {"text": {}, "rows": {}},
        "additionalProperties": False,
    }


def test_no_version_is_one_that_was_never_saved() -> None:
    with pytest.raises(UnresolvedError):
        nesting.resolve(2, Callee("w", "one", 1))
    assert nesting.measure(nest(3)[WorkflowPin("n3", 1)], nest(3)) == (3, 4)
