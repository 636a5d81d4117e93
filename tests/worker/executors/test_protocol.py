"""Versions of MCP servers as programs: documents in each of their forms."""

import pytest

from mcpanel.registry.v1 import component_pb2
from worker.executors import BadComponentError, Program, read

TWO = "mcpServers:\n  a: {command: python, args: [a.py], type: stdio}\n  b: {url: 'https://b.example.com/mcp'}\n"


def program(document: str, **config: object) -> Program:
    """The program of a version with this document."""
    version = component_pb2.Version(id="v1", definition_name="tools", type=component_pb2.Definition.MCP)
    version.mcp.CopyFrom(component_pb2.McpConfig(mcp_configuration=document, **config))  # type: ignore[arg-type]
    return read(version)


@pytest.mark.parametrize(
    ("document", "server", "expected"),
    [
        (TWO, "a", {"name": "a", "command": "python", "args": ["a.py"]}),
        (TWO, "b", {"name": "b", "url": "https://b.example.com/mcp"}),
        ('{"servers": {"c": {"command": "c"}}}', "", {"name": "c", "command": "c"}),
        (
            "command: deno\nargs: [run, d.ts]\n",
            "",
            {"name": "server", "command": "deno", "args": ["run", "d.ts"]},
        ),
    ],
)
def test_the_server_of_a_document_is_the_one_that_the_config_names_or_the_only_one(
    document: str, server: str, expected: dict[str, object]
) -> None:
    found = program(document, server=server)

    assert found.config["server"] == expected
    assert found.deno == (expected.get("command") == "deno")


def test_npx_stands_for_deno_with_the_package_fetched_before_the_step() -> None:
    found = program("command: npx\nargs: ['-y', '@fake/files@1', /work]\n")

    assert found.config["server"]["command"] == "deno"
    assert found.config["server"]["args"] == ["run", "-A", "npm:@fake/files@1", "/work"]
    assert found.modules == ("npm:@fake/files@1",)
    assert found.deno


@pytest.mark.parametrize(
    ("arguments", "given", "packages", "starts"),
    [
        ("[sample-server@1.2, --utc]", "", ("sample-server==1.2",), ["sample-server@1.2", "--utc"]),
        ("['sample[cli]@latest']", "", ("sample[cli]",), ["sample"]),
        ("[--from, sample-tools, sample]", "", ("sample-tools",), ["sample"]),
        ("[sample-server]", "Sample_Server>=2", ("Sample_Server>=2",), ["sample-server"]),
    ],
)
def test_uvx_stands_for_a_package_that_is_installed_before_the_step(
    arguments: str, given: str, packages: tuple[str, ...], starts: list[str]
) -> None:
    found = program(f"command: uvx\nargs: {arguments}\n", requirements=given)

    assert found.requirements.packages == packages
    assert found.config["server"]["args"] == starts


@pytest.mark.parametrize(
    ("document", "server", "told"),
    [
        (TWO, "", "which it is: a, b"),
        (TWO, "c", "no server 'c'; there is: a, b"),
        ("a: 1", "", "names no server"),
        (
            "command: /usr/bin/docker\nargs: [run, e]\n",
            "",
            "docker, which a step does not have.* Use a server in Python",
        ),
        ("command: npx\nargs: [--package, e, f]\n", "", "npx with options that a step cannot follow"),
        ("command: npx\nargs: ['git+https://example.com/e']\n", "", "is not a package of npm or JSR"),
    ],
)
def test_a_version_whose_server_no_step_could_start_says_so(document: str, server: str, told: str) -> None:
    with pytest.raises(BadComponentError, match=told):
        program(document, server=server)
