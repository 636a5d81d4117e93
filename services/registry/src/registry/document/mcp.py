"""The document of an MCP component: what to start or dial, as MCP clients write it, or a package of components."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from chassis import hosts, source
from chassis.source import Node, UnreadableError
from registry.document.reader import WRONG, Read, Reader
from registry.document.values import anything, listed, text, values
from registry.domain.packages import (
    MAX_COMPONENTS,
    MAX_CONNECTIONS,
    RESERVED,
    Component,
    Connection,
    Package,
)
from registry.domain.problems import Problem

__all__ = ["McpServer", "McpServers", "Parsed", "parse"]

_ID: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_OF_PACKAGE: Final = frozenset({"components", "connections"})
_OF_SERVERS: Final = ("mcpServers", "mcp_servers", "servers")
_IGNORED: Final = frozenset({"type", "transport"})
"""What some clients write beside a command or a url, which says as much."""
_OF_SERVER: Final = frozenset({"command", "args", "env", "url", "headers"})


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server: a `command` with its arguments and environment, or a `url` with the headers to send."""

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class McpServers:
    """The servers of a document, in its order."""

    servers: tuple[McpServer, ...] = ()


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a document describes, as far as it could be read, and what could not."""

    content: Package | McpServers
    problems: tuple[Problem, ...] = ()
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each field by its path, e.g. `connections[1].target`."""

    def placed(self, problem: Problem) -> Problem:
        """The problem with its line and column, or those of the nearest thing around it."""
        path = problem.field
        while path and path not in self.places:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        line, column = (problem.line, problem.column) if problem.line else self.places.get(path, (1, 1))
        return Problem("", problem.field, problem.message, problem.fix, line, column)


def parse(document: str) -> Parsed:
    """What `document` (YAML or JSON) describes: a package when it has `components`, else servers.

    Raises UnreadableError when it is neither.
    """
    root = source.read(document)
    if not isinstance(root.value, dict):
        raise UnreadableError(f"expected a mapping, found {root.kind}", root.line, root.column)
    reader = Reader()
    content = _package(reader, root) if root.value.keys() & _OF_PACKAGE else _servers(reader, root)
    return Parsed(content, tuple(reader.problems), reader.places)


def _package(reader: Reader, root: Node) -> Package:
    given = reader.record(root, "", _PACKAGE)
    components: tuple[Component, ...] = given.get("components", ())
    if reader.problems:
        return Package()
    if not components:
        reader.refuse("components", root, "a package has at least one component", "add one with id and name")
    seen: dict[str, int] = {}
    for number, one in enumerate(components):
        path = f"components[{number}].id"
        node = Node(None, *reader.places.get(path, (root.line, root.column)))
        if one.id in seen:
            text_ = f"the id {one.id!r} is that of components[{seen[one.id]}] too"
            reader.refuse(path, node, text_, "choose another")
        seen.setdefault(one.id, number)
    return Package(components, given.get("connections", ()))


def _id(reader: Reader, node: Node, path: str) -> Any:
    """A component's id."""
    found = text(reader, node, path)
    if found is WRONG:
        return WRONG
    if found in RESERVED:
        return reader.refuse(path, node, f"{found!r} stands for the package itself", "choose another id")
    if not _ID.fullmatch(found):
        fix = "write letters, digits and _, not beginning with a digit; at most 63"
        return reader.refuse(path, node, f"{found[:100]!r} is no id", fix)
    return found


def _version(reader: Reader, node: Node, path: str) -> Any:
    """How much of a version: 1, "1.2" or 1.2.0."""
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return str(node.value)
    return text(reader, node, path)


def _component(reader: Reader, node: Node, path: str) -> Any:
    """One component."""
    before = len(reader.problems)
    given = reader.record(node, path, _COMPONENT)
    missing = [words for name, words in (("id", "an id"), ("name", "a name")) if not given.get(name)]
    if missing and len(reader.problems) == before:
        fix = "write id: load and name: with the name of what runs"
        reader.refuse(path, node, f"a component has {' and '.join(missing)}", fix)
    if len(reader.problems) > before:
        return WRONG
    version = given.get("version", "")
    component = f"{given['name']}@{version}" if version else given["name"]
    return Component(given["id"], component, given.get("with", {}))


