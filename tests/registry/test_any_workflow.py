"""What holds for every workflow, right or wrong."""

import json
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.interceptors.validation import validate
from chassis.source import UnreadableError
from registry import document, wire
from registry.domain.stored import digest, from_json, to_json
from registry.domain.workflows import Draft
from tests.registry.catalog import pinned, problems

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
        "${{ item }}",
        "${{ index + run.id }}",
        "${{ steps.b.error.kind }}",
        "plain",
        "",
    ]
)
plain = st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats(-10, 10, width=16) | expressions
anything = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
durations = st.sampled_from(["1s", "0s", "1.5s", "1h30m", "7d", "0.000001s", "x", "9999999s", "9999999999d"])
components = st.sampled_from(["extract", "extract@1", "extract@1.0.0", "extract@9", "loose", "none", "@", ""])
callees = st.sampled_from(
    ["report", "report@1", "report@9", "nest3", "nest6", "lossy", "flow", "none", "@", ""]
)
joins = st.sampled_from(["all", "any", "ended", "", "none"])
memory = st.sampled_from(["512Mi", "4Gi", "512", "", "-1Ki"])
effects = st.sampled_from(["pure", "idempotent", "effectful", "", "none"])
retries = st.fixed_dictionaries(
    {"max_attempts": st.integers(-1, 101)},
    optional={
        "backoff": durations,
        "factor": st.floats(0, 12, width=16),
        "max_backoff": durations,
        "jitter": st.floats(-1, 2, width=16),
        "on": st.lists(st.sampled_from(["TIMED_OUT", "CELL_DIED", "x"]), max_size=2),
    },
)
approvals = st.fixed_dictionaries(
    {}, optional={"message": expressions, "timeout": durations, "approvers": st.lists(names, max_size=2)}
)
some = {
    "for_each": anything,
    "max_parallel": st.integers(-1, 1001),
    "join": joins,
    "on_failure": st.sampled_from(["fail", "continue", "none"]),
    "approval": approvals,
    "cache": st.fixed_dictionaries({}, optional={"ttl": durations, "key": expressions}),
    "rate_limit": st.fixed_dictionaries(
        {"limit": st.integers(0, 5)}, optional={"period": durations, "key": expressions}
    ),
    "waiting_timeout": durations,
    "heartbeat_timeout": durations,
    "effect": effects,
    "pool": names,
    "labels": st.lists(names, max_size=2),
    "resources": st.fixed_dictionaries({}, optional={"cpu": st.floats(-1, 2, width=16), "memory": memory}),
}
steps = st.fixed_dictionaries(
    {"id": names},
    optional={
        "component": components,
        "workflow": callees,
        **some,
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
        "timeout": durations,
        "priority": st.integers(-101, 101),
        "concurrency": st.fixed_dictionaries(
            {}, optional={"key": expressions, "limit": st.integers(-1, 3), "policy": st.just("queue")}
        ),
        "description": st.text(
            st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=5
        ),
        "tags": st.lists(names, max_size=2),
        "visibility": st.sampled_from(["PUBLIC", "PRIVATE"]),
    },
)


# Workflows that are right, in every combination of what goes together.

