"""A component on its way in as a document: what is of the definition and of its first version, beside each other.

The contract's names are taken, and those that forms and the console use for the same.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from chassis.errors import FieldViolation, Invalid
from chassis.interceptors.validation import validate
from chassis.source import Node, UnreadableError, read
from mcpanel.registry.v1 import component_pb2
from registry import kinds
from registry.document import messages, values
from registry.document.reader import WRONG, Read, Reader
from registry.domain.problems import Problem, invalid
from registry.resolution import did_you_mean

M = TypeVar("M", bound=Message)

_FIRST: Final = "1.0.0"
"""The version of a document that gives none."""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
_CONFIGS: Final = {one.name for one in component_pb2.Version.DESCRIPTOR.oneofs_by_name["config"].fields}
_WRITTEN_BY_US: Final = frozenset(
    {
        *(
            "id",
            "definition_id",
            "definition_name",
            "owner_id",
            "etag",
            "created_at",
            "updated_at",
            "created_by",
        ),
        *("latest_version", "star_count", "starred", "deprecated", "status", "deprecated_at"),
        *("deprecation_message", "config_digest", "data_sources", "secrets", "is_custom", "tools"),
    }
)
"""Read over, so that an answer can be sent back."""
_OF_DEFINITION: Final = ("display_name", "description", "visibility", "compliance", "cost_tier", "icon")


def _shown(what: str, known: Mapping[str, str]) -> Read:
    """Reads one of the contract's words, or its display name."""

    def read_word(reader: Reader, node: Node, path: str) -> Any:
        if not isinstance(node.value, str):
            return reader.expected(node, path, f"a {what}", f"write one of {', '.join(known.values())}")
        name = kinds.by_word(known).get(node.value.strip().lower())
        if name is not None:
            return name
        return reader.refuse(
            path, node, f"{node.value[:100]!r} is no {what}", did_you_mean(node.value, list(known.values()))
        )

    return read_word


def _name(reader: Reader, node: Node, path: str) -> Any:
    found = values.text(reader, node, path)
    if found is WRONG or _NAME.fullmatch(found):
        return found
    near = re.sub(r"[^a-z0-9]+", "-", found.lower()).strip("-")[:63]
    fix = f"write name: {near}" if _NAME.fullmatch(near) else "begin with a letter"
    message = f"{found[:100]!r} is no name: lower-case letters, digits and -, at most 63"
    return reader.refuse(path, node, message, f"{fix}; what is for show goes into display_name")


@dataclass(frozen=True, slots=True)
class _Component:
    """Reads the fields of a component's document."""

    type: str

    @property
    def fields(self) -> dict[str, Read]:
        """How each field is read."""
        version = messages.fields_of(component_pb2.Version.DESCRIPTOR)
        definition = messages.fields_of(component_pb2.Definition.DESCRIPTOR)
        return {
            "name": _name,
            "type": _shown("component type", kinds.DISPLAY_NAMES),
            "display_name": values.text,
            "description": values.text,
            "visibility": _shown("visibility", kinds.VISIBILITIES),
            "cost_tier": _shown("cost tier", kinds.COST_TIERS),
            "icon": values.text,
            "tags": definition["tags"],
            "compliance": definition["compliance"],
            **{name: read for name, read in version.items() if name not in _WRITTEN_BY_US | {"type", "tags"}},
            "input_schema": messages.schema,
            "output_schema": messages.schema,
            "type_specific_data": self._specific,
        }

    def _specific(self, reader: Reader, node: Node, path: str) -> Any:
        """The console's `typeSpecificData`: the config's fields as they are, or in a mapping that bears the type."""
        if not self.type:
            return reader.refuse(
                path, node, "means nothing without a type", "add type: Python Script, or another"
            )
        name = kinds.CONFIG_FIELDS[self.type]
        reader.places.setdefault(name, (node.line, node.column))
        config = component_pb2.Version.DESCRIPTOR.fields_by_name[name].message_type
        inside: dict[str, Any] = {}

        def nested(reader: Reader, node: Node, _: str) -> Any:
            inside.update(reader.record(node, name, messages.fields_of(config)))
            return WRONG

        fields = dict(messages.fields_of(config))
        alias = {"LLM_PROMPT_AGENT": "llm_prompt", "STREAMLIT_APP": "streamlit_app_data"}.get(self.type)
        if alias:
            fields[alias] = nested
        if "mcp_configuration" in fields:
            fields["mcp_configuration"] = _configuration
        return reader.record(node, name, fields) | inside


def _configuration(reader: Reader, node: Node, path: str) -> Any:
    """The text of a configuration document, or the document itself."""
    if isinstance(node.value, dict):
        return json.dumps(values.anything(reader, node, path))
    return values.text(reader, node, path)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """The fields of a document by the contract's names, and where they are."""

    values: dict[str, Any]
    reader: Reader

    def message(self, kind: type[M], names: Collection[str]) -> M:
        """The message that these fields make. Raises Invalid INVALID_DOCUMENT naming what breaks its rules."""
        chosen = {name: one for name, one in self.values.items() if name in names}
        made = kind()
        try:
            json_format.ParseDict(chosen, made)
            validate(made)
        except json_format.ParseError as error:
            self.refuse([Problem("", "", str(error))])
        except Invalid as error:
            self.refuse([_breach(one) for one in error.fields])
        return made

    def refuse(self, problems: list[Problem]) -> None:
        """Raises Invalid INVALID_DOCUMENT when there are problems; each with its place."""
        if problems:
            placed = [one if one.line else _placed(self.reader, one) for one in problems]
            placed.sort(key=lambda one: (one.line, one.column))
            raise invalid(placed, "source", "INVALID_DOCUMENT", rest="")


