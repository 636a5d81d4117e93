"""Workflows over the wire: saved, shown and deleted."""

import asyncio
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import ServiceError
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import World
from tests.registry.documents import document
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR

Update = pb.UpdateWorkflowRequest


async def test_a_workflow_is_saved_with_its_components_pinned(world: World) -> None:
    component = await world.component()
    newer = await world.version(component, "1.3.0")
    await world.version(component, "2.0.0-rc.1")

    made = await world.workflow(document(world.name("flow"), f"{component}@1"))
    shown = (await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.name))).workflow

    assert shown == made
    assert (made.version, made.owner_id) == (1, EDITOR.id)
    step = made.steps[0]
    assert (step.component, step.component_version, step.component_version_id) == (
        f"{component}@1",
        "1.3.0",
        newer.id,
    )
    assert step.component_type == component_pb2.Definition.PYTHON_SCRIPT


async def test_the_basic_view_of_a_workflow_leaves_out_its_content(world: World) -> None:
    made = await world.workflow(document(world.name("flow"), await world.component(), priority="7"))
    request = pb.GetWorkflowRequest(workflow_id=made.name, view=pb.BASIC)

    shown = (await world.call("GetWorkflow", request)).workflow

    assert (shown.id, shown.version, shown.etag) == (made.id, 1, made.etag)
    assert not shown.steps
    assert shown.priority == 0


async def test_yaml_json_and_the_message_make_the_same_workflow(world: World) -> None:
    component = await world.component()
    message = json_format.ParseDict(
        {
            "inputs": {"city": {"type": "string", "default": "Seattle"}, "any": {"default": None}},
            "steps": [
                {
                    "id": "a",
                    "component": component,
                    "with": {"city": "${{ inputs.city }}", "days": 3},
                    "if": "${{ inputs.city != '' }}",
                    "retry": {"maxAttempts": 3, "backoff": "1.500s", "factor": 2.0},
                    "timeout": "60s",
                },
                {"id": "b", "component": component, "needs": ["a"], "with": {"city": "\N{GRINNING FACE} é"}},
            ],
            "outputs": {"all": ["${{ steps.a.output }}", 1.5, None, True]},
        },
        workflow_pb2.Workflow(),
    )
    yaml = f"""
inputs:
  city: {{type: string, default: Seattle}}
  any: {{default: null}}
steps:
  - id: a
    component: {component}
    with:
      city: "${{{{ inputs.city }}}}"
      days: 3
    if: "${{{{ inputs.city != '' }}}}"
    retry: {{max_attempts: 3, backoff: 1.5s, factor: 2}}
    timeout: 60s
  - id: b
    component: {component}
    needs: [a]
    with: {{city: "\N{GRINNING FACE} é"}}
outputs:
  all: ["${{{{ steps.a.output }}}}", 1.5, ~, true]
"""
    json = json_format.MessageToJson(message)
    made = []
    for request in (
        pb.CreateWorkflowRequest(workflow=message),
        pb.CreateWorkflowRequest(source=f"name: {world.name('flow')}\n{yaml}"),
        pb.CreateWorkflowRequest(source=json.replace("{", f'{{"name": "{world.name("flow")}",', 1)),
    ):
        if request.HasField("workflow"):
            request.workflow.name = world.name("flow")
        made.append((await world.call("CreateWorkflow", request)).workflow)

    assert "\\ud83d\\ude00" in json
    for one in made[1:]:
        assert (one.inputs, one.steps, one.outputs) == (made[0].inputs, made[0].steps, made[0].outputs)


async def test_an_answer_can_be_sent_back_as_a_document(world: World) -> None:
    made = await world.workflow(document(world.name("flow"), await world.component()))

    answer = json_format.MessageToJson(made)
    same = (await world.call("UpdateWorkflow", Update(workflow_id=made.id, source=answer))).workflow

    assert same == made


