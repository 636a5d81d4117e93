"""Everything that can be wrong with a workflow."""

import pytest

from registry import document
from registry.domain.content import ABSENT, Content
from registry.domain.stored import digest
from tests.registry.catalog import FINE, problems, workflow


@pytest.mark.parametrize(
    "step",
    [
        '{id: b, component: extract, with: {city: "${{ inputs.city }}", days: "${{ inputs.n }}"}}',
        '{id: b, component: extract, with: {city: "in ${{ inputs.n }}", days: "${{ inputs.any }}"}}',
        '{id: b, component: extract, with: {city: "${{ string(steps.a.output.n) }}", days: "${{ steps.a.output.n }}"}}',
        '{id: b, component: extract, with: {city: "${{ steps.a.output.rows[0].day }}"}, if: "${{ inputs.n > 1 }}"}',
        "{id: b, component: loose, with: {anything: [1, {x: \"${{ steps['a'].output.rows }}\"}]}}",
        '{id: b, component: extract, with: {city: x, options: {deep: "${{ inputs.n > 3 }}"}, many: ["${{ 2 }}"]}}',
        "{id: b, component: extract, with: {city: x}, needs: [a], retry: {max_attempts: 3, backoff: 2s}, timeout: 60s}",
        '{id: b, component: extract, with: {city: x}, if: "${{ steps.a.output.n }}" }'.replace(
            "output.n", "output.rows[0].day"
        ),
        '{id: b, component: loose, with: {x: "${{ steps.a.output.rows.map(r, r.day) }}"}}',
        "{id: b, component: loose, with: {x: \"${{ '${{' }}\"}}",
    ],
)
def test_what_is_right_is_let_pass(step: str) -> None:
    assert problems(workflow(f"{FINE}  - {step}\n")) == []


WRONG: list[tuple[str, str, str, str]] = [
    ("{id: b, component: exract}", "component", "there is no component 'exract'", "did you mean extract?"),
    ("{id: b, component: extract@2}", "component", "no released version matching 2", "extract@1.2.0"),
    ("{id: b, component: 'extract@'}", "component", "names no component", "write name"),
    ("{id: b}", "component", "says what runs", "add component"),
    ("{id: b, component: extract}", "with", "the input 'city' is missing", "add city, string"),
    (
        "{id: b, component: extract, with: {city: x, cty: y}}",
        "with.cty",
        "there is no input 'cty'",
        "there are",
    ),
    ("{id: b, component: extract, with: {city: 3}}", "with.city", "expected a string, found an integer", ""),
    ("{id: b, component: extract, with: {city: x, days: 0}}", "with.days", "less than the minimum", ""),
    ("{id: b, component: extract, with: {city: x, mode: fats}}", "with.mode", "'fats'", "one of fast, slow"),
    ("{id: b, component: extract, with: {city: x, options: {}}}", "with.options", "'deep' is a required", ""),
    (
        '{id: b, component: extract, with: {city: x, options: {deeep: "${{ true }}"}}}',
        "with.options.deeep",
        "there is no field 'deeep'",
        "did you mean deep?",
    ),
    (
        '{id: b, component: extract, with: {city: x, many: ["${{ inputs.city }}"]}}',
        "with.many[0]",
        "an integer",
        "int()",
    ),
    (
        '{id: b, component: extract, with: {city: "${{ inputs.n }}"}}',
        "with.city",
        "found an integer",
        "string()",
    ),
    (
        '{id: b, component: extract, with: {city: "${{ steps.a.output.rows }}"}}',
        "with.city",
        "found an array",
        "give",
    ),
    (
        '{id: b, component: extract, with: {city: "${{ 1 + 1 }}"}}',
        "with.city",
        "found an integer",
        "string()",
    ),
    (
        '{id: b, component: extract, with: {city: x, days: "n = ${{ inputs.n }}"}}',
        "with.days",
        "found a string",
        "int()",
    ),
    (
        '{id: b, component: loose, with: {x: "${{ inputs.citty }}"}}',
        "with.x",
        "no input 'citty'",
        "did you mean city?",
    ),
    (
        '{id: b, component: loose, with: {x: "${{ inputs.city.name }}"}}',
        "with.x",
        "is of type string",
        "inputs.city",
    ),
    ('{id: b, component: loose, with: {x: "${{ steps.z.output }}"}}', "with.x", "no step 'z'", "there are a"),
    ('{id: b, component: loose, with: {x: "${{ steps.b.output }}"}}', "with.x", "its own output", "another"),
    (
        '{id: b, component: loose, with: {x: "${{ steps.a.outputs.n }}"}}',
        "with.x",
        "no 'outputs'",
        "steps.a.output",
    ),
    (
        '{id: b, component: loose, with: {x: "${{ steps.a.output.row }}"}}',
        "with.x",
        "no 'row'",
        "did you mean rows?",
    ),
    (
        '{id: b, component: loose, with: {x: "${{ steps.a.output.n.x }}"}}',
        "with.x",
        "no object",
        "steps.a.output.n",
    ),
    (
        '{id: b, component: loose, with: {x: "${{ size(steps) }}"}}',
        "with.x",
        "names the step",
        "steps.<id>.output",
    ),
    (
        '{id: b, component: loose, with: {x: "a ${{ 1 + }} b"}}',
        "with.x",
        "at character 11 of the string",
        "correct",
    ),
    ('{id: b, component: loose, with: {x: "${{ inputs.n"}}', "with.x", "not closed", "correct"),
    ('{id: b, component: loose, with: {x: "${{ input.n }}"}}', "with.x", "unknown name 'input", "correct"),
    (
        '{id: b, component: loose, if: "${{ size(inputs.city) }}"}',
        "if",
        "a condition is a boolean",
        "compare",
    ),
    ('{id: b, component: loose, if: "${{ inputs.city }}"}', "if", "found a string", "compare"),
    ("{id: b, component: loose, if: inputs.n > 1}", "if", "is text, not a condition", "${{"),
    ('{id: b, component: loose, if: "x ${{ true }}"}', "if", "is text, not a condition", "${{"),
    (
        '{id: b, component: loose, if: "${{ 1 > 2 }}"}',
        "if",
        "unreachable: its condition is always false",
        "change",
    ),
    ("{id: b, component: loose, needs: [zz]}", "needs[0]", "there is no step 'zz'", "there are a"),
    ("{id: b, component: loose, needs: [a, b]}", "needs[1]", "needs itself", "remove"),
    ("{id: b, component: loose, retry: {max_attempts: 0}}", "retry.max_attempts", "", ""),
    ("{id: b, component: loose, retry: {max_attempts: 2, factor: 11}}", "retry.factor", "", ""),
    (
        "{id: b, component: loose, retry: {max_atempts: 2}}",
        "retry.max_atempts",
        "unknown field",
        "max_attempts?",
    ),
    ("{id: b, component: loose, retry: {max_attempts: 2, backoff: 2 s}}", "retry.backoff", "'2 s'", "90s"),
    ("{id: b, component: loose, timeout: 0s}", "timeout", "", ""),
    ("{id: b, component: loose, timeout: 604801s}", "timeout", "", ""),
    ("{id: b, component: loose, if: true}", "if", "expected a string, found a boolean", "in quotes"),
    ("{id: 7up, component: loose}", "id", "", ""),
    ("{id: b, component: loose, with: [1]}", "with", "expected a mapping, found a list", "name: value"),
]


