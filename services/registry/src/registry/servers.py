"""MCP servers on their way in: which of a document's servers it is, and what its config says beside the document."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from chassis import hosts
from chassis.source import UnreadableError
from registry.configs import ConfigProblem
from registry.document import mcp
from registry.document.mcp import McpServer, McpServers
from registry.inference import DIALECT, Signature

FIELDS: Final = ("tool", "server", "timeout", "call_timeout", "pinned_tools", "requirements", "files")
"""The fields of the config that are for servers."""
_PORTS: Final = {"http": 80, "https": hosts.HTTPS}
_SECRET: Final = "${secret:"  # noqa: S105  # how one is asked for


def of_package(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """What a package of components does not take."""
    for name in FIELDS:
        if config.get(name):
            message = "is for MCP servers, and the document is a package of components; leave it out"
            yield ConfigProblem(name, message)


def problems(config: Mapping[str, Any], found: McpServers) -> Iterator[ConfigProblem]:
    """What is wrong with a config whose document is of servers."""
    names = ", ".join(one.name for one in found.servers)
    wanted = config.get("server", "")
    if wanted and all(one.name != wanted for one in found.servers):
        yield ConfigProblem("server", f"there is no server {wanted!r} in the document; there is: {names}")
    elif not wanted and len(found.servers) > 1:
        yield ConfigProblem("server", f"the document has several servers; name the one to use: {names}")
    for one in found.servers:
        if _SECRET in one.url or any(_SECRET in word for word in (one.command, *one.args)):
            message = f"the server {one.name!r} takes secrets in env and headers only, which nobody sees"
            yield ConfigProblem("mcp_configuration", message)
        if "@" in urlsplit(one.url).netloc:
            what = "holds a user or a password; put ${secret:…} into its headers"
            message = f"the url of the server {one.name!r} {what}"
            yield ConfigProblem("mcp_configuration", message)


def signature(config: Mapping[str, Any]) -> Signature:
    """What a step takes and answers, as far as the config says: a tool's own schema is known to its server alone."""
    if config.get("tool"):
        return Signature(
            None, _object({"content": {"type": "array"}, "structured": {}, "is_error": {}}, required=True)
        )
    return Signature(
        _object({"tool": {"type": "string"}, "arguments": {"type": "object"}}, closed=True), None
    )


def chosen(config: Mapping[str, Any], found: McpServers) -> McpServer | None:
    """The server that steps use; None where the config does not say."""
    wanted = config.get("server", "")
    named = [one for one in found.servers if not wanted or one.name == wanted]
    return named[0] if len(named) == 1 else None


def host(config: Mapping[str, Any]) -> str:
    """What the server that steps use is reached at, as versions declare hosts; empty when it is none by URL.

    What cannot be read is told elsewhere.
    """
    try:
        found = mcp.parse(str(config.get("mcp_configuration", ""))).content
        server = chosen(config, found) if isinstance(found, McpServers) else None
        if server is None or not server.url:
            return ""
        url = urlsplit(server.url)
        return str(hosts.parse(url.netloc.rpartition("@")[2], port=_PORTS[url.scheme], family=False))
    except (UnreadableError, ValueError):
        return ""


def _object(properties: dict[str, Any], *, required: bool = False, closed: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"$schema": DIALECT, "type": "object", "properties": properties}
    if required:
        schema["required"] = sorted(properties)
    if closed:
        schema["additionalProperties"] = False
    return schema
