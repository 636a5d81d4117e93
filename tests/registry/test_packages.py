"""Packages of components: read strictly, resolved, wired, checked, and pinned for ever."""

import json
from typing import Any

import pytest

from chassis import jsonvalue
from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import Start, World
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, SERVICE

LOAD = "def main(city: str, days: int = 7) -> dict[str, list[float]]:\n    return {}\n"
COUNT = "def main(rows: list[float], least: float) -> int:\n    return 0\n"


@pytest.fixture(scope="module")
async def world(start: Start) -> World:
    """A registry; the tests share it and use names of their own."""
    return await start()


async def script(world: World, code: str, **fields: Any) -> str:
    return await world.component(python_script=component_pb2.PythonScriptConfig(code_content=code), **fields)


def mcp(document: Any) -> component_pb2.McpConfig:
    text = document if isinstance(document, str) else json.dumps(document)
    return component_pb2.McpConfig(mcp_configuration=text)


async def package(world: World, document: Any, **fields: Any) -> pb.GetVersionResponse:
    """A new package, as it is told when it is asked for."""
    made = await world.definition(type="MCP", **fields)
    version = await world.version(made.name, mcp=mcp(document))
    answer: pb.GetVersionResponse = await world.call(
        "GetVersion", pb.GetVersionRequest(version_id=version.id)
    )
    return answer


async def refused(world: World, document: Any) -> list[str]:
    """What is told of a document that is refused."""
    made = await world.definition(type="MCP")
    version = component_pb2.Version(version="1.0.0", mcp=mcp(document))
    error = await world.refused(
        "CreateVersion", pb.CreateVersionRequest(definition_id=made.name, version=version)
    )
    assert {one.field for one in error.fields} == {"version.mcp.mcp_configuration"}
    return [one.description for one in error.fields]


async def two(world: World) -> dict[str, Any]:
    """The document of a package of two, as the console writes it."""
    return {
        "version": "1.0",
        "components": [
            {"id": "comp1", "name": await script(world, LOAD)},
            {"id": "comp4", "name": await script(world, COUNT)},
        ],
        "connections": [{"source": "comp1.output.rows", "target": "comp4.rows"}],
    }


async def test_a_package_takes_what_nothing_gives_and_answers_what_nothing_uses(world: World) -> None:
    document = await two(world)

    found = await package(world, document)

    takes = jsonvalue.from_struct(found.version.input_schema)
    assert takes["properties"] == {
        "city": {"type": "string"},
        "days": {"type": "integer", "default": 7},
        "least": {"type": "number"},
    }
    assert takes["required"] == ["city", "least"]
    answers = jsonvalue.from_struct(found.version.output_schema)
    assert answers["properties"] == {"comp4": {"type": "integer"}}
    load, count = found.package.steps
    assert {name: one.string_value for name, one in getattr(count, "with").items()} == {
        "rows": '${{ steps["comp1"]["output"]["rows"] }}',
        "least": '${{ inputs["least"] }}',
    }
    assert (load.component_version, load.component_type) == ("1.0.0", component_pb2.Definition.PYTHON_SCRIPT)
    assert found.package.outputs["comp4"].string_value == '${{ steps["comp4"]["output"] }}'


async def test_a_package_may_name_versions_fixed_inputs_and_its_own_inputs_and_outputs(world: World) -> None:
    load, count = await script(world, LOAD), await script(world, COUNT)
    await world.version(load, "1.1.0", python_script=component_pb2.PythonScriptConfig(code_content=LOAD))
    document = f"""
    components:
      - {{id: load, name: {load}, version: 1.0.0, with: {{days: 3}}}}
      - {{id: count, name: {count}@1}}
    connections:
      - {{source: inputs.town, target: load.city}}
      - {{source: load.rows, target: count.input.rows}}
      - {{source: load.output, target: outputs.loaded}}
    """

    found = await package(world, document)

    assert dict(found.package.inputs).keys() == {"town", "least"}
    assert found.package.inputs["town"].type == "string"
    assert found.package.steps[0].component_version == "1.0.0"
    assert jsonvalue.from_value(getattr(found.package.steps[0], "with")["days"]) == 3
    assert list(found.package.outputs) == ["loaded"]


