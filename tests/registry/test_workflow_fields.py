"""Every field of a workflow, on its way over the wire, into the database and back."""

import json

import psycopg
import pytest
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from mcpanel.registry.v1 import registry_pb2 as pb
from mcpanel.registry.v1 import workflow_pb2
from tests.registry.conftest import Start, World
from tests.registry.test_stored import RELEASED
from tests.support.callers import EDITOR
from tests.support.servers import TestPostgres

Update = pb.UpdateWorkflowRequest

STEPS = """steps:
  - id: each
    component: {component}
    for_each: [x, "${{{{ inputs.city }}}}"]
    max_parallel: 2
    with: {{city: "${{{{ item }}}}", days: "${{{{ index }}}}"}}
    on_failure: continue
    retry: {{max_attempts: 3, backoff: 2s, factor: 2, max_backoff: 1m, jitter: 0.5, on: [TIMED_OUT]}}
    timeout: 1m30s
    waiting_timeout: 1h
    heartbeat_timeout: 30s
    cache: {{key: "${{{{ index }}}}", ttl: 7d}}
    rate_limit: {{limit: 10, period: 1.5s, key: "${{{{ item }}}}"}}
    effect: pure
    pool: gpu
    labels: [cuda, eu]
    resources: {{cpu: 0.5, memory: 512Mi}}
  - id: ask
    approval: {{message: "Go on after ${{{{ steps.each.status }}}}?", timeout: 1d, approvers: [Admin]}}
    join: ended
"""
RUNS = 'timeout: 2h\nconcurrency: {key: "${{ inputs.city }}", limit: 2, policy: drop_new}\npriority: -7\n'


def document(name: str, component: str, more: str = RUNS) -> str:
    """A workflow that says everything."""
    head = f"name: {name}\ninputs: {{city: {{type: string, default: Seattle}}}}\n"
    return head + STEPS.format(component=component) + more


async def test_everything_is_answered_as_it_was_sent(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), component))

    shown = (await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.id))).workflow
    version = pb.GetWorkflowVersionRequest(workflow_id=made.id, version=1)
    kept = (await world.call("GetWorkflowVersion", version)).workflow
    body = json_format.MessageToDict(shown, preserving_proto_field_name=True)

    assert shown == made == kept
    assert (body["timeout"], body["priority"]) == ("7200s", -7)
    assert body["concurrency"] == {"key": "${{ inputs.city }}", "limit": 2, "policy": "drop_new"}
    each, ask = body["steps"]
    pins = {name: each.pop(name) for name in ("component_version_id", "component_version", "component_type")}
    assert pins["component_version"] == "1.0.0"
    assert each == {
        "id": "each",
        "component": component,
        "for_each": ["x", "${{ inputs.city }}"],
        "max_parallel": 2,
        "with": {"city": "${{ item }}", "days": "${{ index }}"},
        "on_failure": "continue",
        "retry": {
            "max_attempts": 3,
            "backoff": "2s",
            "factor": 2.0,
            "max_backoff": "60s",
            "jitter": 0.5,
            "on": ["TIMED_OUT"],
        },
        "timeout": "90s",
        "waiting_timeout": "3600s",
        "heartbeat_timeout": "30s",
        "cache": {"key": "${{ index }}", "ttl": "604800s"},
        "rate_limit": {"limit": 10, "period": "1.500s", "key": "${{ item }}"},
        "effect": "pure",
        "pool": "gpu",
        "labels": ["cuda", "eu"],
        "resources": {"cpu": 0.5, "memory": "512Mi"},
    }
    assert ask == {
        "id": "ask",
        "approval": {
            "message": "Go on after ${{ steps.each.status }}?",
            "timeout": "86400s",
            "approvers": ["Admin"],
        },
        "join": "ended",
    }


