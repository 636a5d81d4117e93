"""Workflows that run other workflows, over the wire."""

import asyncio
from typing import Any

import pytest

from chassis.errors import ServiceError
from mcpanel.registry.v1 import registry_pb2 as pb
from mcpanel.registry.v1 import workflow_pb2
from registry import nesting
from tests.registry.conftest import World
from tests.support.callers import ADMIN, KEEPER, OTHER_EDITOR

Update = pb.UpdateWorkflowRequest


def leaf(name: str, component: str, *more: str) -> str:
    """A workflow that runs a component."""
    step = f"  - {{id: a, component: {component}, with: {{city: x}}}}\n"
    return f"name: {name}\nvisibility: PUBLIC\nsteps:\n{step}" + "".join(f"{line}\n" for line in more)


def around(name: str, *inner: str) -> str:
    """A workflow that runs others."""
    steps = "".join(f"  - {{id: s{number}, workflow: {one}}}\n" for number, one in enumerate(inner))
    return f"name: {name}\nvisibility: PUBLIC\nsteps:\n{steps}"


async def made(world: World, stem: str = "inner") -> workflow_pb2.Workflow:
    """A new workflow of one component."""
    return await world.workflow(leaf(world.name(stem), await world.component()))


async def saved(world: World, name: str, source: str) -> workflow_pb2.Workflow:
    """The workflow after an update."""
    answer = await world.call("UpdateWorkflow", Update(workflow_id=name, source=source))
    changed: workflow_pb2.Workflow = answer.workflow
    return changed


async def test_a_workflow_is_pinned_to_the_version_that_is_newest_when_it_is_saved(world: World) -> None:
    inner = await made(world)
    source = around(world.name("outer"), inner.name, f"{inner.name}@1")
    outer = await world.workflow(source)
    newer = await saved(world, inner.name, leaf(inner.name, await world.component()))

    kept = (await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=outer.id))).workflow
    again = await saved(world, outer.name, source)

    assert (kept, newer.version, again.version) == (outer, 2, 2)
    assert [(one.workflow_id, one.workflow_version) for one in kept.steps] == [(inner.id, 1), (inner.id, 1)]
    assert [(one.workflow_id, one.workflow_version) for one in again.steps] == [(inner.id, 2), (inner.id, 1)]
    assert [one.workflow for one in again.steps] == [inner.name, f"{inner.name}@1"]


async def test_validation_answers_the_pinned_workflow_and_its_problems(world: World) -> None:
    inner = await made(world)

    fine = await world.call(
        "ValidateWorkflow", pb.ValidateWorkflowRequest(source=around("some-name", inner.name))
    )
    itself = await world.call(
        "ValidateWorkflow", pb.ValidateWorkflowRequest(source=around("flow-x", "flow-x@1"))
    )
    typo = await world.call(
        "ValidateWorkflow", pb.ValidateWorkflowRequest(source=around("flow-y", inner.name + "x"))
    )

    assert (fine.valid, fine.workflow.steps[0].workflow_version) == (True, 1)
    assert [(one.step, one.field, one.line) for one in itself.problems] == [("s0", "steps[0].workflow", 4)]
    assert typo.problems[0].fix == f"did you mean {inner.name}?"


async def test_a_workflow_that_its_author_cannot_see_does_not_exist(world: World) -> None:
    hidden = await world.workflow(
        leaf(world.name("hidden"), await world.component()).replace("PUBLIC", "PRIVATE")
    )
    request = pb.CreateWorkflowRequest(source=around(world.name("outer"), hidden.name))

    refused = await world.refused("CreateWorkflow", request, OTHER_EDITOR)
    allowed = await world.call("CreateWorkflow", request)

    assert f"there is no workflow {hidden.name!r}" in refused.message
    assert f"mean {hidden.name}?" not in refused.message
    assert allowed.workflow.steps[0].workflow_id == hidden.id


async def test_what_a_visible_workflow_is_made_of_need_not_be_visible(world: World) -> None:
    private = await world.definition()
    await world.version(private.id)
    inner = await world.workflow(leaf(world.name("inner"), private.name))
    source = around(world.name("outer"), inner.name)

    outer = (
        await world.call("CreateWorkflow", pb.CreateWorkflowRequest(source=source), OTHER_EDITOR)
    ).workflow

    assert outer.steps[0].workflow_version == 1