def _connection(reader: Reader, node: Node, path: str) -> Any:
    """One connection."""
    before = len(reader.problems)
    given = reader.record(node, path, _CONNECTION)
    missing = [name for name in _CONNECTION if not given.get(name)]
    if missing and len(reader.problems) == before:
        fix = "write source: load.output and target: count.rows"
        reader.refuse(path, node, f"a connection has a {' and a '.join(missing)}", fix)
    return WRONG if len(reader.problems) > before else Connection(given["source"], given["target"])


def _several(one: Read, most: int) -> Read:
    """Reads a list of at most so many of what `one` reads."""
    read = listed(one)

    def several(reader: Reader, node: Node, path: str) -> Any:
        if isinstance(node.value, list) and len(node.value) > most:
            return reader.refuse(path, node, f"there are more than {most:,}", "split the package")
        return read(reader, node, path)

    return several


_COMPONENT: Final[Mapping[str, Read]] = {"id": _id, "name": text, "version": _version, "with": values}
_CONNECTION: Final[Mapping[str, Read]] = {"source": text, "target": text}
_PACKAGE: Final[Mapping[str, Read]] = {
    "version": anything,
    "components": _several(_component, MAX_COMPONENTS),
    "connections": _several(_connection, MAX_CONNECTIONS),
}


def _servers(reader: Reader, root: Node) -> McpServers:
    entries = root.value if isinstance(root.value, dict) else {}
    key = next((name for name in _OF_SERVERS if name in entries), "")
    if key:
        node = entries[key].node
        reader.places[key] = (node.line, node.column)
        for name, entry in entries.items():
            if name != key:
                place = Node(None, entry.line, entry.column)
                reader.refuse(name, place, f"unknown field {name!r}", f"write only {key}")
        if not isinstance(node.value, dict) or not node.value:
            reader.expected(node, key, "a mapping of servers by name", "add one with command or url")
            return McpServers()
        named = [(name, entry.node, f"{key}.{name}") for name, entry in node.value.items()]
    elif entries.keys() & _OF_SERVER:
        named = [("server", root, "")]
    else:
        fix = "write mcpServers with a server by name, or components and connections"
        reader.refuse("", root, "this is neither a server nor a package of components", fix)
        return McpServers()
    return McpServers(tuple(_found(reader, named)))


def _found(reader: Reader, named: list[tuple[str, Node, str]]) -> Iterator[McpServer]:
    for name, node, path in named:
        before = len(reader.problems)
        given = reader.record(node, path, _SERVER, _IGNORED)
        if len(reader.problems) == before and bool(given.get("command")) == bool(given.get("url")):
            both = "not both" if given.get("url") else "neither is there"
            reader.refuse(path, node, f"a server has a command or a url, {both}", "write one of them")
        yield McpServer(name, **given)


def _words(reader: Reader, node: Node, path: str) -> Any:
    """Strings by name. What they are is never told: they may be secrets."""
    if not isinstance(node.value, dict):
        return reader.expected(node, path, "a mapping", "write name: value below it")
    for key, entry in node.value.items():
        if not isinstance(entry.node.value, str):
            reader.expected(entry.node, f"{path}.{key}", "a string", "put it in quotes")
    return {key: entry.node.value for key, entry in node.value.items() if isinstance(entry.node.value, str)}


def _url(reader: Reader, node: Node, path: str) -> Any:
    """An address."""
    found = text(reader, node, path)
    if found is WRONG:
        return WRONG
    try:
        parts = urlsplit(found)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
        if is_one and "@" not in parts.netloc and "$" not in parts.netloc:  # of which more is said elsewhere
            hosts.of_url(found)
    except hosts.HostError as error:
        return reader.refuse(path, node, str(error), "")
    except ValueError:
        is_one = False
    return found if is_one else reader.refuse(path, node, "this is no http or https URL", "write https://…")


_SERVER: Final[Mapping[str, Read]] = {
    "command": text,
    "args": listed(text),
    "env": _words,
    "url": _url,
    "headers": _words,
}
