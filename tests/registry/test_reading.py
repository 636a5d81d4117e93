"""What expressions may read where, and what of it has which type."""

import pytest

from tests.registry.catalog import FINE, problems, workflow


def of_steps(*steps: str, outputs: str = "{}") -> list[tuple[str, str, str]]:
    """Field, message and fix of each problem of a workflow of these steps after the first."""
    found = problems(workflow(FINE + "".join(f"  - {one}\n" for one in steps), outputs=outputs))
    return [(one.field, one.message, one.fix) for one in found]


EACH = 'for_each: "${{ steps.a.output.rows }}"'


@pytest.mark.parametrize(
    "steps",
    [
        [
            '{id: b, component: loose, with: {s: "${{ steps.a.status }}", e: "${{ steps.a.error }}"}, join: ended}'
        ],
        [
            '{id: b, component: loose, with: {k: "${{ steps.a.error.kind }}", m: "${{ steps.a.error.message }}"}}'
        ],
        ['{id: b, component: extract, with: {city: "${{ steps.a.status }} of ${{ run.id }}"}}'],
        ['{id: b, component: extract, with: {city: "${{ run.id }}"}}'],
        [f'{{id: b, component: loose, {EACH}, with: {{r: "${{{{ item }}}}", d: "${{{{ item.day }}}}"}}}}'],
        [f'{{id: b, component: extract, {EACH}, with: {{city: x, days: "${{{{ index }}}}"}}}}'],
        [f'{{id: b, component: loose, {EACH}, cache: {{ttl: 1h, key: "${{{{ item.day }}}}"}}}}'],
        [f'{{id: b, component: loose, {EACH}, rate_limit: {{limit: 1, key: "${{{{ index }}}}"}}}}'],
        ['{id: b, component: loose, with: {x: "${{ inputs.any.map(item, item.x) }}"}}'],
        [
            '{id: b, component: extract, for_each: [x, y], with: {city: "${{ item }}"}}',
            '{id: c, component: loose, with: {x: "${{ steps.b.output[0].rows }}", y: "${{ steps.b.output }}"}}',
        ],
        [
            '{id: b, component: extract, for_each: [x, y], on_failure: continue, with: {city: "${{ item }}"}}',
            '{id: c, component: loose, with: {x: "${{ steps.b.output[0] == null }}"}}',
        ],
        [
            "{id: b, workflow: report, with: {city: x}}",
            '{id: c, component: extract, with: {city: "${{ steps.b.output.text }}"}}',
        ],
        [
            '{id: b, approval: {message: "Send ${{ steps.a.output.n }}?"}}',
            '{id: c, component: extract, with: {city: "${{ steps.b.output.approved_by }}"}}',
        ],
    ],
)
def test_what_can_be_read_is_let_pass(steps: list[str]) -> None:
    assert of_steps(*steps, outputs='{r: "${{ run.id }}", s: "${{ steps.b.status }}"}') == []


ELSEWHERE = "can be read only in with, cache.key and rate_limit.key of a step with for_each"