async def test_a_workflow_is_no_step_of_itself_whoever_renames_nothing(world: World) -> None:
    inner = await made(world)

    refused = await world.refused(
        "UpdateWorkflow", Update(workflow_id=inner.id, source=f"steps: [{{id: a, workflow: {inner.name}@1}}]")
    )

    assert refused.reason == "WORKFLOW_INVALID"
    assert "a workflow is no step of itself" in refused.message


async def test_an_older_version_may_lie_inside_another_that_the_newer_runs(world: World) -> None:
    inner = await made(world)
    outer = await world.workflow(around(world.name("outer"), inner.name))

    turned = await saved(world, inner.name, around(inner.name, outer.name))
    blocked = await world.refused("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=inner.id), ADMIN)
    await saved(world, outer.name, leaf(outer.name, await world.component()))
    await world.call("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=inner.id), ADMIN)
    await world.call("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=outer.id), ADMIN)

    assert turned.steps[0].workflow_version == 1
    assert blocked.reason == "WORKFLOW_IN_USE"


async def test_whose_use_keeps_something_is_told_only_of_workflows_that_one_may_see(world: World) -> None:
    component = await world.component(caller=KEEPER)
    inner = await world.workflow(leaf(world.name("inner"), component), KEEPER)
    outer = await world.workflow(around(world.name("outer"), inner.name))
    secret = around(world.name("merger"), inner.name).replace("PUBLIC", "PRIVATE")
    hidden = await world.workflow(secret, OTHER_EDITOR)

    definition = await world.refused(
        "DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=component), KEEPER
    )
    delete = pb.DeleteWorkflowRequest(workflow_id=inner.id)
    workflow, by_admin = [await world.refused("DeleteWorkflow", delete, one) for one in (KEEPER, ADMIN)]
    await world.call("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=outer.id), ADMIN)
    alone = await world.refused("DeleteWorkflow", delete, KEEPER)

    told = [(error.metadata["workflows"], error.metadata["hidden"]) for error in (definition, workflow)]
    assert told == [(f"{inner.name},{outer.name}", "1"), (outer.name, "1")]
    assert f"{outer.name} and 1 workflow that you may not see;" in workflow.message
    assert (alone.reason, alone.metadata["workflows"]) == ("WORKFLOW_IN_USE", "")
    assert hidden.name not in f"{definition} {workflow} {alone}"
    assert by_admin.metadata["hidden"] == "0"
    assert hidden.name in by_admin.message


async def test_what_a_workflow_runs_cannot_be_deleted_however_deep_it_lies(world: World) -> None:
    component = await world.component()
    inner = await world.workflow(leaf(world.name("inner"), component))
    middle = await world.workflow(around(world.name("middle"), inner.name))
    outer = await world.workflow(around(world.name("outer"), middle.name))
    await saved(world, inner.name, leaf(inner.name, await world.component()))

    definition = await world.refused(
        "DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=component), ADMIN
    )
    workflow = await world.refused("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=inner.id), ADMIN)

    names = f"{middle.name},{outer.name}"
    assert (definition.reason, definition.metadata["workflows"]) == ("DEFINITION_IN_USE", names)
    assert (workflow.code, workflow.reason) == ("FAILED_PRECONDITION", "WORKFLOW_IN_USE")
    assert workflow.metadata["workflows"] == names
    assert (
        await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=inner.id))
    ).workflow.version == 2


async def test_what_no_newest_version_runs_any_more_can_be_deleted(world: World) -> None:
    inner, other = await made(world), await made(world, "other")
    outer = await world.workflow(around(world.name("outer"), inner.name))
    await saved(world, outer.name, around(outer.name, other.name))

    await world.call("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=inner.id), ADMIN)
    old = pb.GetWorkflowVersionRequest(workflow_id=outer.id, version=1)
    kept = (await world.call("GetWorkflowVersion", old)).workflow

    assert (kept.steps[0].workflow, kept.steps[0].workflow_id) == (inner.name, inner.id)


async def test_a_version_that_runs_what_was_deleted_can_be_a_step_no_more(world: World) -> None:
    component = await world.component()
    inner = await world.workflow(leaf(world.name("inner"), component))
    await saved(world, inner.name, leaf(inner.name, await world.component()))
    await world.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=component), ADMIN)

    refused = await world.refused(
        "CreateWorkflow", pb.CreateWorkflowRequest(source=around(world.name("outer"), f"{inner.name}@1"))
    )
    fine = await world.workflow(around(world.name("outer"), f"{inner.name}@2"))

    assert f"'a' runs the component {component!r}, which was deleted" in refused.message
    assert fine.steps[0].workflow_version == 2


async def test_depth_is_counted_along_the_pinned_versions(world: World) -> None:
    deep = await made(world, "deep")
    for _ in range(5):
        deep = await world.workflow(around(world.name("deep"), deep.name))

    refused = await world.refused(
        "CreateWorkflow", pb.CreateWorkflowRequest(source=around(world.name("deep"), deep.name))
    )

    assert "lie inside each other 6 deep here, more than 5" in refused.message


async def test_what_would_take_long_to_read_is_refused_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = await made(world, "small")
    large = await world.workflow(
        leaf(world.name("large"), await world.component(), f"outputs: {{x: {'x' * 4000}}}")
    )
    deep = await world.workflow(around(world.name("deep"), large.name))
    monkeypatch.setattr(nesting, "MAX_BYTES", 4000)

    answers = [
        await world.call("ValidateWorkflow", pb.ValidateWorkflowRequest(source=around("outer", one.name)))
        for one in (small, large, deep)
    ]

    told = [[(one.field, one.fix) for one in answer.problems] for answer in answers]
    assert told == [[], [("steps", "run fewer of them")], [("steps", "run fewer of them")]]


async def test_what_a_workflow_takes_and_answers_is_checked_where_it_is_a_step(world: World) -> None:
    inner = await world.workflow(
        leaf(
            world.name("inner"),
            await world.component(),
            "inputs: {town: {type: string}, days: {type: integer, default: 1}}",
            'outputs: {all: "${{ steps.a.output }}"}',
        )
    )
    source = f"""name: {world.name("outer")}
steps:
  - id: a
    workflow: {inner.name}
    with: {{twon: x}}
outputs: {{r: "${{{{ steps.a.output.al }}}}"}}
"""

    refused = await world.call("ValidateWorkflow", pb.ValidateWorkflowRequest(source=source))
    fixed = source.replace("twon", "town").replace("output.al ", "output.all ")
    fine = await world.call("ValidateWorkflow", pb.ValidateWorkflowRequest(source=fixed))

    assert [(one.field, one.line, one.fix) for one in refused.problems] == [
        ("steps[0].with.twon", 5, "did you mean town?"),
        ("outputs.r", 6, "did you mean all?"),
    ]
    assert fine.valid


async def test_saving_a_workflow_and_deleting_what_it_runs_never_both_succeed(world: World) -> None:
    for _ in range(8):
        inner = await made(world)
        saving = world.workflow(around(world.name("outer"), inner.name))
        deleting = world.call("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=inner.id), ADMIN)

        made_or_not: Any
        gone_or_not: Any
        made_or_not, gone_or_not = await asyncio.gather(saving, deleting, return_exceptions=True)

        assert isinstance(made_or_not, ServiceError) != isinstance(gone_or_not, ServiceError)
        refusal = made_or_not if isinstance(made_or_not, ServiceError) else gone_or_not
        assert isinstance(refusal, ServiceError)
        assert refusal.reason in ("WORKFLOW_INVALID", "WORKFLOW_IN_USE")


async def test_two_workflows_may_be_saved_to_run_each_other_at_the_same_time(world: World) -> None:
    """Each save keeps its own workflow from changing and the other from going: they must not wait in a circle."""
    for _ in range(8):
        one, other = await made(world, "one"), await made(world, "other")

        changed = await asyncio.gather(
            saved(world, one.name, around(one.name, f"{other.name}@1")),
            saved(world, other.name, around(other.name, f"{one.name}@1")),
        )

        assert [one.version for one in changed] == [2, 2]
