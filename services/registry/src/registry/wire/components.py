"""Definitions and versions."""

from collections.abc import Iterable
from typing import Any, Final

from google.protobuf import json_format

from chassis import jsonvalue
from chassis.errors import FieldViolation, Invalid
from mcpanel.registry.v1 import component_pb2
from registry import mentions
from registry.domain.definitions import Definition
from registry.domain.definitions import Sent as SentDefinition
from registry.domain.versions import Config, Version
from registry.domain.versions import Sent as SentVersion
from registry.wire.values import enum_name, struct_json, timestamp

_Type: Final = component_pb2.Definition.Type
_Visibility: Final = component_pb2.Definition.Visibility
_CostTier: Final = component_pb2.Definition.CostTier


def sent_definition(message: component_pb2.Definition) -> SentDefinition:
    """What the caller says of a definition."""
    return SentDefinition(
        name=message.name,
        display_name=message.display_name,
        description=message.description,
        type=enum_name(_Type, message.type),
        visibility=enum_name(_Visibility, message.visibility),
        tags=tuple(message.tags),
        compliance=tuple(message.compliance),
        cost_tier=enum_name(_CostTier, message.cost_tier),
        icon=message.icon,
        etag=message.etag,
    )


def definition(one: Definition) -> component_pb2.Definition:
    """The message of a definition."""
    return component_pb2.Definition(
        id=one.id,
        name=one.name,
        display_name=one.display_name,
        description=one.description,
        type=one.type,
        owner_id=one.owner_id,
        visibility=one.visibility,
        tags=one.tags,
        compliance=one.compliance,
        cost_tier=one.cost_tier,
        icon=one.icon,
        etag=one.etag,
        created_at=timestamp(one.created_at),
        updated_at=timestamp(one.updated_at),
        latest_version=one.latest_version,
        star_count=one.star_count,
        starred=one.starred,
        deprecated=one.deprecated,
    )


def definitions(found: Iterable[Definition]) -> list[component_pb2.Definition]:
    """The messages of many."""
    return [definition(one) for one in found]


def sent_version(message: component_pb2.Version, path: str) -> SentVersion:
    """What the caller says of a version, and what its config names; `path` is where it lies in the request."""
    kind = message.WhichOneof("config") or ""
    config = _config(getattr(message, kind), f"{path}.{kind}") if kind else None
    named = mentions.read(kind, config)
    written = {*message.data_source_ids, *message.secret_ids}
    places = {
        name: f"{path}.{kind}.{place}"
        for name, place in (*named.data_sources.items(), *named.secrets.items())
        if name not in written
    }
    return SentVersion(
        version=message.version,
        config_field=kind,
        config=config,
        input_schema=_schema(message, "input_schema", path),
        output_schema=_schema(message, "output_schema", path),
        data_source_ids=_once(message.data_source_ids, named.data_sources),
        secret_ids=_once(message.secret_ids, named.secrets),
        places=places,
        tags=tuple(message.tags),
        changelog=message.changelog,
        effect=message.effect,
        draft=message.draft,
        network_hosts=(*message.network_hosts, *named.hosts),
    )


def _once(*parts: Iterable[str]) -> tuple[str, ...]:
    """All the texts, each once."""
    return tuple(dict.fromkeys(one for part in parts for one in part))


def _config(message: Any, path: str) -> Config:
    try:
        return json_format.MessageToDict(message, preserving_proto_field_name=True)
    except (json_format.SerializeToJsonError, ValueError):
        text = "holds a number that is not finite, which is not JSON"
        raise Invalid("INVALID_FIELD", f"{path} {text}", fields=[FieldViolation(path, text)]) from None


def _schema(message: component_pb2.Version, name: str, path: str) -> Config | None:
    return struct_json(getattr(message, name), f"{path}.{name}") if message.HasField(name) else None


def version(one: Version) -> component_pb2.Version:
    """The message of a version."""
    message = component_pb2.Version(
        id=one.id,
        definition_id=one.definition_id,
        definition_name=one.definition_name,
        type=one.type,
        version=one.version,
        data_source_ids=[link.id for link in one.data_sources],
        data_sources=[component_pb2.DataSourceLink(id=link.id, name=link.name) for link in one.data_sources],
        secret_ids=[link.id for link in one.secrets],
        secrets=[component_pb2.SecretLink(id=link.id, name=link.name) for link in one.secrets],
        tags=one.tags,
        changelog=one.changelog,
        effect=one.effect,
        status=one.status,
        network_hosts=one.network_hosts,
        created_at=timestamp(one.created_at),
        created_by=one.created_by,
        deprecation_message=one.deprecation_message,
        config_digest=one.config_digest,
    )
    if one.config is not None:
        config = getattr(message, one.config_field)
        config.SetInParent()
        json_format.ParseDict(one.config, config)
    if one.input_schema is not None:
        message.input_schema.CopyFrom(jsonvalue.to_struct(one.input_schema))
    if one.output_schema is not None:
        message.output_schema.CopyFrom(jsonvalue.to_struct(one.output_schema))
    for tool in one.tools:
        shown = message.tools.add(
            name=tool.name,
            version_id=tool.version_id,
            component=tool.component,
            description=tool.description,
        )
        if tool.input_schema is not None:
            shown.input_schema.CopyFrom(jsonvalue.to_struct(tool.input_schema))
    if one.deprecated_at is not None:
        message.deprecated_at.CopyFrom(timestamp(one.deprecated_at))
    return message


def versions(found: Iterable[Version]) -> list[component_pb2.Version]:
    """The messages of many."""
    return [version(one) for one in found]