@pytest.mark.parametrize(("step", "field", "message", "fix"), WRONG)
def test_what_is_wrong_is_told_once_with_step_field_line_and_fix(
    step: str, field: str, message: str, fix: str
) -> None:
    source = workflow(f"{FINE}  - {step}\n")

    (problem,) = problems(source)

    assert problem.field == f"steps[1].{field}"
    assert problem.line == source.count("\n")
    assert problem.column > 4
    assert message in problem.message
    assert fix in problem.fix
    assert problem.step == ("7up" if "7up" in step else "b")


def test_what_is_wrong_outside_the_steps_is_told_too() -> None:
    found = problems(
        workflow(
            FINE,
            inputs='n: {type: integer, default: x}\n  e: {default: "${{ 1 }}"}\n  f: {type: float}',
            outputs='{r: "${{ steps.nope.output }}", ok: "${{ steps.a.output.n }}", all: "${{ steps }}"}',
        )
    )

    assert [(one.field, one.line) for one in found] == [
        ("inputs.n.default", 3),
        ("inputs.e.default", 4),
        ("inputs.f.type", 5),
        ("outputs.r", 6),
    ]


def test_no_steps_are_too_few() -> None:
    assert [one.field for one in problems("name: flow\n")] == ["steps"]


def test_an_id_is_given_once() -> None:
    (problem,) = problems(workflow(FINE + FINE))

    assert problem.field == "steps[1].id"
    assert "steps[0]" in problem.message


def test_a_cycle_is_printed_and_what_waits_for_it_is_unreachable() -> None:
    found = problems(
        workflow(
            FINE
            + "  - {id: b, component: loose, needs: [d]}\n"
            + '  - {id: c, component: loose, with: {x: "${{ steps.b.output }}"}}\n'
            + '  - {id: d, component: loose, if: "${{ steps.c.output == 1 }}"}\n'
            + "  - {id: e, component: loose, needs: [c, a]}\n"
            + "  - {id: f, component: loose, needs: [e]}\n"
        )
    )

    assert [(one.step, one.message) for one in found] == [
        ("b", "these steps form a cycle: b → d → c → b"),
        ("e", "step 'e' is unreachable: it needs 'c', which is part of a cycle"),
        ("f", "step 'f' is unreachable: it needs 'e', which is unreachable itself"),
    ]


def test_what_waits_for_a_step_that_never_runs_is_unreachable() -> None:
    found = problems(
        workflow(
            '  - {id: a, component: loose, if: "${{ false }}"}\n  - {id: b, component: loose, needs: [a]}\n'
        )
    )

    assert [one.message for one in found] == [
        "step 'a' is unreachable: its condition is always false",
        "step 'b' is unreachable: it needs 'a', which never runs",
    ]


def test_what_would_hold_the_process_is_refused_before_it_is_compiled() -> None:
    many = ", ".join(['"${{ 1 }}"'] * 600)
    steps = "".join(f"  - {{id: {name}, component: loose, with: {{x: [{many}]}}}}\n" for name in "ab")

    crowd = "".join(f"  - {{id: s{n}, component: loose, needs: [s{n + 1}]}}\n" for n in range(5000))

    assert [one.message for one in problems(workflow(steps))] == ["there are more than 1000 expressions"]
    assert [one.message for one in problems(workflow(crowd))] == ["there are more than 100 steps"]


def test_both_spellings_of_a_field_are_one_field() -> None:
    fine = problems(workflow("  - {id: a, component: loose, retry: {maxAttempts: 2, maxBackoff: 3s}}\n"))
    (both,) = problems(workflow("  - {id: a, component: loose, retry: {maxAttempts: 2, max_attempts: 2}}\n"))

    assert fine == []
    assert "given twice" in both.message


def test_the_default_null_is_a_default() -> None:
    given_null = document.parse("inputs: {a: {default: null}, b: {}}").draft.content

    assert given_null.inputs["a"].default is None
    assert given_null.inputs["b"].default is ABSENT
    assert digest(given_null) != digest(Content())
