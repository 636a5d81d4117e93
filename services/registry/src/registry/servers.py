"""MCP servers on their way in: which of a document's servers it is, and what its config says beside the document."""

import re
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
_ASKED: Final = re.compile(r"\$\{secret:([^}]*)(\}?)")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_MOST_SECRETS: Final = 20


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
        yield from _secrets(one)


def _secrets(one: McpServer) -> Iterator[ConfigProblem]:
    """What is wrong with how a server asks for secrets. What stands around them may be one itself, and is not told."""
    for kind, values in (("env", one.env), ("headers", one.headers)):
        for key, text in values.items():
            if any(not end or not _NAME.fullmatch(name) for name, end in _ASKED.findall(text)):
                message = (
                    f"{key!r} in the {kind} of the server {one.name!r} names no secret; write ${{secret:measures-key}} "
                    "with the secret's name, which has lower-case letters, digits and hyphens"
                )
                yield ConfigProblem("mcp_configuration", message)
    if len(_asked(one)) > _MOST_SECRETS:
        message = f"the server {one.name!r} asks for more than {_MOST_SECRETS} secrets; give it fewer"
        yield ConfigProblem("mcp_configuration", message)


def _asked(one: McpServer) -> list[str]:
    texts = [*one.env.values(), *one.headers.values()]
    names = (name for text in texts for name, end in _ASKED.findall(text) if end and _NAME.fullmatch(name))
    return list(dict.fromkeys(names))


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


def of(config: Mapping[str, Any]) -> McpServer | None:
    """The server that steps with this config use; None where there is none. What cannot be read is told elsewhere."""
    try:
        found = mcp.parse(str(config.get("mcp_configuration", ""))).content
    except (UnreadableError, ValueError):
        return None
    return chosen(config, found) if isinstance(found, McpServers) else None


def secrets(server: McpServer) -> list[str]:
    """The names of the secrets that the server asks for, each once; none where they are too many, which is refused."""
    names = _asked(server)
    return names if len(names) <= _MOST_SECRETS else []


def host(server: McpServer) -> str:
    """What the server is reached at, as versions declare hosts; empty when it is none by URL."""
    if not server.url:
        return ""
    try:
        url = urlsplit(server.url)
        return str(hosts.parse(url.netloc.rpartition("@")[2], port=_PORTS[url.scheme], family=False))
    except ValueError:
        return ""


def _object(properties: dict[str, Any], *, required: bool = False, closed: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"$schema": DIALECT, "type": "object", "properties": properties}
    if required:
        schema["required"] = sorted(properties)
    if closed:
        schema["additionalProperties"] = False
    return schema