async def test_the_only_input_is_meant_where_none_is_named(world: World) -> None:
    shout = await script(world, "def main(text: str) -> str:\n    return text\n")
    components = [{"id": one, "name": shout} for one in ("a", "b")]

    found = await package(
        world, {"components": components, "connections": [{"source": "a.output", "target": "b.input"}]}
    )

    given = getattr(found.package.steps[1], "with")
    assert given["text"].string_value == '${{ steps["a"]["output"] }}'


async def test_a_package_goes_on_with_the_versions_it_was_made_of(world: World) -> None:
    document = await two(world)
    found = await package(world, document)
    name = document["components"][1]["name"]
    await world.version(name, "2.0.0")

    again = await world.call("GetVersion", pb.GetVersionRequest(version_id=found.version.id))

    assert again.package == found.package
    assert again.package.steps[1].component_version == "1.0.0"


@pytest.mark.parametrize(
    ("connection", "told"),
    [
        ("{source: comp9.output, target: comp4.rows}", "there is no component with the id 'comp9'"),
        (
            "{source: comp1.rows, target: comp5.rows}",
            "no component with the id 'comp5' (did you mean comp4?)",
        ),
        ("{source: comp1.rows, target: comp4.input}", "'comp4' has 2 inputs, and this may mean any of them"),
        ("{source: comp1.rows, target: comp4.a.b}", "'comp4.a.b' names no input"),
        ("{source: comp1., target: comp4.rows}", "'comp1.' names no output"),
        ("{source: inputs, target: comp4.rows}", "'inputs' names no output (write inputs.name)"),
        ("{source: comp1.rows, target: comp4.rose}", "component 'comp4': there is no input 'rose'"),
        (
            "{source: comp1.output, target: comp4.rows}",
            "component 'comp4': expected an array, found an object",
        ),
        ("{source: comp4.output, target: comp4.least}", "comp4"),
        ("{source: comp1.rows}", "a connection has a target"),
        ("{source: comp1.rows, sink: comp4.rows}", "unknown field 'sink'"),
        ("comp1", "expected a mapping"),
    ],
)
async def test_a_connection_that_cannot_be_is_refused_with_its_line(
    world: World, connection: str, told: str
) -> None:
    names = [one["name"] for one in (await two(world))["components"]]
    listed = "".join(
        f"  - {{id: comp{id_}, name: {name}}}\n" for id_, name in zip((1, 4), names, strict=True)
    )

    found = await refused(world, f"components:\n{listed}connections:\n  - {connection}\n")

    assert told in found[0]
    assert "line 5, column " in found[0]


async def test_components_that_wait_for_each_other_are_refused(world: World) -> None:
    shout = await script(world, "def main(text: str) -> str:\n    return text\n")
    pairs = [("a", "b"), ("b", "a")]
    document = {
        "components": [{"id": one, "name": shout} for one in ("a", "b")],
        "connections": [{"source": one, "target": other} for one, other in pairs],
    }

    found = await refused(world, document)

    assert "a → b → a" in found[0] or "b → a → b" in found[0] or "a, b" in found[0]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("components: []\n", "line 1, column 1: a package has at least one component"),
        (
            "components:\n  - {id: a, name: nowhere}\n",
            "line 2, column 5: component 'a': there is no component",
        ),
        (
            "components:\n  - {id: inputs, name: x}\n",
            "line 2, column 10: 'inputs' stands for the package itself",
        ),
        ("components:\n  - {id: a-b, name: x}\n", "line 2, column 10: 'a-b' is no id"),
        ("components:\n  - {id: a}\n", "line 2, column 5: a component has a name"),
        (
            "components:\n  - {id: a, name: x}\n  - {id: a, name: x}\n",
            "line 3, column 10: the id 'a' is that of",
        ),
        ("components:\n  - {id: a, name: x, if: y}\n", "line 2, column 22: unknown field 'if'"),
        ("components: a\n", "line 1, column 13: expected a list"),
        ("a: 1\n", "line 1, column 1: this is neither a server nor a package of components"),
        ("mcpServers: {a: {}}\n", "line 1, column 17: a server has a command or a url, neither is there"),
        ("mcpServers: {a: {url: 'ftp://x'}}\n", "this is no http or https URL"),
    ],
)
async def test_a_document_that_is_neither_package_nor_server_is_refused_with_its_line(
    world: World, document: str, told: str
) -> None:
    found = await refused(world, document)

    assert told in found[0]


