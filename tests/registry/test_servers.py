"""MCP servers as components: what their configs may say, and what they take and answer."""

import json
from typing import Any

import pytest

from chassis import jsonvalue
from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import World

ONE = {"mcpServers": {"clock": {"command": "python", "args": ["clock.py"]}}}
TWO = {"mcpServers": {"clock": {"command": "clock"}, "maps": {"url": "https://maps.example.com/mcp"}}}
PACKAGE = {"components": [{"id": "a", "name": "nowhere"}]}


def config(document: Any, **more: Any) -> component_pb2.McpConfig:
    """A config of this document."""
    return component_pb2.McpConfig(mcp_configuration=json.dumps(document), **more)


def files(*paths: str) -> list[component_pb2.McpConfig.File]:
    """Files at these paths."""
    return [component_pb2.McpConfig.File(path=path, content="") for path in paths]


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        (config(TWO), "server", "the document has several servers; name the one to use: clock, maps"),
        (config(ONE, server="maps"), "server", "there is no server 'maps' in the document; there is: clock"),
        (config(PACKAGE, tool="now"), "tool", "is for MCP servers, and the document is a package"),
        (
            config({"command": "clock", "args": ["--key=${secret:key}"]}),
            "mcp_configuration",
            "takes secrets in env and headers only",
        ),
        (
            config({"command": "clock", "env": {"KEY": "${secret:My Key}"}}),
            "mcp_configuration",
            "'KEY' in the env of the server 'server' names no secret; write ${secret:measures-key}",
        ),
        (
            config({"url": "https://maps.example.com/", "headers": {"key": "Bearer ${secret:key"}}),
            "mcp_configuration",
            "'key' in the headers of the server 'server' names no secret",
        ),
        (
            config({"command": "clock", "env": {f"K{n}": f"${{secret:key-{n}}}" for n in range(21)}}),
            "mcp_configuration",
            "asks for more than 20 secrets",
        ),
        (
            config({"url": "http://2130706433/"}),
            "mcp_configuration",
            "line 1, column 9: '2130706433' is neither a name nor an address",
        ),
        (config({"url": "http://0x7f.1/"}), "mcp_configuration", "'0x7f.1' is neither a name nor an address"),
        (config(ONE, files=files("../clock.py")), "files[0].path", "is a path inside the server's folder"),
        (config(ONE, files=files("a.py", "a.py")), "files[1].path", "'a.py' is there already"),
        (config(ONE, requirements="-r more.txt"), "requirements", "line 1: '-r' is an option"),
    ],
    ids=[
        "several",
        "unknown",
        "package",
        "secret",
        "name",
        "open",
        "many",
        "decimal",
        "hex",
        "outside",
        "twice",
        "requirements",
    ],
)
async def test_a_config_that_no_step_could_follow_is_refused_with_its_field(
    world: World, given: component_pb2.McpConfig, field: str, told: str
) -> None:
    made = await world.definition(type="MCP")
    version = component_pb2.Version(version="1.0.0", mcp=given)

    error = await world.refused(
        "CreateVersion", pb.CreateVersionRequest(definition_id=made.name, version=version)
    )

    assert [one.field for one in error.fields] == [f"version.mcp.{field}"]
    assert told in error.fields[0].description


async def test_a_version_reaches_the_server_that_it_uses_beside_the_hosts_it_declares(world: World) -> None:
    made = await world.definition(type="MCP")

    far = await world.version(made.name, mcp=config(TWO, server="maps"), network_hosts=["b.example.com"])
    plain = {"url": "http://127.77.0.1:7000/mcp"}
    near = await world.version(made.name, version="1.1.0", mcp=config(plain))
    none = await world.version(made.name, version="1.2.0", mcp=config(TWO, server="clock"))

    assert far.network_hosts == ["b.example.com", "maps.example.com"]
    assert near.network_hosts == ["127.77.0.1:7000"]
    assert not none.network_hosts


async def test_a_servers_version_takes_a_tool_and_arguments_unless_it_names_the_tool(world: World) -> None:
    made = await world.definition(type="MCP")

    any_tool = await world.version(made.name, mcp=config(TWO, server="maps"))
    one_tool = await world.version(made.name, version="1.1.0", mcp=config(ONE, tool="now"))

    takes: Any = jsonvalue.from_struct(any_tool.input_schema)
    answers: Any = jsonvalue.from_struct(one_tool.output_schema)
    assert takes["properties"].keys() == {"tool", "arguments"}
    assert not one_tool.HasField("input_schema")
    assert answers["required"] == ["content", "is_error", "structured"]
