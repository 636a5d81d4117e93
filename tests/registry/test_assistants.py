"""Assistants that may call components: each is resolved, checked and pinned when the assistant's version is saved."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf import json_format

from chassis import jsonvalue
from chassis.config import Address, ServiceConfig
from chassis.context import Caller
from chassis.server import Server
from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import Sources, Start, World
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, SERVICE, TestAuthenticator


@pytest.fixture(scope="module")
async def world(start: Start, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A registry that finds the data source `sample`; the tests share it and use names of their own."""
    folder = tmp_path_factory.mktemp("assistants")
    address = f"unix:{folder}/ds"
    sources = Sources(ids={"sample": "0198-sample"})
    peer = Server(ServiceConfig(listen=Address(address)), sources.services, authenticator=TestAuthenticator())
    await peer.start()
    (folder / "key").write_text(SERVICE.credential)
    yield await start(MCPANEL_DATASOURCES_ADDRESS=address, MCPANEL_KEY_FILE=f"{folder}/key")
    await peer.stop(grace=0)


def creating(
    definition: str, *tools: str | dict[str, str], version: str = "1.0.0"
) -> pb.CreateVersionRequest:
    """A request for a version of an assistant that may call these components, or other tools."""
    named = [{"component": one} if isinstance(one, str) else one for one in tools]
    body = {"version": version, "aiAssistant": {"model": "small", "tools": named}}
    return pb.CreateVersionRequest(
        definition_id=definition, version=json_format.ParseDict(body, component_pb2.Version())
    )


async def assistant(
    world: World, *tools: str | dict[str, str], caller: Caller = EDITOR, **fields: Any
) -> pb.GetVersionResponse:
    """A new assistant with these tools, as its version is told when it is asked for."""
    made = await world.definition(caller, name=world.name("helper"), type="AI_ASSISTANT", **fields)
    version = (await world.call("CreateVersion", creating(made.name, *tools), caller)).version
    answer: pb.GetVersionResponse = await world.call(
        "GetVersion", pb.GetVersionRequest(version_id=version.id), caller
    )
    return answer


async def refused(
    world: World, *tools: str | dict[str, str], caller: Caller = EDITOR
) -> list[tuple[str, str]]:
    """Where and why an assistant with these tools is refused."""
    made = await world.definition(caller, type="AI_ASSISTANT")
    error = await world.refused("CreateVersion", creating(made.name, *tools), caller)
    assert error.code == "INVALID_ARGUMENT"
    return [(one.field.removeprefix("version.ai_assistant."), one.description) for one in error.fields]


async def test_an_assistant_with_an_effectful_tool_is_effectful_unless_it_says_otherwise(
    world: World,
) -> None:
    pays = await world.definition(name=world.name("pays"))
    await world.version(pays.name, effect="effectful")
    outer = await world.definition(name=world.name("outer"), type="AI_ASSISTANT")
    harmless = creating(outer.name, pays.name)
    harmless.version.effect = "idempotent"

    inner = await assistant(world, pays.name)
    nested = await assistant(world, inner.version.definition_name)
    said = (await world.call("CreateVersion", harmless)).version

    assert (inner.version.effect, nested.version.effect, said.effect) == (
        "effectful",
        "effectful",
        "idempotent",
    )


async def test_a_component_becomes_a_tool_with_its_name_its_words_and_its_inputs(world: World) -> None:
    made = await world.definition(name=world.name("forecast"), description="Tells tomorrow's weather.")
    version = await world.version(made.name, "1.2.0")

    found = await assistant(world, f"{made.name}@1", {"dataSource": "sample"})

    (tool,) = found.version.tools
    assert (tool.name, tool.version_id) == (made.name, version.id)
    assert (tool.component, tool.description) == (f"{made.name}@1.2.0", "Tells tomorrow's weather.")
    assert jsonvalue.from_struct(tool.input_schema)["required"] == ["city"]
    assert not found.HasField("package")
    assert [one.name for one in found.version.data_sources] == ["sample"]