async def test_every_change_of_the_content_makes_the_next_version_and_nothing_else_does(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), component))

    labelled = await world.call(
        "UpdateWorkflow", Update(workflow_id=made.id, workflow=workflow_pb2.Workflow(description="new words"))
    )
    same = await world.call(
        "UpdateWorkflow", Update(workflow_id=made.id, source=document(made.name, component, tags="[x]"))
    )
    changed = await world.call(
        "UpdateWorkflow",
        Update(
            workflow_id=made.id, source=document(made.name, component, outputs='{r: "${{ steps.a.output }}"}')
        ),
    )
    one = await world.call("GetWorkflowVersion", pb.GetWorkflowVersionRequest(workflow_id=made.id, version=1))
    two = await world.call(
        "GetWorkflowVersion", pb.GetWorkflowVersionRequest(workflow_id=made.name, version=2)
    )
    listed = await world.call("ListWorkflowVersions", pb.ListWorkflowVersionsRequest(workflow_id=made.id))

    assert [one.workflow.version for one in (labelled, same, changed)] == [1, 1, 2]
    assert len({made.etag, labelled.workflow.etag, same.workflow.etag, changed.workflow.etag}) == 4
    assert not one.workflow.outputs
    assert two.workflow == changed.workflow
    assert [one.version for one in listed.workflows] == [2, 1]
    assert not listed.workflows[0].steps


async def test_saving_again_takes_the_components_newer_versions(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), f"{component}@1"))
    await world.version(component, "1.1.0")
    again = Update(workflow_id=made.id, source=document(made.name, f"{component}@1"))

    before = (await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.id))).workflow
    after = (await world.call("UpdateWorkflow", again)).workflow

    assert before.steps[0].component_version == "1.0.0"
    assert (after.version, after.steps[0].component_version) == (2, "1.1.0")


async def test_a_deprecated_version_keeps_running_where_it_is_pinned_and_is_chosen_nowhere_else(
    world: World,
) -> None:
    component = await world.component()
    newer = await world.version(component, "1.1.0")
    made = await world.workflow(document(world.name("flow"), component))
    await world.call("DeprecateVersion", pb.DeprecateVersionRequest(version_id=newer.id, message="it lies"))

    kept = (await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.id))).workflow
    fresh = await world.workflow(document(world.name("flow"), component))
    exact = await world.refused(
        "CreateWorkflow", pb.CreateWorkflowRequest(source=document(world.name("flow"), f"{component}@1.1.0"))
    )

    assert kept.steps[0].component_version == "1.1.0"
    assert fresh.steps[0].component_version == "1.0.0"
    assert "it lies" in exact.message


async def test_a_private_workflow_is_nowhere_for_others(world: World) -> None:
    made = await world.workflow(document(world.name("flow"), await world.component()))

    for method, request in (
        ("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.id)),
        ("GetWorkflowVersion", pb.GetWorkflowVersionRequest(workflow_id=made.id, version=1)),
        ("ListWorkflowVersions", pb.ListWorkflowVersionsRequest(workflow_id=made.id)),
        ("UpdateWorkflow", Update(workflow_id=made.id, workflow=workflow_pb2.Workflow(description="x"))),
    ):
        refused = await world.refused(method, request, OTHER_EDITOR)
        assert (refused.code, refused.reason) == ("NOT_FOUND", "WORKFLOW_NOT_FOUND")
    assert (
        await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.id), ADMIN)
    ).workflow == made


async def test_a_workflows_name_is_taken_once(world: World) -> None:
    source = document(world.name("flow"), await world.component())

    results = await asyncio.gather(*(world.workflow(source) for _ in range(5)), return_exceptions=True)

    losers = [one for one in results if isinstance(one, ServiceError)]
    assert len(losers) == 4
    assert {(one.code, one.reason) for one in losers} == {("ALREADY_EXISTS", "WORKFLOW_NAME_TAKEN")}