@pytest.mark.parametrize(
    ("step", "field", "message", "fix"),
    [
        (
            '{id: b, component: loose, with: {x: "${{ item }}"}}',
            "with.x",
            ELSEWHERE,
            "give the step for_each",
        ),
        ('{id: b, component: loose, with: {x: "${{ index + 1 }}"}}', "with.x", ELSEWHERE, "read it there"),
        (
            f'{{id: b, component: loose, {EACH}, if: "${{{{ item.day > 1 }}}}"}}',
            "if",
            ELSEWHERE,
            "read it there",
        ),
        ('{id: b, component: loose, for_each: ["${{ index }}"]}', "for_each[0]", ELSEWHERE, "read it there"),
        (
            f'{{id: b, component: loose, {EACH}, approval: {{message: "${{{{ item }}}}?"}}}}',
            "approval.message",
            ELSEWHERE,
            "read it there",
        ),
        (
            f'{{id: b, component: loose, {EACH}, with: {{x: "${{{{ item.dya }}}}"}}}}',
            "with.x",
            "item has no 'dya'",
            "did you mean day?",
        ),
        (
            '{id: b, component: loose, for_each: [1, 2], with: {x: "${{ item.day }}"}}',
            "with.x",
            "item is no object and has no 'day'",
            "write item",
        ),
        (
            '{id: b, component: extract, for_each: [1, 2], with: {city: "${{ item }}"}}',
            "with.city",
            "expected a string, found an integer",
            "string()",
        ),
        (
            f'{{id: b, component: extract, {EACH}, with: {{city: "${{{{ index }}}}"}}}}',
            "with.city",
            "expected a string, found an integer",
            "string()",
        ),
        (
            '{id: b, component: loose, with: {x: "${{ index.x }}"}, for_each: [1]}',
            "with.x",
            "index is no",
            "index",
        ),
        (
            '{id: b, component: loose, with: {x: "${{ run.name }}"}}',
            "with.x",
            "run has no 'name'",
            "there are id",
        ),
        ('{id: b, component: loose, with: {x: "${{ inputs[0] }}"}}', "with.x", "no input '0'", "there are"),
        (
            '{id: b, component: loose, with: {x: "${{ inputs.city[0] }}"}}',
            "with.x",
            "is of type string and has no '0'",
            "write inputs.city",
        ),
        (
            '{id: b, component: loose, with: {x: "${{ steps[0].output }}"}}',
            "with.x",
            "no step '0'",
            "there are",
        ),
        (
            '{id: b, component: loose, with: {x: "${{ steps.a.outcome }}"}}',
            "with.x",
            "a step has no 'outcome', only output, status and error",
            "write steps.a.output",
        ),
        (
            '{id: b, component: loose, with: {x: "${{ steps.a.attempts }}"}}',
            "with.x",
            "only output, status and error",
            "write steps.a.",
        ),
        (
            '{id: b, component: loose, with: {x: "${{ steps.a.status.code }}"}}',
            "with.x",
            "steps.a.status is no object",
            "write steps.a.status",
        ),
        (
            '{id: b, component: loose, with: {x: "${{ steps.a.error.mesage }}"}}',
            "with.x",
            "steps.a.error has no 'mesage'",
            "did you mean message?",
        ),
        (
            "{id: b, component: loose, if: \"${{ steps.b.status == 'x' }}\"}",
            "if",
            "reads its own status",
            "another",
        ),
        (
            '{id: b, component: loose, if: "${{ steps.a.status }}"}',
            "if",
            "a condition is a boolean",
            "compare",
        ),
        (
            '{id: b, component: extract, with: {city: x, days: "${{ steps.a.error.kind }}"}}',
            "with.days",
            "found a string",
            "int()",
        ),
        (
            '{id: b, component: loose, cache: {ttl: 1h, key: "${{ inputs.citty }}"}}',
            "cache.key",
            "no input 'citty'",
            "city?",
        ),
        (
            '{id: b, component: loose, rate_limit: {limit: 1, key: "${{ steps.z.output }}"}}',
            "rate_limit.key",
            "no step 'z'",
            "there are a",
        ),
        ('{id: b, approval: {message: "${{ 1 + }}"}}', "approval.message", "at character", "correct"),
    ],
)
def test_what_cannot_be_read_is_told_once(step: str, field: str, message: str, fix: str) -> None:
    ((where, why, what),) = of_steps(step)

    assert where == f"steps[1].{field}"
    assert message in why
    assert fix in what


@pytest.mark.parametrize(
    ("first", "read", "message"),
    [
        ("component: extract, for_each: [x], with: {city: y}", "output.rows", "steps.b.output is no object"),
        (
            "component: extract, for_each: [x], with: {city: y}",
            "output[0].row",
            "steps.b.output[0] has no 'row'",
        ),
        ("workflow: report, with: {city: x}", "output.txt", "steps.b.output has no 'txt'"),
        ("workflow: report, with: {city: x}, for_each: [1]", "output[1].rose", "has no 'rose'"),
        ("workflow: nest0", "output.text", "steps.b.output has no 'text'"),
        ("approval: {}", "output.approver", "steps.b.output has no 'approver'"),
    ],
)
def test_the_output_of_items_of_workflows_and_of_approvals_is_known(
    first: str, read: str, message: str
) -> None:
    ((where, why, _),) = of_steps(
        f"{{id: b, {first}}}", f'{{id: c, component: loose, with: {{x: "${{{{ steps.b.{read} }}}}"}}}}'
    )

    assert where == "steps[2].with.x"
    assert message in why