async def test_a_component_without_a_description_is_described_by_its_docstring(world: World) -> None:
    code = 'def main(city: str) -> str:\n    """Tells where a city lies."""\n    return ""\n'
    name = await world.component(python_script=component_pb2.PythonScriptConfig(code_content=code))

    found = await assistant(world, name)

    assert found.version.tools[0].description == "Tells where a city lies."


async def test_an_assistant_goes_on_with_the_versions_it_was_saved_with(world: World) -> None:
    name = await world.component()
    found = await assistant(world, name)
    await world.version(name, "2.0.0", input_schema=jsonvalue.to_struct({"type": "object"}))

    again = await world.call("GetVersion", pb.GetVersionRequest(version_id=found.version.id))

    assert again.version == found.version
    assert again.version.tools[0].component == f"{name}@1.0.0"


async def test_a_tool_of_a_server_takes_what_its_config_says(world: World) -> None:
    documents = {"any": {}, "one": {"tool": "now"}}
    names = {}
    for word, more in documents.items():
        made = await world.definition(name=world.name(word), type="MCP")
        await world.version(made.name, mcp={"mcp_configuration": "command: clock", **more})
        names[word] = made.name

    found = await assistant(world, names["any"], names["one"])

    any_tool, one_tool = found.version.tools
    takes: Any = jsonvalue.from_struct(any_tool.input_schema)
    assert takes["properties"].keys() == {"tool", "arguments"}
    assert not one_tool.HasField("input_schema")


async def test_a_package_and_another_assistant_are_tools_too(world: World) -> None:
    part = await world.component()
    package = await world.definition(type="MCP")
    document = f"components: [{{id: a, name: {part}, with: {{days: 2}}}}]"
    await world.version(package.name, mcp={"mcp_configuration": document})
    inner = await assistant(world, part)

    found = await assistant(world, package.name, inner.version.definition_name)

    takes: Any = jsonvalue.from_struct(found.version.tools[0].input_schema)
    assert takes["required"] == ["city"]
    assert [one.name for one in found.version.tools] == [package.name, inner.version.definition_name]
    assert not found.version.tools[1].HasField("input_schema")


async def test_what_a_caller_says_of_tools_is_read_over_and_lists_leave_them_out(world: World) -> None:
    made = await world.definition(type="AI_ASSISTANT")
    name = await world.component()
    request = creating(made.name, name)
    request.version.tools.add(name="other", version_id="x", component="other@1.0.0")

    created = (await world.call("CreateVersion", request)).version
    listed = await world.call("ListVersions", pb.ListVersionsRequest(definition_id=made.name))

    assert [one.name for one in created.tools] == [name]
    assert [list(one.tools) for one in listed.versions] == [[]]


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("nowhere-at-all", "there is no component 'nowhere-at-all'"),
        ("Forecast", "'Forecast' names no component (write name, name@1, name@1.2 or name@1.2.0"),
        ("{name}@2", "{name} has no released version matching 2 (available: {name}@1.0.0)"),
        ("{name}@1.0.1", "{name} has no version 1.0.1 (available: {name}@1.0.0)"),
    ],
)
async def test_a_tool_that_is_not_there_is_refused_with_what_is(
    world: World, written: str, told: str
) -> None:
    name = await world.component()

    found = await refused(world, {"dataSource": "sample"}, written.format(name=name))

    ((field, why),) = found
    assert field == "tools[1].component"
    assert told.format(name=name) in why


async def test_two_versions_of_a_component_are_no_two_tools(world: World) -> None:
    name = await world.component()
    await world.version(name, "1.1.0")

    found = await refused(world, f"{name}@1.0.0", f"{name}@1.1.0", {"dataSource": "sample"})

    assert found == [("tools[1].component", f"{name!r} is a tool already; name it once")]


