"""What a step may say, and what goes together."""

import pytest

from registry import validation
from registry.domain.content import Content, Step
from tests.registry.catalog import CATALOG, FINE, pinned, problems, workflow


def of_step(step: str) -> list[tuple[str, str, str]]:
    """Field, message and fix of each problem of the second step of a workflow."""
    found = problems(workflow(f"{FINE}  - {step}\n"))
    assert all(one.step == "b" and one.line and one.column for one in found)
    return [(one.field.removeprefix("steps[1]."), one.message, one.fix) for one in found]


@pytest.mark.parametrize(
    "step",
    [
        "{id: b, workflow: report, with: {city: x}}",
        "{id: b, workflow: report@2, with: {city: x, days: 3, any: [1]}}",
        "{id: b, workflow: report, with: {city: x}, timeout: 1h, on_failure: continue, approval: {}}",
        '{id: b, workflow: report, with: {city: "${{ item }}"}, for_each: [x, y], needs: [a], join: ended}',
        "{id: b, approval: {message: Really?, timeout: 1d, approvers: [Admin, a@example.com]}}",
        '{id: b, approval: {}, if: "${{ inputs.n > 1 }}", needs: [a], join: any, on_failure: continue}',
        "{id: b, component: sum, for_each: [1, 2], max_parallel: 3, approval: {}, on_failure: continue}",
        "{id: b, component: loose, pool: gpu, labels: [cuda-12, eu], resources: {cpu: 0.5, memory: 4Gi}}",
        "{id: b, component: loose, waiting_timeout: 5m, heartbeat_timeout: 30s, effect: pure}",
        "{id: b, component: loose, retry: {max_attempts: 9, jitter: 0.5, on: [TIMED_OUT, USER_ERROR]}}",
        '{id: b, component: loose, cache: {ttl: 7d, key: "v2 ${{ inputs.n }} ${{ steps.a.output.n }}"}}',
        "{id: b, component: loose, rate_limit: {limit: 10}}",
        '{id: b, component: loose, rate_limit: {limit: 10, period: 1m, key: "${{ inputs.city }}"}}',
        "{id: b, component: mail, effect: idempotent, cache: {ttl: 1h}}",
        "{id: b, component: mail, effect: effectful, retry: {max_attempts: 2}}",
        "{id: b, component: loose, for_each: []}",
        '{id: b, component: loose, for_each: "${{ steps.a.output.rows }}", max_parallel: 1000}',
        '{id: b, component: loose, for_each: ["${{ inputs.n }}", {x: "${{ run.id }}"}]}',
        '{id: b, component: loose, for_each: "${{ inputs.any }}"}',
        "{id: b, component: loose, join: ended, if: \"${{ steps.a.status == 'FAILED' }}\"}",
    ],
)
def test_what_goes_together_is_let_pass(step: str) -> None:
    assert of_step(step) == []


@pytest.mark.parametrize(
    ("step", "field", "message", "fix"),
    [
        (
            "{id: b}",
            "component",
            "a step says what runs",
            "add component: name@1, workflow: name, or approval",
        ),
        (
            "{id: b, component: loose, workflow: report, with: {anything: x}}",
            "workflow",
            "a component or a workflow, not both",
            "remove one of them",
        ),
        (
            "{id: b, component: loose, max_parallel: 3}",
            "max_parallel",
            "there is no for_each",
            "add for_each",
        ),
        ("{id: b, component: loose, join: any}", "join", "it needs none", "add needs, or remove join"),
        ("{id: b, approval: {}, join: ended}", "join", "it needs none", "add needs, or remove join"),
        ("{id: b, component: loose, cache: {key: x}}", "cache.ttl", "how long", "add ttl, e.g. ttl: 1h"),
        (
            "{id: b, component: loose, effect: effectful, cache: {ttl: 1h}}",
            "cache",
            "the step is effectful, so its output is not reused",
            "say effect: idempotent",
        ),
        (
            "{id: b, component: mail, cache: {ttl: 1h}}",
            "cache",
            "mail is effectful",
            "say effect: idempotent",
        ),
        ("{id: b, component: loose, for_each: 3}", "for_each", "of a list, found an integer", "write a list"),
        ("{id: b, component: loose, for_each: {a: 1}}", "for_each", "of a list, found an object", "a list"),
        ("{id: b, component: loose, for_each: null}", "for_each", "of a list, found null", "write a list"),
        ("{id: b, component: loose, for_each: abc}", "for_each", "'abc' is text", "one expression"),
        (
            '{id: b, component: loose, for_each: "x ${{ inputs.any }}"}',
            "for_each",
            "is text",
            "one expression",
        ),
        (
            '{id: b, component: loose, for_each: "${{ inputs.city }}"}',
            "for_each",
            "of a list, found a string",
            "a list",
        ),
        (
            '{id: b, component: loose, for_each: "${{ steps.a.output.n }}"}',
            "for_each",
            "of a list, found an integer",
            "a list",
        ),
        (
            '{id: b, component: loose, for_each: "${{ size(inputs.any) }}"}',
            "for_each",
            "an integer",
            "a list",
        ),
    ],
)
def test_what_does_not_go_together_is_told_once(step: str, field: str, message: str, fix: str) -> None:
    ((where, why, what),) = of_step(step)

    assert where == field
    assert message in why
    assert fix in what