async def test_writers_of_one_etag_make_one_version(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), component))
    changes: list[Any] = [
        world.call(
            "UpdateWorkflow",
            Update(
                workflow_id=made.id,
                source=document(made.name, component, etag=made.etag, outputs=f"{{n: {n}}}"),
            ),
        )
        for n in range(5)
    ]

    results = await asyncio.gather(*changes, return_exceptions=True)
    listed = await world.call("ListWorkflowVersions", pb.ListWorkflowVersionsRequest(workflow_id=made.id))

    losers = [one for one in results if isinstance(one, ServiceError)]
    assert {(one.code, one.reason) for one in losers} == {("ABORTED", "ETAG_MISMATCH")}
    assert len(losers) == 4
    assert [one.version for one in listed.workflows] == [2, 1]


async def test_a_repeated_request_id_makes_one_workflow_version(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), component))
    request = Update(
        workflow_id=made.id,
        source=document(made.name, component, outputs="{n: 1}"),
        request_id=world.name("request"),
    )

    first = await world.call("UpdateWorkflow", request)
    again = await world.call("UpdateWorkflow", request)

    assert first == again
    assert first.workflow.version == 2


async def test_a_mask_chooses_from_a_document_too(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), component, outputs="{n: 1}"))
    source = document(made.name, component, description="new", outputs="{n: 2}")
    request = Update(workflow_id=made.id, source=source, update_mask=FieldMask(paths=["description"]))

    changed = (await world.call("UpdateWorkflow", request)).workflow

    assert (changed.description, changed.version) == ("new", 1)
    assert changed.outputs["n"].number_value == 1


async def test_steps_sent_as_a_document_come_with_its_outputs_even_when_it_has_none(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), component, outputs="{n: 1}"))

    source = document(made.name, component)
    changed = (await world.call("UpdateWorkflow", Update(workflow_id=made.id, source=source))).workflow

    assert not changed.outputs


async def test_a_deleted_workflow_is_gone_with_its_versions(world: World) -> None:
    made = await world.workflow(document(world.name("flow"), await world.component()))

    await world.call("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=made.name, etag=made.etag), ADMIN)

    for method, request in (
        ("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.id)),
        ("GetWorkflowVersion", pb.GetWorkflowVersionRequest(workflow_id=made.id, version=1)),
    ):
        assert (await world.refused(method, request)).reason == "WORKFLOW_NOT_FOUND"


async def test_saving_a_workflow_and_deleting_its_component_never_both_succeed(world: World) -> None:
    for _ in range(8):
        component = await world.component()
        saving = world.workflow(document(world.name("flow"), component))
        deleting = world.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=component), ADMIN)

        saved: Any
        deleted: Any
        saved, deleted = await asyncio.gather(saving, deleting, return_exceptions=True)

        assert isinstance(saved, ServiceError) != isinstance(deleted, ServiceError)
        refusal = saved if isinstance(saved, ServiceError) else deleted
        assert isinstance(refusal, ServiceError)
        assert refusal.reason in ("WORKFLOW_INVALID", "DEFINITION_IN_USE")


@pytest.mark.parametrize(
    ("kind", "config", "taken"),
    [
        ("DATA", {"value": 1}, False),
        ("DATA", {"file": {}}, True),
        ("OUTPUT", {}, False),
        ("OUTPUT", {"file": {"name": "a.txt"}}, True),
    ],
)
async def test_a_table_or_a_file_is_a_workers_work_and_may_be_tried_again(
    world: World, kind: str, config: dict[str, Any], *, taken: bool
) -> None:
    made = await world.definition(type=kind)
    version = json_format.ParseDict({"version": "1.0.0", kind.lower(): config}, component_pb2.Version())
    await world.call("CreateVersion", pb.CreateVersionRequest(definition_id=made.id, version=version))

    steps = f"[{{id: a, component: {made.name}@1, retry: {{max_attempts: 2}}}}]"
    request = pb.ValidateWorkflowRequest(source=f"name: {world.name('flow')}\nsteps: {steps}\n")
    answer = await world.call("ValidateWorkflow", request)

    assert answer.valid is taken, answer.problems