fine_times = st.sampled_from(["1s", "1.5s", "1h30m", "7200s"])
fine_texts = st.sampled_from(["", "x", "${{ inputs.n }}", "a ${{ inputs.any.x }} b"])
approving: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {}, optional={"message": fine_texts, "timeout": fine_times, "approvers": st.just(["Admin"])}
)
conditions: dict[str, st.SearchStrategy[Any]] = {
    "if": st.sampled_from(["${{ inputs.n > 1 }}", "${{ true }}"]),
    "on_failure": st.sampled_from(["fail", "continue"]),
}
anywhere = conditions | {"approval": approving}
of_what_runs = anywhere | {
    "for_each": st.sampled_from(["${{ inputs.any }}", [], [1, None, "${{ inputs.n }}"]]),
    "timeout": fine_times,
}
of_code = of_what_runs | {
    "retry": st.fixed_dictionaries(
        {"max_attempts": st.integers(1, 100)},
        optional={"backoff": fine_times, "jitter": st.floats(0, 1), "on": st.just(["TIMED_OUT"])},
    ),
    "cache": st.fixed_dictionaries({"ttl": fine_times}, optional={"key": fine_texts}),
    "rate_limit": st.fixed_dictionaries(
        {"limit": st.integers(1, 100)}, optional={"period": fine_times, "key": fine_texts}
    ),
    "waiting_timeout": fine_times,
    "heartbeat_timeout": fine_times,
    "effect": st.sampled_from(["pure", "idempotent"]),
    "pool": st.just("gpu"),
    "labels": st.just(["cuda", "eu"]),
    "resources": st.fixed_dictionaries({}, optional={"cpu": st.floats(0, 9), "memory": st.just("512Mi")}),
}
fine_steps = st.one_of(
    st.fixed_dictionaries(
        {"component": st.just("extract"), "with": st.just({"city": "${{ inputs.city }}"})}, optional=of_code
    ),
    st.fixed_dictionaries(
        {"component": st.just("loose"), "with": st.just({"x": "${{ run.id }}"})}, optional=of_code
    ),
    st.fixed_dictionaries({"component": st.just("sum")}, optional=anywhere),
    st.fixed_dictionaries(
        {"workflow": st.just("report@2"), "with": st.just({"city": "x"})}, optional=of_what_runs
    ),
    st.fixed_dictionaries({"approval": approving}, optional=conditions),
)


def chained(bodies: list[dict[str, Any]], joins: list[str]) -> list[dict[str, Any]]:
    """The steps with ids, each needing the one before."""
    chain: list[dict[str, Any]] = []
    for number, (body, join) in enumerate(zip(bodies, joins, strict=True)):
        needs = {"needs": [f"s{number - 1}"], "join": join} if number else {}
        chain.append({"id": f"s{number}", **body, **needs})
    return chain


fine_workflows = st.fixed_dictionaries(
    {
        "name": st.just("flow"),
        "inputs": st.just({"city": {"type": "string"}, "n": {"type": "integer", "default": 1}, "any": {}}),
        "steps": st.integers(1, 4).flatmap(
            lambda count: st.builds(
                chained,
                st.lists(fine_steps, min_size=count, max_size=count),
                st.lists(st.sampled_from(["all", "any", "ended"]), min_size=count, max_size=count),
            )
        ),
    },
    optional={
        "timeout": fine_times,
        "priority": st.integers(-100, 100),
        "concurrency": st.fixed_dictionaries(
            {}, optional={"key": fine_texts, "limit": st.integers(1, 9), "policy": st.just("drop_new")}
        ),
        "outputs": st.just({"s": "${{ steps.s0.status }}", "o": "${{ steps.s0.output }}"}),
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


class Quoted(yaml.SafeDumper):
    """Writes YAML whose strings are quoted: PyYAML takes `0E0` for one, as YAML 1.1 did, and writes it plain."""


Quoted.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


@thorough
@given(workflows | fine_workflows)
def test_yaml_json_and_the_message_are_the_same(body: dict[str, Any]) -> None:
    as_json = document.parse(json.dumps(body))
    as_yaml = document.parse(yaml.dump(body, Dumper=Quoted, allow_unicode=True))
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
@given(fine_workflows)
def test_what_has_no_problems_obeys_the_contract_and_survives_the_database(body: dict[str, Any]) -> None:
    assert problems(json.dumps(body)) == []
    parsed = document.parse(json.dumps(body))
    content = pinned(parsed.draft.content)

    validate(wire.workflows.drafted(parsed.draft, content))
    stored = from_json(json.loads(json.dumps(to_json(content))))

    assert stored == content
    assert digest(stored) == digest(content)
    for step in stored.steps:
        assert (step.pin is not None) == bool(step.component)
        assert (step.workflow_pin is not None) == bool(step.workflow)
