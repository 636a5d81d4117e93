"""Everything that can be wrong with a workflow."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.interceptors.validation import validate
from chassis.source import UnreadableError
from registry import document, drafts, validation, wire
from registry.domain.workflows import ABSENT, CONTENT, Content, Draft, Problem, from_json, to_json
from registry.resolution import Candidate, Component
from registry.validation import Catalog, Interface

EXTRACT = Interface(
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "minimum": 1},
            "mode": {"enum": ["fast", "slow"]},
            "options": {
                "type": "object",
                "properties": {"deep": {"type": "boolean"}},
                "required": ["deep"],
                "additionalProperties": False,
            },
            "many": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["city"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": {"type": "object", "properties": {"day": {}}}},
            "n": {"type": "integer"},
        },
    },
)
LOOSE = Interface()
CATALOG = Catalog(
    {
        "extract": Component(
            "d1", "extract", "PYTHON_SCRIPT", (Candidate("e1", "1.0.0"), Candidate("e2", "1.2.0"))
        ),
        "loose": Component("d2", "loose", "UTILITY", (Candidate("l1", "1.0.0"),)),
    },
    {"e1": EXTRACT, "e2": EXTRACT, "l1": LOOSE},
    ("extract", "loose"),
)


def problems(source: str) -> list[Problem]:
    """The problems of a document, with their places."""
    parsed = document.parse(source)
    content = validation.pinned(parsed.draft.content, CATALOG.components)
    return drafts.flaws(drafts.Sent(parsed.draft, parsed), validation.check(content, CATALOG))


def workflow(
    steps: str, inputs: str = "city: {type: string}\n  n: {type: integer}\n  any: {}", outputs: str = "{}"
) -> str:
    """A document around steps."""
    return f"name: flow\ninputs:\n  {inputs}\noutputs: {outputs}\nsteps:\n{steps}"


FINE = "  - {id: a, component: extract@1, with: {city: x}}\n"


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
    ("{id: b, component: loose, retry: {max_attempts: 2, backoff: 2d}}", "retry.backoff", "'2d'", "90s"),
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


# Random workflows: mostly of the right shape, with words that make references meet or miss.

names = st.sampled_from(["a", "b", "c", "city", "n", "rows", "x", "7", "", "output"])
expressions = st.sampled_from(
    [
        "${{ inputs.city }}",
        "${{ inputs.n + 1 }}",
        "${{ steps.a.output.rows }}",
        "${{ steps.b.output }}",
        "${{ steps.c.output.x > 1 }}",
        "${{ steps }}",
        "a ${{ inputs.x }} b",
        "${{ ",
        "${{ 1 + }}",
        "${{ false }}",
        "plain",
        "",
    ]
)
plain = st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(-10, 10, width=16) | expressions
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
durations = st.sampled_from(["1s", "0s", "1.5s", "0.000001s", "x", "9999999s"])
components = st.sampled_from(["extract", "extract@1", "extract@1.0.0", "extract@9", "loose", "none", "@", ""])
retries = st.fixed_dictionaries(
    {"max_attempts": st.integers(-1, 101)},
    optional={"backoff": durations, "factor": st.floats(0, 12, width=16), "max_backoff": durations},
)
steps = st.fixed_dictionaries(
    {"id": names, "component": components},
    optional={
        "with": st.dictionaries(names, anything, max_size=4),
        "if": expressions,
        "needs": st.lists(names, max_size=3),
        "retry": retries,
        "timeout": durations,
    },
)
inputs = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "", "float"]),
        "default": anything,
        "description": st.text(max_size=5),
    },
)
workflows = st.fixed_dictionaries(
    {"name": st.sampled_from(["flow", "Flow", ""])},
    optional={
        "inputs": st.dictionaries(names, inputs, max_size=3),
        "steps": st.lists(steps, max_size=4),
        "outputs": st.dictionaries(names, anything, max_size=3),
        "description": st.text(
            st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=5
        ),
        "tags": st.lists(names, max_size=2),
        "visibility": st.sampled_from(["PUBLIC", "PRIVATE"]),
    },
)
broken = st.dictionaries(
    st.sampled_from(["name", "steps", "inputs", "outputs", "with", "tags", "visibility", "etag", "bogus"]),
    anything,
)
thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@thorough
@given(workflows | broken)
def test_no_document_brings_the_validation_down_and_problems_have_places(body: dict[str, Any]) -> None:
    for one in problems(json.dumps(body)):
        assert one.message
        assert one.line >= 1 or one.field in ("name", "steps")


@thorough
@given(st.text(max_size=300))
def test_no_text_brings_the_reader_down(text: str) -> None:
    try:
        problems(text)
    except UnreadableError as error:
        assert error.line >= 1  # noqa: PT017  # most texts are refused, some are not


@thorough
@given(workflows)
def test_yaml_json_and_the_message_are_the_same(body: dict[str, Any]) -> None:
    as_json = document.parse(json.dumps(body))
    as_yaml = document.parse(yaml.safe_dump(body, allow_unicode=True))
    if as_json.problems:
        assert [one.field for one in as_yaml.problems] != []
        return

    message = wire.workflows.drafted(as_json.draft)
    from_message = wire.workflows.draft(message)

    assert as_yaml.draft == as_json.draft
    assert shown(from_message) == shown(as_json.draft)
    assert wire.workflows.drafted(from_message) == message


def shown(draft: Draft) -> dict[str, Any]:
    """A draft with nothing but what it says, its mappings in one order."""
    return {"labels": (draft.name, draft.description, draft.tags, draft.visibility), **to_json(draft.content)}


@thorough
@given(workflows)
def test_what_has_no_problems_obeys_the_contract_and_survives_the_database(body: dict[str, Any]) -> None:
    parsed = document.parse(json.dumps(body))
    content = validation.pinned(parsed.draft.content, CATALOG.components)
    if drafts.flaws(drafts.Sent(parsed.draft, parsed), validation.check(content, CATALOG)):
        return

    validate(wire.workflows.drafted(parsed.draft, content))
    stored = from_json(json.loads(json.dumps(to_json(content))))

    assert stored == content
    assert stored.digest() == content.digest()
    assert {step.pin is not None for step in stored.steps} == {True}


def test_the_default_null_is_a_default() -> None:
    given_null = document.parse("inputs: {a: {default: null}, b: {}}").draft

    assert given_null.inputs["a"].default is None
    assert given_null.inputs["b"].default is ABSENT
    assert set(CONTENT) <= {"inputs", "steps", "outputs"}
    assert Content(given_null.inputs, (), {}).digest() != Content({}, (), {}).digest()