def _breach(violation: FieldViolation) -> Problem:
    """What breaks a rule, by the name of its field: the place alone says little where the field is missing."""
    name = violation.field
    if violation.reason == "STRING_MIN_LEN":
        around, _, own = name.rpartition(".")
        written = f"{around}: {{{own}: …}}" if around else f"{own}: …"
        console = f", or typeSpecificData: {{{own}: …}}" if around in _CONFIGS else ""
        return Problem("", name, f"{name} is required", f"add {written}{console}")
    return Problem("", name, f"{name} {violation.description}")


def _placed(reader: Reader, problem: Problem) -> Problem:
    """The problem where its field is, or the nearest thing around that."""
    path = problem.field
    while path and path not in reader.places:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    line, column = reader.places.get(path, (1, 1))
    return replace(problem, line=line, column=column)


def _parse(text: str, type_: str = "", *, default: str = "", of_version: bool = False) -> _Parsed:
    try:
        root = read(text)
        if not isinstance(root.value, dict):
            raise UnreadableError(f"a component is a mapping, not {root.kind}", root.line, root.column)
    except UnreadableError as error:
        problem = Problem("", "", error.message, "correct the document there", error.line, error.column)
        raise invalid([problem], "source", "INVALID_DOCUMENT") from None
    _take_out_nulls(root)
    reader = Reader()
    entry = root.value.get("type")
    told = entry.node.value if entry is not None else ""
    named = kinds.by_word(kinds.DISPLAY_NAMES).get(told.strip().lower(), "") if isinstance(told, str) else ""
    component = _Component(type_ or named or default)
    found = reader.record(root, "", component.fields, _WRITTEN_BY_US)
    specific = found.pop("type_specific_data", None)
    parsed = _Parsed(found, reader)
    problems = list(reader.problems)
    if specific is not None and component.type:
        name = kinds.CONFIG_FIELDS[component.type]
        if name in found:
            problems.append(
                Problem("", name, f"typeSpecificData and {name} say the same twice", "keep one of them")
            )
        found[name] = specific
    given = sorted(_CONFIGS & found.keys())
    problems += [
        Problem("", one, f"a version has one config, and {given[0]} is given too", "keep the one of its type")
        for one in given[1:]
    ]
    if of_version:
        problems += [
            Problem(
                "", one, "belongs to the component, not to a version", "take it out, or use UpdateDefinition"
            )
            for one in _OF_DEFINITION
            if one in found
        ]
    parsed.refuse(problems)
    return parsed


def _take_out_nulls(node: Node) -> None:
    """Forms send null for what was not filled in."""
    if isinstance(node.value, dict):
        node.value = {key: entry for key, entry in node.value.items() if entry.node.value is not None}
        for key, entry in node.value.items():
            if key in ("typeSpecificData", "type_specific_data"):
                _take_out_nulls(entry.node)


def component(text: str, type_: str = "") -> tuple[component_pb2.Definition, component_pb2.Version | None]:
    """The definition, and the version where there is something of one, of a component's document; `type_` is its type
    where it says none.

    Raises Invalid INVALID_DOCUMENT naming every problem with its line and column.
    """
    parsed = _parse(text, default=type_)
    definition = parsed.message(component_pb2.Definition, {"name", "type", "tags", *_OF_DEFINITION})
    of_version = parsed.values.keys() - {"name", "type", "tags", *_OF_DEFINITION}
    if not of_version:
        return definition, None
    parsed.values.setdefault("version", _FIRST)
    return definition, parsed.message(component_pb2.Version, of_version | {"version"})


def version(text: str, *, name: str, type: str) -> component_pb2.Version:  # noqa: A002  # the word of the contract
    """The version of a document that is for the definition of this name and type.

    Raises Invalid INVALID_DOCUMENT naming every problem with its line and column.
    """
    parsed = _parse(text, type, of_version=True)
    right = {"name": name, "type": type}
    parsed.refuse(
        [
            Problem(
                "", one, f"is {parsed.values[one]!r}, but this is a version of {name} ({type})", "take it out"
            )
            for one in right
            if parsed.values.get(one, right[one]) != right[one]
        ]
    )
    return parsed.message(component_pb2.Version, parsed.values.keys() - right.keys())


def require_one(source: str, field_name: str, *, is_given: bool) -> None:
    """Raises Invalid unless exactly one is there: the message in `field_name`, or a document."""
    if is_given == bool(source):
        text = f"give either {field_name} or source" + (", not both" if is_given else "")
        raise Invalid("INVALID_FIELD", text, fields=[FieldViolation(field_name, text, "REQUIRED")])