async def test_an_answer_can_be_sent_back_in_any_form(world: World) -> None:
    made = await world.workflow(document(world.name("flow"), await world.component()))
    camel = json_format.MessageToJson(made)
    snake = json_format.MessageToJson(made, preserving_proto_field_name=True)

    for request in (
        Update(workflow_id=made.id, source=camel),
        Update(workflow_id=made.id, source=snake),
        Update(workflow_id=made.id, workflow=made),
    ):
        assert (await world.call("UpdateWorkflow", request)).workflow == made


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("timeout: 2h", "timeout: 3h"),
        ("limit: 2", "limit: 3"),
        ("priority: -7", "priority: 7"),
        ("ttl: 7d", "ttl: 6d"),
        ("period: 1.5s", "period: 2s"),
        ("jitter: 0.5", "jitter: 0.25"),
        ("[TIMED_OUT]", "[OUT_OF_MEMORY]"),
        ("effect: pure", "effect: idempotent"),
        ("approvers: [Admin]", "approvers: [Editor]"),
        ("join: ended", "join: any"),
        ("memory: 512Mi", "memory: 1Gi"),
    ],
)
async def test_every_change_makes_the_next_version_and_another_etag(
    world: World, before: str, after: str
) -> None:
    source = document(world.name("flow"), await world.component())
    made = await world.workflow(source)
    assert before in source

    same = (await world.call("UpdateWorkflow", Update(workflow_id=made.id, source=source))).workflow
    request = Update(workflow_id=made.id, source=source.replace(before, after))
    changed = (await world.call("UpdateWorkflow", request)).workflow

    assert same == made
    assert (changed.version, changed.etag != made.etag) == (2, True)


async def test_a_mask_changes_one_of_them(world: World) -> None:
    made = await world.workflow(document(world.name("flow"), await world.component()))
    sent = workflow_pb2.Workflow(priority=9)

    present = (await world.call("UpdateWorkflow", Update(workflow_id=made.id, workflow=sent))).workflow
    request = Update(
        workflow_id=made.id,
        workflow=workflow_pb2.Workflow(),
        update_mask=FieldMask(paths=["timeout", "concurrency", "priority"]),
    )
    cleared = (await world.call("UpdateWorkflow", request)).workflow

    assert (present.priority, present.timeout, present.version) == (9, made.timeout, 2)
    assert (cleared.priority, cleared.version, cleared.steps) == (0, 3, made.steps)
    assert not cleared.HasField("timeout")
    assert not cleared.HasField("concurrency")


async def test_a_document_with_steps_says_all_that_makes_a_version(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), component))

    source = document(made.name, component, more="")
    changed = (await world.call("UpdateWorkflow", Update(workflow_id=made.id, source=source))).workflow
    source = f"name: {made.name}\npriority: 3\n"
    alone = (await world.call("UpdateWorkflow", Update(workflow_id=made.id, source=source))).workflow

    assert (changed.version, changed.priority, changed.HasField("timeout")) == (2, 0, False)
    assert (alone.version, alone.priority, alone.steps) == (3, 3, changed.steps)


async def test_a_message_is_checked_like_a_document(world: World) -> None:
    step = workflow_pb2.Step(id="a", max_parallel=2, join="any", cache=workflow_pb2.Cache(key="x"))
    step.for_each.string_value = "abc"
    message = workflow_pb2.Workflow(name=world.name("flow"), steps=[step])

    broken = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(workflow=message))
    step.cache.ttl.FromSeconds(60)
    message = workflow_pb2.Workflow(name=world.name("flow"), steps=[step])
    wrong = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(workflow=message))

    assert [one.field for one in broken.fields] == ["workflow.steps[0].cache.ttl"]
    assert (wrong.reason, [one.field for one in wrong.fields]) == (
        "WORKFLOW_INVALID",
        ["workflow.steps[0].component", "workflow.steps[0].join", "workflow.steps[0].for_each"],
    )


async def test_what_an_earlier_release_stored_is_shown_and_can_be_changed(
    start: Start, postgres: TestPostgres
) -> None:
    url = postgres.create_database("registry", migrate="registry")
    world = await start(database_url=url)
    made = await world.workflow(document(world.name("flow"), await world.component()))
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE workflow_versions SET content = %s::json", [json.dumps(RELEASED)])

    shown = (await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.id))).workflow
    labelled = Update(workflow_id=made.id, workflow=workflow_pb2.Workflow(description="new words"))
    kept = (await world.call("UpdateWorkflow", labelled)).workflow

    assert [one.id for one in shown.steps] == ["extract", "show"]
    assert (shown.steps[0].component_version, shown.owner_id) == ("1.2.0", EDITOR.id)
    assert (kept.version, kept.steps) == (1, shown.steps)
