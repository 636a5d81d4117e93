"""What is in a bundle, as its YAML: fields in the order of the documents, what was not given left out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from google.protobuf import json_format

from chassis.jsonvalue import Json
from registry import semver
from registry.bundles.reading import FORMAT
from registry.bundles.writing import tidy, write
from registry.document.fields import STEP, WORKFLOW
from registry.domain.content import Absent, Content, Step
from registry.domain.definitions import Definition
from registry.domain.versions import Version
from registry.domain.workflows import Draft, Workflow
from registry.wire import workflows as wire

_LABELS: Final = ("display_name", "description", "visibility", "tags", "compliance", "cost_tier", "icon")
_WRITTEN_IN_STEP: Final = (*STEP, "component_version")


def bundle(
    components: Sequence[tuple[Definition, Sequence[Version]]],
    workflows: Sequence[Workflow],
    inside: Collection[str] = (),
) -> str:
    """The document. What runs a workflow that is `inside` the bundle, by name, names it without a version."""
    document: dict[str, Json] = {"bundle": FORMAT}
    if components:
        ordered = sorted(components, key=lambda one: one[0].name)
        document["components"] = [_component(definition, versions) for definition, versions in ordered]
    if workflows:
        by_name = sorted(workflows, key=lambda one: one.name)
        document["workflows"] = [_workflow(one, inside) for one in by_name]
    return write(document)


def _component(definition: Definition, versions: Sequence[Version]) -> dict[str, Json]:
    written: dict[str, Json] = {"name": definition.name, "type": definition.type}
    labels = {name: _plain(getattr(definition, name)) for name in _LABELS}
    written |= {name: value for name, value in labels.items() if value}
    if versions:
        written["versions"] = [_version(one) for one in in_order(versions)]
    return written


def in_order(versions: Sequence[Version]) -> list[Version]:
    """The versions, the lowest first."""
    return sorted(versions, key=lambda one: (semver.parse(one.version), one.version))


def _version(one: Version) -> dict[str, Json]:
    written: dict[str, Json] = {"version": one.version}
    if one.config_field:
        written[one.config_field] = tidy(one.config or {})
    for name, schema in (("input_schema", one.input_schema), ("output_schema", one.output_schema)):
        if schema is not None:
            written[name] = tidy(schema)
    given: dict[str, Json] = {
        "data_sources": [link.name for link in one.data_sources],
        "secrets": [link.name for link in one.secrets],
        "effect": one.effect,
        "tags": list(one.tags),
        "changelog": one.changelog,
    }
    written |= {name: value for name, value in given.items() if value}
    if one.tools:
        written["tools"] = {tool.name: tool.component.partition("@")[2] for tool in one.tools}
    if one.draft:
        written["draft"] = True
    if one.deprecated_at is not None:
        written["deprecated"] = one.deprecation_message
    return written


def _workflow(one: Workflow, inside: Collection[str]) -> dict[str, Json]:
    draft = Draft(one.name, one.display_name, one.description, one.tags, one.visibility, status=one.status)
    message = json_format.MessageToDict(wire.drafted(draft, one.content), preserving_proto_field_name=True)
    message |= _values_of(one.content)
    message["steps"] = [
        _step(step, written, inside)
        for step, written in zip(one.content.steps, message["steps"], strict=True)
    ]
    return {name: message[name] for name in WORKFLOW if name in message}


def _values_of(content: Content) -> dict[str, Json]:
    """What of a content holds values that messages have no exact word for."""
    inputs: dict[str, Json] = {}
    for name, declared in sorted(content.inputs.items()):
        given: dict[str, Json] = {"type": declared.type} if declared.type else {}
        if not isinstance(declared.default, Absent):
            given["default"] = tidy(declared.default)
        inputs[name] = given | ({"description": declared.description} if declared.description else {})
    found: dict[str, Json] = {"inputs": inputs, "outputs": tidy(dict(content.outputs))}
    return {name: value for name, value in found.items() if value}


def _step(step: Step, written: Mapping[str, Any], inside: Collection[str]) -> dict[str, Json]:
    values: dict[str, Any] = dict(written)
    if step.with_:
        values["with"] = tidy(dict(step.with_))
    if not isinstance(step.for_each, Absent):
        values["for_each"] = tidy(step.for_each)
    name = step.workflow.partition("@")[0]
    if name in inside:
        values["workflow"] = name
    ordered = {field: values[field] for field in _WRITTEN_IN_STEP if field in values}
    return {
        field: tidy(dict(value)) if isinstance(value, Mapping) else value for field, value in ordered.items()
    }


def _plain(value: Any) -> Json:
    return list(value) if isinstance(value, tuple) else value
