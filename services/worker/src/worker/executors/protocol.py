"""MCP servers: one that a step starts or reaches, whose tools it calls, by `worker.programs.protocol`.

A package of components is an MCP component as well; it runs as its components, and never comes here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from chassis import source
from mcpanel.registry.v1 import component_pb2
from worker.executors.program import BadComponentError, Program, Requirements
from worker.executors.python import requirements
from worker.executors.typescript import modules

_SEVERAL: Final = ("mcpServers", "mcp_servers", "servers")
_OF_NPM: Final = frozenset({"npx", "bunx"})
_FETCHING: Final = frozenset({"npm", "pnpm", "yarn", "bun", "node", "docker", "podman"})


def read(version: component_pb2.Version) -> Program:
    """The version's program. Raises BadComponentError when it names no server."""
    config = version.mcp
    server = _server(config.mcp_configuration, config.server)
    command = server.get("command", "").rpartition("/")[2]
    package = ""
    if command in _OF_NPM:
        package, rest = _package(command, server.get("args", ()))
        command, server = "deno", {**server, "command": "deno", "args": ["run", "-A", package, *rest]}
    if command in _FETCHING:
        raise BadComponentError(
            f"the server's command is {command}, which a step does not have: it installs nothing while it runs. Use a "
            "server in Python, with its packages in the config's requirements; or one in TypeScript, as a file of the "
            "config's files for deno, or as a package of npm for npx; or give the url of a server that runs elsewhere"
        )
    packages = config.requirements
    if command == "uvx":
        packages, rest = _of_python(server.get("args", ()), packages)
        server = {**server, "args": rest}
    code = "\n".join([f'import "{package}";' if package else "", *(one.content for one in config.files)])
    settings: dict[str, Any] = {
        "server": server,
        "tool": config.tool,
        "pinned_tools": dict(config.pinned_tools),
        "files": [{"path": one.path, "content": one.content} for one in config.files],
    }
    if config.HasField("call_timeout"):
        settings["call_timeout"] = config.call_timeout.ToTimedelta().total_seconds()
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="python",
        program="protocol",
        toolbox="protocol",
        config=settings,
        deno=command == "deno",
        requirements=Requirements() if command == "deno" else requirements("", packages),
        modules=modules(code) if command == "deno" else (),
        data_sources={link.name: link.id for link in version.data_sources},
        secrets={link.name: link.id for link in version.secrets},
    )


def _package(command: str, arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The package that `npx` would run, as Deno writes it, and what follows it. Raises BadComponentError."""
    words = [one for one in arguments if one not in ("-y", "--yes", "-q", "--quiet")]
    if not words or words[0].startswith("-"):
        raise BadComponentError(
            f"the server's command is {command} with options that a step cannot follow; write the package behind it, "
            "and what the server is told"
        )
    return f"npm:{words[0]}", words[1:]


def _of_python(arguments: Sequence[str], given: str) -> tuple[str, list[str]]:
    """The requirements with the package that `uvx` would run, unless it is among them, and what it runs.

    Raises BadComponentError.
    """
    words = list(arguments)
    spec = words[0] if words else ""
    if spec == "--from" and len(words) > 2:  # the option, its package, the program
        spec, words = words[1], words[2:]
    if not spec or spec.startswith("-"):
        raise BadComponentError(
            "the server's command is uvx with options that a step cannot follow; write the package behind it, and what "
            "the server is told, and more packages into the config's requirements"
        )
    name, _, version = spec.partition("@")
    wanted = f"{name}=={version}" if version and version != "latest" else name
    try:
        known = {canonicalize_name(Requirement(one).name) for one in requirements("", given).packages}
        is_known = canonicalize_name(Requirement(wanted).name) in known
    except InvalidRequirement:
        is_known = False  # which is told where it is read
    return given if is_known else f"{given}\n{wanted}", [words[0].partition("[")[0], *words[1:]]


def _server(document: str, name: str) -> dict[str, Any]:
    """The server of that name, or the only one. Raises BadComponentError."""
    try:
        root = source.plain(source.read(document))
    except source.UnreadableError as error:
        raise BadComponentError(f"the MCP configuration cannot be read: {error}") from None
    servers = _servers(root) if isinstance(root, Mapping) else {}
    if not servers:
        raise BadComponentError(
            "the MCP configuration names no server; write mcpServers, or a command or a url"
        )
    if not name and len(servers) > 1:
        raise BadComponentError(f"the config's server says which it is: {', '.join(sorted(servers))}")
    found = servers.get(name) if name else next(iter(servers.values()))
    if found is None:
        raise BadComponentError(f"there is no server '{name}'; there is: {', '.join(sorted(servers))}")
    return found


def _servers(root: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The servers of a document by name; what else it says is not taken."""
    key = next((one for one in _SEVERAL if one in root), None)
    several = root[key] if key else {"server": root} if {"command", "url"} & root.keys() else {}
    if not isinstance(several, Mapping):
        return {}
    fields = ("command", "args", "env", "url", "headers")
    return {
        name: {"name": name, **{one: each[one] for one in fields if one in each}}
        for name, each in several.items()
        if isinstance(each, Mapping)
    }
