"""MCP documents: what they describe, read from any of the forms that clients write."""

from typing import Any

import pytest

from chassis.source import UnreadableError
from registry.document.mcp import McpServer, McpServers, parse
from registry.domain.packages import Component, Connection, Package

STDIO = McpServer("files", "npx", ("-y", "server"), {"ROOT": "/data"})
REMOTE = McpServer("remote", url="https://example.com/mcp", headers={"x-team": "blue"})


@pytest.mark.parametrize(
    ("document", "servers"),
    [
        ("mcpServers: {files: {command: npx, args: [-y, server], env: {ROOT: /data}}}", (STDIO,)),
        ('{"servers": {"files": {"type": "stdio", "command": "npx", "args": ["-y", "server"], '
         '"env": {"ROOT": "/data"}}}}', (STDIO,)),
        ("mcpServers: {remote: {url: 'https://example.com/mcp', headers: {x-team: blue}}}", (REMOTE,)),
        ("command: npx\nargs: [-y]\n", (McpServer("server", "npx", ("-y",)),)),
        ("url: http://localhost:3000/mcp\n", (McpServer("server", url="http://localhost:3000/mcp"),)),
    ],
)  # fmt: skip
def test_servers_are_read_in_their_order(document: str, servers: Any) -> None:
    found = parse(document)

    assert found.problems == ()
    assert found.content == McpServers(servers)


def test_a_package_is_read_with_the_places_of_all_that_is_in_it() -> None:
    found = parse(
        "version: 1.0.0\ncomponents:\n  - {id: a, name: load, version: 1, with: {days: 7}}\n"
        "  - id: b\n    name: count\nconnections:\n  - source: a.output\n    target: b.input\n"
    )

    components = (Component("a", "load@1", {"days": 7}), Component("b", "count"))
    assert found.content == Package(components, (Connection("a.output", "b.input"),))
    assert found.places["components[1]"] == (4, 5)
    assert found.places["connections[0].target"] == (8, 13)


def test_what_a_server_is_given_is_never_shown() -> None:
    shown = repr(parse("mcpServers: {a: {command: x, env: {TOKEN: hidden-token}}}").content)

    assert "hidden-token" not in shown


@pytest.mark.parametrize("document", ["- a", "text", "", "a: 1\na: 2\n", "{"])
def test_what_is_no_mapping_cannot_be_read(document: str) -> None:
    with pytest.raises(UnreadableError):
        parse(document)