async def test_a_streamlit_app_is_no_tool_be_it_inside_a_package(world: World) -> None:
    app = await world.definition(name=world.name("app"), type="STREAMLIT_APP")
    files = [{"path": "app.py", "content": "import streamlit"}]
    await world.version(app.name, streamlit_app={"main_script_path": "app.py", "files": files})
    package = await world.definition(type="MCP")
    await world.version(package.name, mcp={"mcp_configuration": f"components: [{{id: a, name: {app.name}}}]"})

    found = await refused(world, app.name, package.name)

    assert [field for field, _ in found] == ["tools[0].component", "tools[1].component"]
    assert "is a Streamlit app, which does not end" in found[0][1]
    assert f"holds {app.name!r}, a Streamlit app" in found[1][1]


async def test_tools_that_are_too_much_to_tell_a_model_are_refused_together(world: World) -> None:
    schema = jsonvalue.to_struct({"type": "object", "description": "x" * 600_000})
    names = [await world.component(input_schema=schema) for _ in range(2)]

    found = await refused(world, *names)

    assert [field for field, _ in found] == ["tools"]
    assert "more than 1,048,576 bytes together" in found[0][1]


async def test_what_somebody_may_not_see_is_no_tool_of_theirs_and_a_draft_only_of_those_who_change_it(
    world: World,
) -> None:
    private = await world.definition()
    await world.version(private.name)
    public = await world.definition(visibility="PUBLIC")
    await world.version(public.name, draft=True)

    hidden = await refused(world, private.name, caller=OTHER_EDITOR)
    unpublished = await refused(world, f"{public.name}@1.0.0", caller=OTHER_EDITOR)
    own = await assistant(world, f"{public.name}@1.0.0")

    assert f"there is no component {private.name!r}" in hidden[0][1]
    assert f"{public.name} has no version 1.0.0" in unpublished[0][1]
    assert own.version.tools[0].component == f"{public.name}@1.0.0"


async def test_a_deprecated_version_is_no_new_tool_and_stays_an_old_one(world: World) -> None:
    made = await world.definition()
    version = await world.version(made.name)
    found = await assistant(world, made.name)
    request = pb.DeprecateVersionRequest(version_id=version.id, message="use another")
    await world.call("DeprecateVersion", request)

    told = await refused(world, f"{made.name}@1.0.0")
    again = await world.call("GetVersion", pb.GetVersionRequest(version_id=found.version.id))

    assert "is deprecated: use another" in told[0][1]
    assert again.version.tools == found.version.tools


async def test_an_assistant_is_no_tool_of_itself_be_it_inside_another(world: World) -> None:
    first = (await assistant(world)).version.definition_name
    package = await world.definition(type="MCP")
    document = f"components: [{{id: a, name: {first}, with: {{message: x}}}}]"
    await world.version(package.name, mcp={"mcp_configuration": document})
    outer = (await assistant(world, package.name)).version.definition_name

    for name in (first, package.name, outer):
        error = await world.refused("CreateVersion", creating(first, name, version="2.0.0"))

        assert [one.field for one in error.fields] == ["version.ai_assistant.tools[0].component"]
        assert "an assistant is no tool of itself" in error.message


async def test_assistants_lie_inside_each_other_only_so_deep(world: World) -> None:
    name = await world.component()
    for _ in range(6):
        name = (await assistant(world, name)).version.definition_name

    ((field, why),) = await refused(world, name)
    package = await world.definition(type="MCP")
    around = component_pb2.Version(
        version="1.0.0", mcp={"mcp_configuration": f"components: [{{id: a, name: {name}}}]"}
    )
    error = await world.refused(
        "CreateVersion", pb.CreateVersionRequest(definition_id=package.name, version=around)
    )

    assert field == "tools[0].component"
    assert "lie inside each other 6 deep here, more than 5" in why
    assert "lie inside each other 6 deep here" in error.message


async def test_a_step_of_a_workflow_is_no_package_for_being_an_assistant_with_tools(world: World) -> None:
    name = (await assistant(world, await world.component())).version.definition_name

    step = f"{{id: a, component: {name}, with: {{message: x}}, retry: {{max_attempts: 2}}, timeout: 5m}}"
    flow = await world.workflow(f"name: {world.name('flow')}\nsteps: [{step}]\n")

    assert flow.steps[0].retry.max_attempts == 2


