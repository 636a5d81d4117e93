"""Drafts, their promotion, and versions that are deprecated and taken back."""

import pytest

from chassis.context import Caller
from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import World
from tests.registry.owned import share
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, SERVICE, VIEWER

Status = component_pb2.Version.Status


async def drafted(world: World) -> tuple[component_pb2.Definition, component_pb2.Version]:
    """A public definition with 1.0.0 published and 1.1.0 as a draft."""
    made = await world.definition(visibility="PUBLIC")
    await world.version(made.name, "1.0.0")
    return made, await world.version(made.name, "1.1.0", draft=True)


async def shown(world: World, definition: str, caller: Caller = EDITOR) -> component_pb2.Definition:
    answer = await world.call("GetDefinition", pb.GetDefinitionRequest(definition_id=definition), caller)
    found: component_pb2.Definition = answer.definition
    return found


async def listed(world: World, definition: str, caller: Caller) -> list[str]:
    answer = await world.call("ListVersions", pb.ListVersionsRequest(definition_id=definition), caller)
    return [one.version for one in answer.versions]


def steps(component: str) -> str:
    return f"steps: [{{id: a, component: {component}, with: {{city: x}}}}]"


async def pinned(world: World, component: str, caller: Caller = EDITOR) -> str:
    """The version that a new workflow's step resolves to."""
    made = await world.workflow(f"name: {world.name('flow')}\n{steps(component)}", caller)
    return made.steps[0].component_version


async def test_a_draft_is_never_the_newest_and_no_range_finds_it(world: World) -> None:
    made, draft = await drafted(world)

    assert draft.status == Status.DRAFT
    assert (await shown(world, made.name)).latest_version == "1.0.0"
    assert [await pinned(world, f"{made.name}{at}") for at in ("", "@1", "@1.0")] == ["1.0.0"] * 3


async def test_whoever_may_change_the_definition_pins_a_draft_by_writing_it_out(world: World) -> None:
    made, _ = await drafted(world)

    assert await pinned(world, f"{made.name}@1.1.0") == "1.1.0"

    await share(world, made.id, "EDIT", user_id=OTHER_EDITOR.id)
    assert await pinned(world, f"{made.name}@1.1.0", OTHER_EDITOR) == "1.1.0"


async def test_for_others_a_draft_does_not_exist(world: World) -> None:
    made, draft = await drafted(world)
    source = f"name: {world.name('flow')}\n{steps(f'{made.name}@1.1.0')}"

    seen = await world.refused("GetVersion", pb.GetVersionRequest(version_id=draft.id), VIEWER)
    moved = await world.refused("PublishVersion", pb.PublishVersionRequest(version_id=draft.id), OTHER_EDITOR)
    used = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source=source), OTHER_EDITOR)

    assert (seen.reason, moved.reason) == ("VERSION_NOT_FOUND", "VERSION_NOT_FOUND")
    assert f"{made.name} has no version 1.1.0" in used.message
    assert "1.1.0" not in used.message.partition("available")[2]
    assert await listed(world, made.name, OTHER_EDITOR) == ["1.0.0"]


@pytest.mark.parametrize("caller", [EDITOR, ADMIN, SERVICE], ids=lambda one: one.name)
async def test_its_makers_administrators_and_the_suite_read_a_draft(world: World, caller: Caller) -> None:
    made, draft = await drafted(world)

    read = await world.call("GetVersion", pb.GetVersionRequest(version_id=draft.id), caller)

    assert read.version.python_script.code_content
    if caller is not SERVICE:
        assert await listed(world, made.name, caller) == ["1.1.0", "1.0.0"]


async def test_a_published_draft_is_for_everybody_and_what_it_runs_stays_the_same(world: World) -> None:
    made, draft = await drafted(world)
    publish = pb.PublishVersionRequest(version_id=draft.id)

    first = (await world.call("PublishVersion", publish)).version
    again = (await world.call("PublishVersion", publish)).version

    assert (first.status, again.status) == (Status.PUBLISHED, Status.PUBLISHED)
    assert first.config_digest == draft.config_digest
    assert (await shown(world, made.name, VIEWER)).latest_version == "1.1.0"
    assert await pinned(world, f"{made.name}@1", OTHER_EDITOR) == "1.1.0"


async def test_a_first_version_may_be_a_draft(world: World) -> None:
    script = component_pb2.PythonScriptConfig(code_content="def main(): pass")
    first = component_pb2.Version(version="0.1.0", python_script=script, draft=True)
    one = component_pb2.Definition(name=world.name(), type="PYTHON_SCRIPT")
    answer = await world.call(
        "CreateDefinition", pb.CreateDefinitionRequest(definition=one, initial_version=first)
    )

    assert answer.initial_version.status == Status.DRAFT
    assert (answer.definition.latest_version, answer.definition.deprecated) == ("", False)
    source = f"name: {world.name('flow')}\nsteps: [{{id: a, component: {one.name}}}]"
    refused = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source=source))
    assert f"publish {one.name}@0.1.0, or write it out" in str(refused.fields)


async def test_a_draft_is_not_deprecated_but_published_first(world: World) -> None:
    _, draft = await drafted(world)

    refused = await world.refused("DeprecateVersion", pb.DeprecateVersionRequest(version_id=draft.id))

    assert refused.reason == "VERSION_IS_DRAFT"


async def test_a_deprecation_can_be_taken_back(world: World) -> None:
    made = await world.definition()
    version = await world.version(made.name)
    deprecate = pb.DeprecateVersionRequest(version_id=version.id, message="too slow")
    gone = (await world.call("DeprecateVersion", deprecate)).version
    hidden = await shown(world, made.name)

    back = await world.call("UndeprecateVersion", pb.UndeprecateVersionRequest(version_id=version.id))

    assert (gone.status, back.version.status) == (Status.DEPRECATED, Status.PUBLISHED)
    assert (hidden.latest_version, hidden.deprecated) == ("", True)
    assert not back.version.HasField("deprecated_at")
    assert back.version.deprecation_message == ""
    restored = await shown(world, made.name)
    assert (restored.latest_version, restored.deprecated) == ("1.0.0", False)


async def test_whoever_changes_a_workflow_keeps_the_draft_that_its_owner_pinned(world: World) -> None:
    made, _ = await drafted(world)
    flow = await world.workflow(f"name: {world.name('flow')}\n{steps(f'{made.name}@1.1.0')}")
    await share(world, flow.id, "EDIT", user_id=OTHER_EDITOR.id)
    source = f"outputs: {{a: '${{{{ steps.a.output }}}}'}}\n{steps(f'{made.name}@1.1.0')}"
    change = pb.UpdateWorkflowRequest(workflow_id=flow.id, source=source)

    changed = (await world.call("UpdateWorkflow", change, OTHER_EDITOR)).workflow

    assert (changed.version, changed.steps[0].component_version) == (2, "1.1.0")
