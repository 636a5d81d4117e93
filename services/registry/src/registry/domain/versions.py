"""Versions: immutable, and what is checked before one comes to be."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chassis import hosts
from chassis.errors import AlreadyExists, FieldViolation, Invalid, NotFound, Precondition
from chassis.jsonvalue import Json, canonical
from registry import schemas, semver
from registry.configs import Checked
from registry.domain.common import required
from registry.domain.content import Content
from registry.domain.definitions import Definition
from registry.domain.tools import Tool
from registry.kinds import CONFIG_FIELDS, DISPLAY_NAMES, PACKAGE, WITHOUT_CONFIG

Config = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Link:
    """A data source a version may read, or a secret it may ask for; and the name its step does so by."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Links:
    """What a version names of other services."""

    data_sources: tuple[Link, ...] = ()
    secrets: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """A version as a caller sent it. `config` is the JSON form of the oneof's member `config_field`."""

    version: str = ""
    config_field: str = ""
    config: Config | None = None
    input_schema: Config | None = None
    output_schema: Config | None = None
    data_source_ids: tuple[str, ...] = ()
    secret_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    changelog: str = ""
    effect: str = ""
    draft: bool = False
    network_hosts: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    """Where the config names the data sources and secrets that are written nowhere else, by name."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was found in a version's config, and what it is made of."""

    checked: Checked
    parts: Content | None = None
    """Of a package what it runs as, of an assistant with components as tools a step for each; all pinned."""
    tools: tuple[Tool, ...] = ()
    effect: str = ""
    """What running it again does where its author does not say."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version as it is stored. Lists leave configs and schemas out (None)."""

    id: str
    definition_id: str
    definition_name: str
    type: str
    version: str
    config_field: str
    config: Config | None
    config_digest: str
    input_schema: Config | None
    output_schema: Config | None
    data_sources: tuple[Link, ...]
    tags: tuple[str, ...]
    changelog: str
    created_at: datetime
    created_by: str
    deprecated_at: datetime | None = None
    deprecation_message: str = ""
    secrets: tuple[Link, ...] = ()
    effect: str = ""
    """What running it again may do, in the contract's words; empty: idempotent."""
    parts: Content | None = None
    """What it is made of, see Made."""
    draft: bool = False
    network_hosts: tuple[str, ...] = ()
    """The hosts its steps may reach, in the one form of `chassis.hosts`, sorted."""
    tools: tuple[Tool, ...] = ()
    """Of an assistant: the components that it may call. Lists leave them out."""

    @property
    def package(self) -> Content | None:
        """Of a package of components: what it runs as, with every component pinned."""
        return self.parts if self.type == PACKAGE else None

    @property
    def calls(self) -> tuple[str, ...]:
        """Of an assistant: the exact components that it may call, by name and version."""
        return tuple(one.component for one in self.tools)

    @property
    def status(self) -> str:
        """Where it stands, in the contract's words."""
        if self.draft:
            return "DRAFT"
        return "PUBLISHED" if self.deprecated_at is None else "DEPRECATED"

    def facts(self) -> dict[str, Any]:
        """What the action log keeps of it: never the code, which its digest names."""
        return {
            "definition_id": self.definition_id,
            "definition": self.definition_name,
            "type": self.type,
            "version": self.version,
            "config_digest": self.config_digest,
            "data_sources": [link.name for link in self.data_sources],
            "secret_names": [link.name for link in self.secrets],
            "tags": list(self.tags),
            "changelog": self.changelog,
            "effect": self.effect,
            "status": self.status,
            "network_hosts": list(self.network_hosts),
            "deprecated_at": self.deprecated_at,
            "deprecation_message": self.deprecation_message,
            **({} if self.parts is None else {"components": _components(self.parts)}),
        }


def _components(parts: Content) -> list[str]:
    """The exact components that a version is made of, by name and version."""
    return [
        f"{step.component.partition('@')[0]}@{step.pin.version}"
        for step in parts.steps
        if step.pin is not None
    ]