async def test_what_an_assistant_may_call_cannot_be_deleted_before_it(world: World) -> None:
    name = await world.component()
    found = await assistant(world, name)

    error = await world.refused("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=name), ADMIN)
    for one in (found.version.definition_id, name):
        await world.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=one), ADMIN)

    assert error.reason == "DEFINITION_IN_USE"
    assert f"the assistants {found.version.definition_name}" in error.message


async def test_what_an_assistant_may_call_has_to_be_lent_to_its_owner_when_it_runs(world: World) -> None:
    inner = await world.component(caller=OTHER_EDITOR)
    found = await assistant(world, inner, visibility="PUBLIC")
    name = found.version.definition_name
    flow = await world.workflow(f"name: {world.name('flow')}\nsteps: [{{id: a, component: {name}}}]\n")
    of_flow = pb.CheckPartsRequest(workflow={"workflow_id": flow.id, "version": flow.version})
    asked = [of_flow, pb.CheckPartsRequest(version_id=found.version.id)]

    before = [await world.call("CheckParts", one, SERVICE) for one in asked]
    hidden = component_pb2.Definition(visibility="PRIVATE")
    update = pb.UpdateDefinitionRequest(
        definition_id=inner, definition=hidden, update_mask={"paths": ["visibility"]}
    )
    await world.call("UpdateDefinition", update, OTHER_EDITOR)
    after = [await world.call("CheckParts", one, SERVICE) for one in asked]

    assert [list(one.missing) for one in before] == [[], []]
    for one in after:
        (missing,) = one.missing
        assert (missing.name, missing.used_by) == (inner, f"component '{name}@1.0.0'")
        assert list(missing.lender_ids) == [EDITOR.id]


async def test_a_document_of_an_assistant_names_components_as_tools(world: World) -> None:
    tool, name = await world.component(), world.name("helper")
    written = f"{{model: small, tools: [{{component: {tool}}}]}}"
    source = f"name: {name}\ntype: AI Assistant\nai_assistant: {written}\ntools: []\n"

    made = await world.call("CreateDefinition", pb.CreateDefinitionRequest(source=source))

    assert [one.component for one in made.initial_version.tools] == [f"{tool}@1.0.0"]


async def test_what_would_be_refused_next_is_not_suggested(world: World) -> None:
    stem = world.name("forecast")
    unpublished = await world.definition(name=f"{stem}-a")
    await world.version(unpublished.name, draft=True)
    deprecated = await world.definition(name=f"{stem}-b")
    version = await world.version(deprecated.name)
    await world.call("DeprecateVersion", pb.DeprecateVersionRequest(version_id=version.id))
    app = await world.definition(name=f"{stem}-c", type="STREAMLIT_APP")
    files = [{"path": "app.py", "content": "import streamlit"}]
    await world.version(app.name, streamlit_app={"main_script_path": "app.py", "files": files})
    itself = await world.definition(name=f"{stem}-d", type="AI_ASSISTANT")
    await world.call("CreateVersion", creating(itself.name))

    bare = await world.refused("CreateVersion", creating(itself.name, f"{stem}-x", version="2.0.0"))
    usable = await world.definition(name=f"{stem}-e")
    await world.version(usable.name)
    told = await world.refused("CreateVersion", creating(itself.name, f"{stem}-x", version="2.0.0"))

    assert f"there is no component '{stem}-x'" in bare.message
    assert not [letter for letter in "abcd" if f"did you mean {stem}-{letter}" in bare.message]
    assert f"did you mean {stem}-e?" in told.message


async def test_the_first_version_of_an_assistant_that_calls_itself_is_not_told_to_make_one_first(
    world: World,
) -> None:
    itself = await world.definition(type="AI_ASSISTANT")

    error = await world.refused("CreateVersion", creating(itself.name, itself.name))

    assert "an assistant is no tool of itself" in error.message
    assert "first" not in error.message
