"""Workflows that are wrong: what is said of them, by a refusal and by ValidateWorkflow."""

from mcpanel.registry.v1 import registry_pb2 as pb
from mcpanel.registry.v1 import workflow_pb2
from tests.registry.conftest import Start, World
from tests.registry.documents import document
from tests.support.callers import EDITOR, OTHER_EDITOR, VIEWER

Update = pb.UpdateWorkflowRequest


def approved_by(name: str, *approvers: str) -> str:
    """A workflow with a step that waits for these."""
    return f"name: {name}\nsteps:\n  - {{id: go, approval: {{approvers: [{', '.join(approvers)}]}}}}\n"


async def test_approvers_who_are_nobody_or_may_not_decide_are_refused_naming_the_field(world: World) -> None:
    name = world.name("flow")
    made = await world.workflow(approved_by(name, "Admin", "ada@example.com", EDITOR.id))
    source = approved_by(name, "Admin", "nobody@example.com", "Editr", "Viewer")

    created = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source=source))
    updated = await world.refused("UpdateWorkflow", Update(workflow_id=made.id, source=source))
    told = await world.call("ValidateWorkflow", pb.ValidateWorkflowRequest(source=source))
    shown = (await world.call("GetWorkflow", pb.GetWorkflowRequest(workflow_id=made.id))).workflow

    paths = [f"steps[0].approval.approvers[{number}]" for number in (1, 2, 3)]
    for one in (created, updated):
        assert (one.code, one.reason) == ("INVALID_ARGUMENT", "WORKFLOW_INVALID")
        assert [field.field for field in one.fields] == [f"source.{path}" for path in paths]
    fix = "name a user's id or e-mail address, or a role: Admin, Editor"
    assert [(one.step, one.field, one.message, one.fix) for one in told.problems] == [
        ("go", paths[0], "there is no active user and no role 'nobody@example.com'", fix),
        ("go", paths[1], "there is no active user and no role 'Editr'", fix),
        ("go", paths[2], "'Viewer' may not decide, without the permission runs.approve", fix),
    ]
    assert shown == made


async def test_without_identity_only_workflows_that_name_approvers_wait_for_it(start: Start) -> None:
    world = await start(MCPANEL_IDENTITY_ADDRESS="unix:/nowhere/identity")

    refused = await world.refused(
        "CreateWorkflow", pb.CreateWorkflowRequest(source=approved_by(world.name("flow"), "Admin"))
    )
    made = await world.workflow(approved_by(world.name("flow")))

    assert (refused.code, refused.reason) == ("UNAVAILABLE", "DEPENDENCY_UNAVAILABLE")
    assert "identity" in refused.message
    assert made.version == 1


async def test_a_wrong_workflow_is_refused_naming_step_field_line_and_fix(world: World) -> None:
    component = await world.component()
    source = f"""name: {world.name("flow")}
inputs:
  city: {{type: string}}
steps:
  - id: extract
    component: {component}
    with: {{city: "${{{{ inputs.citty }}}}"}}
"""

    refused = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source=source))

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "WORKFLOW_INVALID")
    (violation,) = refused.fields
    assert violation.field == "source.steps[0].with.city"
    for words in ("line 7, column 18", "'extract'", "'citty'", "did you mean city?"):
        assert words in violation.description


async def test_a_typo_in_a_documents_field_is_refused_where_it_is(world: World) -> None:
    source = document(world.name("flow"), await world.component()).replace("component:", "componnent:")

    refused = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source=source))

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_DOCUMENT")
    assert "line 4, column 5" in refused.fields[0].description
    assert "did you mean component?" in refused.fields[0].description


async def test_a_message_is_refused_by_field_paths_of_the_request(world: World) -> None:
    step = workflow_pb2.Step(id="a", component="no-such-component")
    request = pb.CreateWorkflowRequest(workflow=workflow_pb2.Workflow(name=world.name("flow"), steps=[step]))

    refused = await world.refused("CreateWorkflow", request)

    assert [one.field for one in refused.fields] == ["workflow.steps[0].component"]


async def test_many_problems_fit_into_one_refusal_and_all_into_validate(world: World) -> None:
    steps = "".join(f"  - {{id: s{n}, component: nothing-{n}, needs: [nowhere]}}\n" for n in range(90))
    source = f"name: {world.name('flow')}\nsteps:\n{steps}"

    refused = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source=source))
    answer = await world.call("ValidateWorkflow", pb.ValidateWorkflowRequest(source=source))

    assert refused.reason == "WORKFLOW_INVALID"
    assert 3 < len(refused.fields) < 180
    assert refused.metadata["problems"] == "180"
    assert len(answer.problems) == 180


async def test_validate_answers_every_problem_in_the_documents_order(world: World) -> None:
    component = await world.component()
    source = f"""inputs:
  city: {{type: strin}}
steps:
  - id: a
    component: {component}@7
    retry: {{max_attempts: 0}}
  - id: b
    component: {component}
    with: {{town: x}}
    timeout: soon
outputs: {{r: "${{{{ steps.c.output }}}}"}}
"""

    answer = await world.call("ValidateWorkflow", pb.ValidateWorkflowRequest(source=source), VIEWER)

    assert not answer.valid
    assert not answer.HasField("workflow")
    assert [(one.step, one.field, one.line) for one in answer.problems] == [
        ("", "name", 0),
        ("", "inputs.city.type", 2),
        ("a", "steps[0].component", 5),
        ("a", "steps[0].retry.max_attempts", 6),
        ("b", "steps[1].with", 9),
        ("b", "steps[1].with.town", 9),
        ("b", "steps[1].timeout", 10),
        ("", "outputs.r", 11),
    ]
    assert answer.problems[2].fix == f"available: {component}@1.0.0"


async def test_validate_answers_what_is_no_document_as_a_problem(world: World) -> None:
    answer = await world.call("ValidateWorkflow", pb.ValidateWorkflowRequest(source="steps:\n  - [\n"))
    refused = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source="steps:\n  - [\n"))

    assert [(one.line, one.column) for one in answer.problems] == [(3, 1)]
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_DOCUMENT")


async def test_validate_answers_a_right_workflow_with_its_components_pinned(world: World) -> None:
    component = await world.component()
    request = pb.ValidateWorkflowRequest(source=document("some-name", component))

    answer = await world.call("ValidateWorkflow", request)

    assert answer.valid
    assert answer.workflow.steps[0].component_version == "1.0.0"
    assert (
        await world.refused("GetWorkflow", pb.GetWorkflowRequest(workflow_id="some-name"))
    ).code == "NOT_FOUND"


async def test_either_a_message_or_a_document_is_given(world: World) -> None:
    neither = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest())
    both = await world.refused(
        "CreateWorkflow", pb.CreateWorkflowRequest(source="name: x", workflow=workflow_pb2.Workflow(name="x"))
    )

    assert neither.reason == both.reason == "INVALID_FIELD"


async def test_a_component_that_its_author_cannot_see_does_not_exist(world: World) -> None:
    private = await world.definition()
    await world.version(private.id)

    refused = await world.refused(
        "CreateWorkflow",
        pb.CreateWorkflowRequest(source=document(world.name("flow"), private.name)),
        OTHER_EDITOR,
    )

    assert f"there is no component {private.name!r}" in refused.message
    assert (
        "create it first" in refused.message
        or "did you mean" in refused.message
        or "there are" in refused.message
    )