def create(
    definition: Definition,
    sent: Sent,
    links: Links,
    made: Made,
    *,
    id: str,  # noqa: A002
    created_by: str,
    now: datetime,
    path: str = "version",
) -> Version:
    """The new version of `definition`, its schemas inferred where they can be. `made` is of its config.

    Raises Invalid: CONFIG_TYPE_MISMATCH, or INVALID_FIELD naming every field that is wrong; `path` is where the
    version lies in the request.
    """
    required(f"{path}.version", sent.version)
    violations = []
    try:
        semver.parse(sent.version)
    except ValueError as error:
        violations.append(FieldViolation(f"{path}.version", str(error), "INVALID_VERSION"))
    _check_config_type(definition, sent, path)
    inferred = made.checked.signature
    violations += [
        FieldViolation(f"{path}.{sent.config_field}.{one.field}".rstrip("."), one.message, "INVALID_CONFIG")
        for one in made.checked.problems
    ]
    for name, schema, problems in (
        ("input_schema", sent.input_schema, schemas.input_problems),
        ("output_schema", sent.output_schema, schemas.problems),
    ):
        if schema is not None:
            violations += [
                FieldViolation(f"{path}.{name}{where}", message, "INVALID_SCHEMA")
                for where, message in problems(schema)
            ]
    reachable, unreadable = _hosts(sent.network_hosts, definition.type, path)
    violations += unreadable
    if violations:
        raise Invalid(
            "INVALID_FIELD",
            "; ".join(f"{one.field}: {one.description}" for one in violations[:5]),
            fields=violations,
        )
    return Version(
        id=id,
        definition_id=definition.id,
        definition_name=definition.name,
        type=definition.type,
        version=sent.version,
        config_field=sent.config_field,
        config=sent.config,
        config_digest=digest(sent.config_field, sent.config),
        input_schema=inferred.input_schema if sent.input_schema is None else sent.input_schema,
        output_schema=inferred.output_schema if sent.output_schema is None else sent.output_schema,
        data_sources=links.data_sources,
        secrets=links.secrets,
        tags=tuple(dict.fromkeys(sent.tags)),
        changelog=sent.changelog,
        effect=sent.effect or made.effect,
        draft=sent.draft,
        network_hosts=reachable,
        created_at=now,
        created_by=created_by,
        parts=made.parts,
        tools=made.tools,
    )


def deprecate(current: Version, message: str, now: datetime) -> Version:
    """The version marked as deprecated; the same one when it was before. Raises Precondition VERSION_IS_DRAFT."""
    if current.draft:
        raise Precondition(
            "VERSION_IS_DRAFT",
            f"{current.definition_name}@{current.version} is a draft, which nobody else uses; publish it first",
            resource=("version", current.id),
        )
    if current.deprecated_at is not None:
        return current
    return replace(current, deprecated_at=now, deprecation_message=message)


def undeprecate(current: Version) -> Version:
    """The version without its deprecation; the same one when it had none."""
    return replace(current, deprecated_at=None, deprecation_message="")


def publish(current: Version) -> Version:
    """The version for everybody; the same one when it was before."""
    return replace(current, draft=False)


def digest(config_field: str, config: Config | None) -> str:
    """The lower-case hex SHA-256 over the canonical bytes of the config and its kind."""
    value: Json = None if config is None else {config_field: config}
    return hashlib.sha256(canonical(value)).hexdigest()


def latest_after(latest: str, added: str) -> str:
    """The newest version once `added` is there; of equal precedence the later one."""
    return semver.newest([latest, added] if latest else [added])


def not_found(key: str) -> NotFound:
    """The error for a version that does not exist or that the caller may not see."""
    return NotFound("VERSION_NOT_FOUND", f"version {key!r} does not exist", resource=("version", key))


def exists(definition: Definition, version: str) -> AlreadyExists:
    """The error for a version that is there already."""
    return AlreadyExists(
        "VERSION_EXISTS",
        f"{definition.name} has a version {version} already, and versions are immutable; choose the next one",
        resource=("version", f"{definition.name}@{version}"),
    )


def _hosts(sent: tuple[str, ...], kind: str, path: str) -> tuple[tuple[str, ...], list[FieldViolation]]:
    """The hosts in one form, each once, sorted; and what is wrong with those that are none."""
    found, violations = set(), []
    for index, text in enumerate(sent):
        try:
            found.add(str(hosts.parse(text)))
        except hosts.HostError as error:
            violations.append(FieldViolation(f"{path}.network_hosts[{index}]", str(error), "INVALID_HOST"))
    if sent and kind == "UTILITY":
        text = "would reach nothing: the engine computes a Utility itself; remove it"
        violations.append(FieldViolation(f"{path}.network_hosts", text, "INVALID_HOST"))
    return tuple(sorted(found)), violations


def _check_config_type(definition: Definition, sent: Sent, path: str) -> None:
    wanted = CONFIG_FIELDS[definition.type]
    if sent.config_field == wanted or (not sent.config_field and definition.type in WITHOUT_CONFIG):
        return
    shown = f"{DISPLAY_NAMES[definition.type]} ({definition.type})"
    if not sent.config_field:
        what = f"add {wanted}, or typeSpecificData to a document; ListComponentTypes has an example"
        text = (
            f"a version of {definition.name!r}, which is of type {shown}, needs the config {wanted}: {what}"
        )
        raise Invalid(
            "CONFIG_TYPE_MISMATCH",
            text,
            fields=[FieldViolation(f"{path}.{wanted}", f"is required: {what}", "REQUIRED")],
        )
    text = f"definition {definition.name!r} is of type {shown} and takes {wanted}, not {sent.config_field}"
    raise Invalid(
        "CONFIG_TYPE_MISMATCH",
        text,
        metadata={"definition_type": definition.type, "config": sent.config_field, "expected": wanted},
        fields=[FieldViolation(f"{path}.{sent.config_field}", text, "CONFIG_TYPE_MISMATCH")],
    )