GIVEN = {
    "with": "{x: 1}",
    "for_each": "[1]",
    "max_parallel": "2",
    "retry": "{max_attempts: 2}",
    "timeout": "60s",
    "cache": "{ttl: 1h}",
    "rate_limit": "{limit: 1}",
    "waiting_timeout": "60s",
    "heartbeat_timeout": "60s",
    "effect": "pure",
    "pool": "gpu",
    "labels": "[cuda]",
    "resources": "{cpu: 1}",
}
OF_WORKERS = (
    "retry",
    "cache",
    "rate_limit",
    "pool",
    "labels",
    "resources",
    "heartbeat_timeout",
    "waiting_timeout",
)


@pytest.mark.parametrize("name", [*OF_WORKERS, "effect"])
def test_on_a_workflow_step_what_belongs_to_its_steps_is_refused(name: str) -> None:
    found = of_step(f"{{id: b, workflow: report, with: {{city: x}}, {name}: {GIVEN[name]}}}")

    assert found == [(name, f"{name} belongs to the steps inside the workflow", "put it there, not here")]


@pytest.mark.parametrize("name", GIVEN)
def test_on_a_step_that_only_waits_for_an_approval_what_is_about_running_is_refused(name: str) -> None:
    found = of_step(f"{{id: b, approval: {{message: Go?}}, {name}: {GIVEN[name]}}}")

    message = f"a step that only waits for an approval has no use for {name}"
    assert found == [(name, message, "remove it, or add what runs")]


@pytest.mark.parametrize("name", [*OF_WORKERS, "timeout"])
def test_on_a_step_that_the_engine_computes_what_is_about_workers_is_refused(name: str) -> None:
    found = of_step(f"{{id: b, component: sum, {name}: {GIVEN[name]}}}")

    assert found == [(name, f"{name} would have no effect: the engine computes UTILITY itself", "remove it")]


