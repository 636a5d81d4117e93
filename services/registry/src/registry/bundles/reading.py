"""Reads a bundle strictly: whatever cannot be taken is a problem with line and column."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from google.protobuf import json_format

from chassis import jsonvalue, source
from chassis.errors import Invalid
from chassis.interceptors.validation import validate
from chassis.source import Node, UnreadableError
from mcpanel.registry.v1 import component_pb2
from registry import document, kinds
from registry.bundles.contents import Bundle, ComponentEntry, VersionEntry, WorkflowEntry
from registry.document.reader import WRONG, Read, Reader
from registry.document.values import anything, listed, meant, text, word, yes_or_no
from registry.domain.plans import refused
from registry.domain.problems import Problem
from registry.wire import components as wire

FORMAT: Final = 1
"""The number that a bundle begins with: `bundle: 1`."""
MOST_COMPONENTS: Final = 200
MOST_VERSIONS: Final = 500
MOST_WORKFLOWS: Final = 100
_texts: Final = listed(text)
_CONFIGS: Final = tuple(kinds.CONFIG_FIELDS.values())


def taken(content: str) -> Bundle:
    """The bundle that `content` is. Raises Invalid INVALID_DOCUMENT naming each place where it is none."""
    try:
        bundle, problems = read(content)
    except UnreadableError as error:
        place = (error.line, error.column)
        raise refused([Problem("", "", error.message, "correct the document there", *place)]) from None
    if problems:
        raise refused(sorted(problems, key=lambda one: (one.line, one.column)))
    return bundle


def read(content: str) -> tuple[Bundle, list[Problem]]:
    """The bundle that `content` (YAML or JSON) is, and what is wrong with it. Raises UnreadableError."""
    root = source.read(content)
    if not isinstance(root.value, dict):
        raise UnreadableError(f"a bundle is a mapping, not {root.kind}", root.line, root.column)
    reader = Reader()
    found = reader.record(root, "", _BUNDLE)
    if "bundle" not in found and "bundle" not in reader.places:
        reader.refuse("bundle", root, "it does not say that it is a bundle", f"begin with bundle: {FORMAT}")
    bundle = Bundle(found.get("components", ()), found.get("workflows", ()), reader.places)
    _refuse_doubles(reader, bundle)
    if sum(1 for _ in bundle.versions) > MOST_VERSIONS:
        reader.refuse("components", root, f"there are more than {MOST_VERSIONS} versions", "split the bundle")
    return bundle, reader.problems


def _format(reader: Reader, node: Node, path: str) -> Any:
    if node.value == FORMAT and not isinstance(node.value, bool):
        return FORMAT
    return reader.refuse(
        path, node, "this is no format of bundles that is known here", f"write bundle: {FORMAT}"
    )


def _entries(one: Callable[[Reader, Node, str], Any], most: int) -> Read:
    def read_list(reader: Reader, node: Node, path: str) -> Any:
        if not isinstance(node.value, list):
            return reader.expected(node, path, "a list", "begin each with a dash: - name: …")
        if len(node.value) > most:
            return reader.refuse(path, node, f"there are more than {most}", "split the bundle")
        found = []
        for index, item in enumerate(node.value):
            where = f"{path}[{index}]"
            reader.places[where] = (item.line, item.column)
            entry = one(reader, item, where)
            if entry is not WRONG:
                found.append(entry)
        return tuple(found)

    return read_list


def _component(reader: Reader, node: Node, path: str) -> Any:
    given = reader.record(node, path, _COMPONENT)
    if not {"name", "type"} <= given.keys():
        missing = [name for name in ("name", "type") if f"{path}.{name}" not in reader.places]
        if missing and isinstance(node.value, dict):
            reader.refuse(path, node, f"a component has {' and '.join(missing)}", f"add {missing[0]}")
        return WRONG
    entries = given.pop("versions", ())
    message = component_pb2.Definition(**{name: value for name, value in given.items() if value})
    return (
        WRONG
        if _breaks(reader, message, path)
        else ComponentEntry(wire.sent_definition(message), path, entries)
    )


def _version(reader: Reader, node: Node, path: str) -> Any:
    given = reader.record(node, path, _VERSION)
    if "version" not in given:
        if f"{path}.version" not in reader.places and isinstance(node.value, dict):
            reader.refuse(path, node, "a version has a number", "add version: 1.0.0")
        return WRONG
    configs = [name for name in _CONFIGS if name in given]
    if len(configs) > 1:
        return reader.refuse(
            path, node, f"it has {' and '.join(configs)}", "keep the one of the component's type"
        )
    deprecated, tools = given.pop("deprecated", None), given.pop("tools", {})
    data_sources, secrets = (_unique(given.pop(name, ())) for name in ("data_sources", "secrets"))
    schemas = {name: given.pop(name, None) for name in ("input_schema", "output_schema")}
    message = component_pb2.Version(**{name: value for name, value in given.items() if value != ""})
    for name, schema in schemas.items():
        if schema is not None:
            getattr(message, name).CopyFrom(jsonvalue.to_struct(schema))
    if _breaks(reader, message, path):
        return WRONG
    try:
        sent = wire.sent_version(message, path)
    except Invalid as error:
        return reader.refuse(path, node, error.message, "correct it")
    sent = replace(
        sent,
        data_source_ids=_unique([*data_sources, *sent.data_source_ids]),
        secret_ids=_unique([*secrets, *sent.secret_ids]),
    )
    return VersionEntry(sent, path, deprecated, tools)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _config(name: str) -> Read:
    """Reads a config; its fields are those of the contract."""
    kind = component_pb2.Version.DESCRIPTOR.fields_by_name[name].message_type
    fields: Mapping[str, Read] = dict.fromkeys(kind.fields_by_name if kind else (), anything)

    def read_config(reader: Reader, node: Node, path: str) -> Any:
        given = reader.record(node, path, fields)
        try:
            return getattr(json_format.ParseDict({name: given}, component_pb2.Version()), name)
        except json_format.ParseError as error:
            fix = "write it as the component type's schema has it; ListComponentTypes shows that"
            return reader.refuse(path, node, str(error).splitlines()[0][:300], fix)

    return read_config


def _schema(reader: Reader, node: Node, path: str) -> Any:
    if isinstance(node.value, dict):
        return anything(reader, node, path)
    return reader.expected(node, path, "a JSON Schema, a mapping", "write it as a mapping")


def _tools(reader: Reader, node: Node, path: str) -> Any:
    """The exact versions that an assistant calls, by the names of their components."""
    if not isinstance(node.value, dict):
        return reader.expected(
            node, path, "a mapping", "write the component's name, and after it its version"
        )
    found = {name: text(reader, entry.node, f"{path}.{name}") for name, entry in node.value.items()}
    return {name: version for name, version in found.items() if version is not WRONG}


def _type(reader: Reader, node: Node, path: str) -> Any:
    try:
        return kinds.one(node.value if isinstance(node.value, str) else "")
    except ValueError:
        known = tuple(kinds.DISPLAY_NAMES)
        shown = node.value if isinstance(node.value, str) else ""
        return reader.refuse(path, node, f"{shown[:100]!r} is no type of components", meant(shown, known))


def _workflow(reader: Reader, node: Node, path: str) -> Any:
    if not isinstance(node.value, dict):
        return reader.expected(node, path, "a mapping", "write a workflow's fields below it")
    parsed = document.of(node)
    reader.problems += [replace(one, field=f"{path}.{one.field}") for one in parsed.problems]
    reader.places |= {f"{path}.{field}": place for field, place in parsed.places.items()}
    if not parsed.draft.name:
        reader.refuse(path, node, "a workflow of a bundle has a name", "add name")
        return WRONG
    return WorkflowEntry(parsed, path, _pins(node))


def _pins(node: Node) -> dict[str, str]:
    """The exact versions that steps say they ran: `component_version`."""
    plain: Any = source.plain(node)
    found: dict[str, str] = {}
    steps = plain.get("steps")
    for step in steps if isinstance(steps, list) else ():
        version = step.get("component_version") if isinstance(step, dict) else None
        if isinstance(version, str) and isinstance(step.get("id"), str):
            found[step["id"]] = version
    return found


def _breaks(reader: Reader, message: Any, path: str) -> bool:
    """Whether a message breaks the contract's rules; each breach is a problem then, where the field is."""
    try:
        validate(message)
    except Invalid as error:
        for one in error.fields:
            field = f"{path}.{one.field}"
            place = Bundle(places=reader.places).place(field)
            reader.problems.append(Problem("", field, one.description, "", *place))
        return True
    return False