async def test_a_secret_in_a_server_that_is_wrong_is_not_repeated(world: World) -> None:
    found = await refused(world, "mcpServers: {a: {command: x, env: {PIN: 987654}}}\n")

    assert "expected a string" in found[0]
    assert "987654" not in found[0]


async def test_a_server_is_no_package(world: World) -> None:
    found = await package(world, {"mcpServers": {"a": {"command": "server", "type": "stdio"}}})

    assert not found.HasField("package")


async def test_what_somebody_may_not_see_cannot_be_packed(world: World) -> None:
    made = await world.definition()
    await world.version(made.name)
    target = await world.definition(OTHER_EDITOR, type="MCP")
    version = component_pb2.Version(
        version="1.0.0", mcp=mcp({"components": [{"id": "a", "name": made.name}]})
    )

    error = await world.refused(
        "CreateVersion", pb.CreateVersionRequest(definition_id=target.name, version=version), OTHER_EDITOR
    )

    assert f"there is no component '{made.name}'" in error.message


async def test_what_somebody_may_not_see_is_not_suggested_to_them(world: World) -> None:
    hidden = world.name("unseen-by-others")
    await world.definition(OTHER_EDITOR, name=hidden, visibility="PRIVATE")
    seen = await script(world, LOAD, stem="seen-by-others")
    near = f"{hidden[:-1]}x"
    source = f"name: {world.name('flow')}\nsteps:\n  - {{id: a, component: {near}}}\n"

    told = await refused(world, {"components": [{"id": "a", "name": near}]})
    also = await refused(world, {"components": [{"id": "a", "name": f"{seen}x"}]})
    error = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source=source))

    assert hidden not in " ".join([*told, error.message, *(one.description for one in error.fields)])
    assert f"did you mean {seen}?" in also[0]


async def test_what_a_package_is_made_of_cannot_be_deleted_before_it(world: World) -> None:
    document = await two(world)
    found = await package(world, document)
    name = document["components"][0]["name"]

    error = await world.refused("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=name), ADMIN)
    for one in (found.version.definition_id, name):
        await world.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=one), ADMIN)

    assert error.reason == "DEFINITION_IN_USE"
    assert f"the packages {found.version.definition_name}" in error.message


async def test_a_package_is_no_component_of_itself(world: World) -> None:
    first = await package(world, await two(world))
    name = first.version.definition_name
    outer = await package(world, {"components": [{"id": "inner", "name": name}]})
    around = {"components": [{"id": "again", "name": outer.version.definition_name}]}

    error = await world.refused(
        "CreateVersion",
        pb.CreateVersionRequest(
            definition_id=name, version=component_pb2.Version(version="2.0.0", mcp=mcp(around))
        ),
    )

    assert "a package is no component of itself" in error.message


async def test_a_workflow_knows_what_a_package_takes_and_counts_what_is_inside(world: World) -> None:
    found = await package(world, await two(world), visibility="PUBLIC")
    name = found.version.definition_name
    source = f"name: {world.name('flow')}\nsteps:\n  - id: p\n    component: {name}\n    retry: {{maxAttempts: 2}}\n"

    error = await world.refused("CreateWorkflow", pb.CreateWorkflowRequest(source=source))
    assert "the input 'city' is missing" in error.message
    assert "retry would have no effect on a package of components" in error.message


async def test_packages_lie_inside_each_other_only_so_deep(world: World) -> None:
    name = (await package(world, await two(world))).version.definition_name
    for _ in range(5):
        found = await package(world, {"components": [{"id": "inner", "name": name}]})
        name = found.version.definition_name

    told = await refused(world, {"components": [{"id": "inner", "name": name}]})

    assert "inside each other 6 deep here" in told[0]
    assert jsonvalue.from_struct(found.version.input_schema)["required"] == ["city", "least"]


async def test_what_a_package_is_made_of_has_to_be_lent_to_its_owner_when_it_runs(world: World) -> None:
    inner = await script(world, "def main() -> int:\n    return 1\n", caller=OTHER_EDITOR)
    found = await package(world, {"components": [{"id": "a", "name": inner}]}, visibility="PUBLIC")
    name = found.version.definition_name
    flow = await world.workflow(f"name: {world.name('flow')}\nsteps: [{{id: p, component: {name}}}]\n")
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