@pytest.mark.parametrize(
    ("first", "found"),
    [
        ("component: extract, for_each: [x], with: {city: y}", "found an array"),
        ("workflow: report, with: {city: x}", "found an object"),
        ("approval: {}", "found an object"),
    ],
)
def test_the_output_of_such_a_step_has_its_type(first: str, found: str) -> None:
    ((where, why, _),) = of_steps(
        f"{{id: b, {first}}}", '{id: c, component: extract, with: {city: "${{ steps.b.output }}"}}'
    )

    assert where == "steps[2].with.city"
    assert found in why


def test_the_items_of_a_list_that_refers_to_its_own_schema_are_looked_into() -> None:
    """A component's schema may refer to itself; as the items of a list it still does."""
    ((_, why, _),) = of_steps(
        "{id: b, component: tree, for_each: [1]}",
        '{id: c, component: extract, with: {city: "${{ steps.b.output[0].left.left.weight }}"}}',
    )

    assert "found an integer" in why


@pytest.mark.parametrize(
    "step",
    [
        '{id: b, component: loose, with: {x: "${{ steps.c.status }}"}}',
        '{id: b, component: loose, with: {x: "${{ steps.c.error.message }}"}}',
        '{id: b, component: loose, for_each: "${{ steps.c.output }}"}',
        '{id: b, component: loose, cache: {ttl: 1h, key: "${{ steps.c.output }}"}}',
        '{id: b, component: loose, rate_limit: {limit: 1, key: "${{ steps.c.output }}"}}',
        '{id: b, component: loose, approval: {message: "${{ steps.c.output }}"}}',
        '{id: b, approval: {message: "${{ steps.c.output }}"}}',
        "{id: b, component: loose, if: \"${{ steps.c.status == 'SUCCESS' }}\"}",
    ],
)
def test_whatever_a_step_reads_of_another_it_needs(step: str) -> None:
    ((where, why, _),) = of_steps(step, "{id: c, component: loose, needs: [b]}")

    assert (where, why) == ("steps[1]", "these steps form a cycle: b → c → b")


@pytest.mark.parametrize(
    ("join", "needs", "reached"),
    [
        ("all", "[never, a]", False),
        ("any", "[never, a]", True),
        ("any", "[never, idle]", False),
        ("ended", "[never, idle]", True),
    ],
)
def test_a_step_is_unreachable_when_its_join_can_never_come_about(
    join: str, needs: str, reached: bool
) -> None:
    found = of_steps(
        '{id: never, component: loose, if: "${{ false }}"}',
        "{id: idle, component: loose, needs: [never]}",
        f"{{id: b, component: loose, needs: {needs}, join: {join}}}",
    )

    assert [where for where, _, _ in found] == ["steps[1].if", "steps[2]", *([] if reached else ["steps[3]"])]


def test_a_step_that_never_runs_anyway_is_told_once() -> None:
    found = of_steps(
        "{id: b, component: loose, needs: [c]}",
        "{id: c, component: loose, needs: [b]}",
        '{id: d, component: loose, needs: [c], if: "${{ false }}"}',
    )

    assert [where for where, _, _ in found] == ["steps[1]", "steps[3].if"]


@pytest.mark.parametrize("join", ["all", "any", "ended"])
def test_nothing_is_reached_behind_a_cycle(join: str) -> None:
    found = of_steps(
        "{id: b, component: loose, needs: [c]}",
        "{id: c, component: loose, needs: [b]}",
        f"{{id: d, component: loose, needs: [a, c], join: {join}}}",
        "{id: e, component: loose, needs: [d], join: ended}",
    )

    assert [why for _, why, _ in found] == [
        "these steps form a cycle: b → c → b",
        "step 'd' is unreachable: it needs 'c', which is part of a cycle",
        "step 'e' is unreachable: it needs 'd', which is unreachable itself",
    ]