def _refuse_doubles(reader: Reader, bundle: Bundle) -> None:
    groups = [("component", [(one.sent.name, one.path) for one in bundle.components])]
    groups.append(("workflow", [(one.name, one.path) for one in bundle.workflows]))
    groups += [
        (f"version of {one.sent.name}", [(version.sent.version, version.path) for version in one.versions])
        for one in bundle.components
    ]
    for what, entries in groups:
        seen: set[str] = set()
        for name, path in entries:
            if name in seen:
                place = bundle.place(path)
                reader.problems.append(
                    Problem("", path, f"there is another {what} {name!r}", "remove one of them", *place)
                )
            seen.add(name)


_VERSION: Final[Mapping[str, Read]] = {
    "version": text,
    **{name: _config(name) for name in _CONFIGS},
    "input_schema": _schema,
    "output_schema": _schema,
    "data_sources": _texts,
    "secrets": _texts,
    "effect": word("an effect", "pure", "idempotent", "effectful"),
    "tags": _texts,
    "changelog": text,
    "tools": _tools,
    "draft": yes_or_no,
    "deprecated": text,
}
_COMPONENT: Final[Mapping[str, Read]] = {
    "name": text,
    "type": _type,
    "display_name": text,
    "description": text,
    "visibility": word("a visibility", "PUBLIC", "PRIVATE"),
    "tags": _texts,
    "compliance": _texts,
    "cost_tier": word("a cost tier", "FREE", "LOW", "MEDIUM", "HIGH"),
    "icon": text,
    "versions": _entries(_version, MOST_VERSIONS),
}
_BUNDLE: Final[Mapping[str, Read]] = {
    "bundle": _format,
    "components": _entries(_component, MOST_COMPONENTS),
    "workflows": _entries(_workflow, MOST_WORKFLOWS),
}