@pytest.mark.parametrize(
    ("step", "field", "fix"),
    [
        ("{id: b, component: loose, joni: all}", "joni", "did you mean join?"),
        ("{id: b, workfow: report}", "workfow", "did you mean workflow?"),
        ("{id: b, aproval: {}}", "aproval", "did you mean approval?"),
        (
            "{id: b, component: loose, forEach: [1], maxParalel: 3}",
            "maxParalel",
            "did you mean max_parallel?",
        ),
        ("{id: b, component: loose, needs: [a], join: eneded}", "join", "did you mean ended?"),
        ("{id: b, component: loose, on_failure: Continue}", "on_failure", "did you mean continue?"),
        ("{id: b, component: loose, on_failure: ignore}", "on_failure", "there are continue, fail"),
        ("{id: b, component: loose, effect: idempotant}", "effect", "did you mean idempotent?"),
        ("{id: b, component: loose, cache: {tll: 1h}}", "cache.tll", "did you mean ttl?"),
        ("{id: b, component: loose, cache: {ttl: 1y}}", "cache.ttl", "1h30m or 7d"),
        ("{id: b, component: loose, cache: {ttl: 366d}}", "cache.ttl", ""),
        ("{id: b, component: loose, rate_limit: {}}", "rate_limit.limit", ""),
        ("{id: b, component: loose, rate_limit: {limit: 1, perod: 1s}}", "rate_limit.perod", "mean period?"),
        ("{id: b, component: loose, approval: {aprovers: [x]}}", "approval.aprovers", "mean approvers?"),
        ("{id: b, component: loose, approval: {approvers: x}}", "approval.approvers", "after a dash"),
        ("{id: b, component: loose, approval: Sure?}", "approval", "message, timeout, approvers"),
        ("{id: b, component: loose, resources: {memory: 512MB}}", "resources.memory", "e.g. 512Mi"),
        ("{id: b, component: loose, resources: {memory: 512}}", "resources.memory", "e.g. 512Mi"),
        ("{id: b, component: loose, resources: {cpus: 2}}", "resources.cpus", "did you mean cpu?"),
        ("{id: b, component: loose, resources: {cpu: two}}", "resources.cpu", "digits"),
        ("{id: b, component: loose, heartbeat_timeout: 500ms}", "heartbeat_timeout", ""),
        ("{id: b, component: loose, pool: GPU}", "pool", ""),
        ("{id: b, component: loose, labels: [CUDA]}", "labels[0]", ""),
        ("{id: b, component: loose, for_each: [1], max_parallel: 1001}", "max_parallel", ""),
        ("{id: b, component: loose, retry: {max_attempts: 2, jitter: 2}}", "retry.jitter", ""),
        ("{id: b, component: loose, retry: {max_attempts: 2, on: [timed_out]}}", "retry.on[0]", "TIMED_OUT?"),
        ("{id: b, component: loose, retry: {max_attempts: 2, on: [LOST]}}", "retry.on[0]", "there are"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_was_probably_meant(step: str, field: str, fix: str) -> None:
    ((where, _, what),) = of_step(step)

    assert where == field
    assert fix in what


@pytest.mark.parametrize(
    ("line", "field", "fix"),
    [
        ("timeout: 0s", "timeout", ""),
        ("timeout: 400d", "timeout", ""),
        ("priority: 101", "priority", ""),
        ("priority: high", "priority", "digits"),
        ("concurency: {}", "concurency", "did you mean concurrency?"),
        ("concurrency: {limit: 1001}", "concurrency.limit", ""),
        ("concurrency: {policy: drop}", "concurrency.policy", "did you mean drop_new?"),
        ("concurrency: {max: 1}", "concurrency.max", "there are key, limit, policy"),
        ('concurrency: {key: "${{ inputs.nn }}"}', "concurrency.key", "did you mean n?"),
        ('concurrency: {key: "${{ steps.a.output.n }}"}', "concurrency.key", "read inputs only"),
        ('concurrency: {key: "${{ run.id }}"}', "concurrency.key", "read inputs only"),
        ('concurrency: {key: "${{ item }}"}', "concurrency.key", "read it there"),
        ('concurrency: {key: "${{ inputs. }}"}', "concurrency.key", "correct the expression"),
    ],
)
def test_what_a_workflow_says_of_its_runs_is_checked_too(line: str, field: str, fix: str) -> None:
    (problem,) = problems(workflow(FINE) + line + "\n")

    assert (problem.step, problem.field) == ("", field)
    assert problem.line == workflow(FINE).count("\n") + 1
    assert fix in problem.fix


def test_a_workflow_may_say_how_its_runs_run() -> None:
    concurrency = 'concurrency: {key: "eu-${{ inputs.city }}", limit: 2, policy: cancel_running}\n'

    assert problems(workflow(FINE) + concurrency + "timeout: 1d12h\npriority: -7\n") == []
    assert problems(workflow(FINE) + "concurrency: {limit: 3}\n") == []


def test_more_items_than_may_be_are_refused_before_they_run() -> None:
    step = Step("b", "loose", for_each=[0] * 100_001)

    (problem,) = validation.check(pinned(Content(steps=(step,))), CATALOG)

    assert (problem.field, problem.fix) == ("steps[0].for_each", "give fewer, or nest two of them")
    assert "100,001 items, more than 100,000" in problem.message


def test_the_expressions_of_all_fields_count_for_the_limit() -> None:
    many = " ".join(["${{ 1 }}"] * 30)
    steps = "".join(
        f"  - {{id: s{number}, component: loose, cache: {{ttl: 1s, key: '{many}'}}}}\n"
        for number in range(34)
    )

    assert [one.message for one in problems(workflow(steps))] == ["there are more than 1000 expressions"]
