"""Giving definitions and workflows to somebody else, and putting workflows away."""

from typing import Any

import pytest

from chassis.context import Caller
from mcpanel.registry.v1 import registry_pb2 as pb
from mcpanel.registry.v1 import workflow_pb2
from tests.registry.conftest import World
from tests.registry.owned import share
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, SERVICE, VIEWER

Status = workflow_pb2.Workflow.Status


async def flow(world: World, head: str = "") -> workflow_pb2.Workflow:
    """A workflow of one step."""
    component = await world.component()
    steps = f"steps: [{{id: a, component: {component}, with: {{city: x}}}}]"
    return await world.workflow(f"name: {world.name('flow')}\n{head}\n{steps}")


async def definition_given(world: World, key: str, to: str, caller: Caller = EDITOR, **more: Any) -> Any:
    request = pb.TransferDefinitionRequest(definition_id=key, new_owner=to, **more)
    return (await world.call("TransferDefinition", request, caller)).definition


@pytest.mark.parametrize("giver", [EDITOR, ADMIN], ids=lambda one: one.name)
async def test_a_private_definition_goes_from_its_owner_to_another(world: World, giver: Caller) -> None:
    made = await world.definition()

    new = await definition_given(world, made.name, OTHER_EDITOR.name, giver, etag=made.etag)

    assert new.owner_id == OTHER_EDITOR.id
    assert new.etag != made.etag
    read = pb.GetDefinitionRequest(definition_id=made.id)
    assert (await world.call("GetDefinition", read, OTHER_EDITOR)).definition == new
    assert (await world.refused("GetDefinition", read, EDITOR)).reason == "DEFINITION_NOT_FOUND"


async def test_a_workflow_goes_to_another_with_all_its_versions(world: World) -> None:
    made = await flow(world)
    request = pb.TransferWorkflowRequest(workflow_id=made.id, new_owner=OTHER_EDITOR.id)

    new = (await world.call("TransferWorkflow", request)).workflow

    assert (new.owner_id, new.version) == (OTHER_EDITOR.id, made.version)
    first = pb.GetWorkflowVersionRequest(workflow_id=made.name, version=1)
    assert (await world.call("GetWorkflowVersion", first, OTHER_EDITOR)).workflow.steps == made.steps
    assert (await world.refused("GetWorkflowVersion", first, EDITOR)).reason == "WORKFLOW_NOT_FOUND"


async def test_who_was_lent_it_to_the_full_cannot_take_it(world: World) -> None:
    made = await world.definition()
    await share(world, made.id, "DELETE", user_id=OTHER_EDITOR.id)
    request = pb.TransferDefinitionRequest(definition_id=made.id, new_owner=OTHER_EDITOR.id)

    refused = await world.refused("TransferDefinition", request, OTHER_EDITOR)

    assert refused.reason == "NOT_THE_OWNER"


@pytest.mark.parametrize("new_owner", ["nobody@example.com", SERVICE.id])
async def test_the_new_owner_has_to_be_a_user(world: World, new_owner: str) -> None:
    made = await flow(world)
    request = pb.TransferWorkflowRequest(workflow_id=made.id, new_owner=new_owner)

    assert (await world.refused("TransferWorkflow", request)).reason == "PRINCIPAL_NOT_FOUND"


async def test_who_does_not_see_it_learns_nothing_of_it(world: World) -> None:
    made = await flow(world)
    request = pb.TransferWorkflowRequest(workflow_id=made.id, new_owner=VIEWER.id)

    assert (await world.refused("TransferWorkflow", request, OTHER_EDITOR)).reason == "WORKFLOW_NOT_FOUND"


async def test_a_stale_etag_gives_nothing_away(world: World) -> None:
    made = await world.definition()
    request = pb.TransferDefinitionRequest(definition_id=made.id, new_owner=VIEWER.id, etag="old")

    assert (await world.refused("TransferDefinition", request)).reason == "ETAG_MISMATCH"


async def test_a_workflow_is_published_unless_it_says_otherwise(world: World) -> None:
    assert (await flow(world)).status == Status.PUBLISHED
    assert (await flow(world, "status: DRAFT")).status == Status.DRAFT


async def test_a_status_changes_without_a_new_version_and_can_be_changed_back(world: World) -> None:
    made = await flow(world)

    for status in ("ARCHIVED", "PUBLISHED"):
        change = pb.UpdateWorkflowRequest(workflow_id=made.id, workflow={"status": status})
        new = (await world.call("UpdateWorkflow", change)).workflow
        assert (Status.Name(new.status), new.version) == (status, 1)
        basic = pb.GetWorkflowRequest(workflow_id=made.id, view=pb.BASIC)
        assert (await world.call("GetWorkflow", basic)).workflow.status == new.status


async def test_a_document_without_a_status_leaves_it_as_it_is(world: World) -> None:
    made = await flow(world, "status: ARCHIVED")
    change = pb.UpdateWorkflowRequest(workflow_id=made.id, source="description: Put away")

    assert (await world.call("UpdateWorkflow", change)).workflow.status == Status.ARCHIVED


async def test_workflows_are_listed_by_status_tag_and_owner(world: World) -> None:
    label = world.name("label")
    draft = await flow(world, f"tags: [{label}]\nstatus: DRAFT")
    done = await flow(world, f"tags: [{label}, done]")

    async def names(**fields: Any) -> list[str]:
        answer = await world.call("ListWorkflows", pb.ListWorkflowsRequest(tags=[label], **fields))
        return [one.name for one in answer.workflows]

    assert await names(status=["Draft"]) == [draft.name]
    assert await names(status=["DRAFT", "published"]) == [done.name, draft.name]
    assert await names(filter="status = PUBLISHED") == [done.name]
    assert await names(owner="me", visibility="Private") == [done.name, draft.name]
    assert await names(owner=OTHER_EDITOR.id) == []
    assert await names(order_by="updated_at") == [draft.name, done.name]
    refused = await world.refused("ListWorkflows", pb.ListWorkflowsRequest(status=["old"]))
    assert "DRAFT (Draft)" in refused.message
