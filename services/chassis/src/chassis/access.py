"""Whether somebody may do something to something: decided by one function, and the same rule as SQL for lists.

What a caller may do at all is the method rule's business and was asked before. This is about the single resource: its
owner and whoever reaches what is somebody else's may do everything, whoever a grant names what it says, and everybody
may view what is public. A credential that is narrowed to some resources is narrowed further by the service that reads
its claims.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Final, Literal, get_args

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Index,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    and_,
    or_,
    select,
    true,
)

from chassis.context import Call

SubjectKind = Literal["user", "role", "service_account"]
SUBJECT_KINDS: Final[tuple[SubjectKind, ...]] = get_args(SubjectKind)


class Level(IntEnum):
    """What is done to a resource, as `mcpanel.policy.v1.Resource.Level` numbers it; each takes in those before it."""

    VIEW = 1
    EDIT = 2
    DELETE = 3


class Decision(Enum):
    """What `check` decides."""

    ALLOW = "allow"
    DENY = "deny"
    """The subject may know of the resource, and not do this to it: PERMISSION_DENIED."""
    HIDE = "hide"
    """The subject may not know that the resource exists: NOT_FOUND, as for one that does not."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who wants to do something."""

    id: str
    """The user's or the service account's id; empty for whoever is nobody."""
    roles: frozenset[str] = frozenset()
    reaches_all: bool = False
    """Whether it reaches what is somebody else's."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What counts of the resource."""

    owner_id: str
    is_public: bool


@dataclass(frozen=True, slots=True)
class Grant:
    """What somebody other than the owner may do to one resource."""

    subject_kind: SubjectKind
    subject_id: str
    """The id of the user or the service account, or the role's name."""
    level: Level


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a list's statement finds what counts of its resources."""

    kind: str
    """The kind as grants name it, e.g. `data_source`."""
    id: ColumnElement[Any]
    owner_id: ColumnElement[Any]
    is_public: ColumnElement[bool]


def subject(call: Call) -> Subject:
    """Whose rights count in a call."""
    caller = call.caller.effective
    return Subject(caller.id, caller.roles, call.may_others())


def check(subject: Subject, level: Level, resource: Resource, grants: Iterable[Grant]) -> Decision:
    """Whether the subject may do this to the resource. `grants` are all the resource has."""
    reached = reach(subject, resource, grants)
    if reached is None:
        return Decision.HIDE
    return Decision.ALLOW if reached >= level else Decision.DENY


def reach(subject: Subject, resource: Resource, grants: Iterable[Grant]) -> Level | None:
    """The most that the subject may do to the resource; None when it may not know of it."""
    if subject.reaches_all or (subject.id and subject.id == resource.owner_id):
        return Level.DELETE
    levels = [grant.level for grant in grants if _is_named(subject, grant)]
    if resource.is_public:
        levels.append(Level.VIEW)
    return max(levels, default=None)


def _is_named(subject: Subject, grant: Grant) -> bool:
    if grant.subject_kind == "role":
        return grant.subject_id in subject.roles
    return bool(subject.id) and grant.subject_id == subject.id


def unreachable(
    subject: Subject, resources: Mapping[str, Resource], grants: Mapping[str, Iterable[Grant]]
) -> list[str]:
    """The ids of the resources that the subject may not use; `grants` are those it was given of each."""
    return [
        id_
        for id_, resource in resources.items()
        if check(subject, Level.VIEW, resource, grants.get(id_, ())) is not Decision.ALLOW
    ]


def condition(subject: Subject, level: Level, resource: Columns, grants: Table) -> ColumnElement[bool]:
    """The resources to which the subject may do this: those of which `check` says ALLOW."""
    if subject.reaches_all:
        return true()
    enough = [one.name for one in Level if one >= level]
    granted = select(grants.c.resource_id).where(
        grants.c.kind == resource.kind, grants.c.level.in_(enough), named(subject, grants)
    )
    allowed: list[ColumnElement[bool]] = [resource.id.in_(granted)]
    if subject.id:
        allowed.append(resource.owner_id == subject.id)
    if level == Level.VIEW:
        allowed.append(resource.is_public)
    return or_(*allowed)


def named(subject: Subject, grants: Table) -> ColumnElement[bool]:
    """The grants to the subject, be it by name or by role."""
    found = [and_(grants.c.subject_kind == "role", grants.c.subject_id.in_(sorted(subject.roles)))]
    if subject.id:
        found.append(and_(grants.c.subject_kind != "role", grants.c.subject_id == subject.id))
    return or_(*found)


def tables(metadata: MetaData) -> Table:
    """Adds `grants` to the metadata of a service whose resources can be shared, or returns it when it is there already.

    A grant goes with its resource, in the transaction that deletes that.
    """
    if "grants" in metadata.tables:
        return metadata.tables["grants"]
    return Table(
        "grants",
        metadata,
        Column("id", String(36), primary_key=True),
        Column("kind", String(32), nullable=False, comment="what the resource is, e.g. data_source"),
        Column("resource_id", String(36), nullable=False),
        Column("subject_kind", String(16), nullable=False),
        Column("subject_id", String(63), nullable=False, comment="an id, or a role's name"),
        Column("level", String(8), nullable=False),
        Column("created_by", String(36), nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        UniqueConstraint("kind", "resource_id", "subject_kind", "subject_id"),
        Index(None, "subject_id", "kind"),
        CheckConstraint(f"subject_kind IN ({_words(SUBJECT_KINDS)})", name="subject_kind"),
        CheckConstraint(f"level IN ({_words(one.name for one in Level)})", name="level"),
    )


def _words(values: Iterable[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)
