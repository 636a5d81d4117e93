"""Definitions: what a component is, apart from its versions."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from chassis.errors import AlreadyExists, FieldViolation, Invalid, NotFound, Precondition
from registry.domain.common import Users, check_etag, check_immutable, etag, required, search_text

CHANGEABLE: Final = ("display_name", "description", "visibility", "tags", "compliance", "cost_tier", "icon")


@dataclass(frozen=True, slots=True)
class Sent:
    """A definition as a caller sent it."""

    name: str = ""
    display_name: str = ""
    description: str = ""
    type: str = ""
    visibility: str = ""
    tags: tuple[str, ...] = ()
    compliance: tuple[str, ...] = ()
    cost_tier: str = ""
    icon: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """A component as it is stored."""

    id: str
    name: str
    display_name: str
    description: str
    type: str
    owner_id: str
    visibility: str
    tags: tuple[str, ...]
    compliance: tuple[str, ...]
    cost_tier: str
    icon: str
    latest_version: str
    revision: int
    created_at: datetime
    updated_at: datetime
    star_count: int = 0
    deprecated: bool = False
    """Whether there is no version left to use: all that were published are deprecated."""
    starred: bool = False
    """Whether whoever asked for it has starred it."""

    @property
    def etag(self) -> str:
        """Its etag now."""
        return etag(self.id, self.revision)

    @property
    def search(self) -> str:
        """What a word search looks into."""
        return search_text(self.name, self.display_name, self.description, *self.tags)

    def facts(self) -> dict[str, Any]:
        """What the action log keeps of it."""
        return {
            "name": self.name,
            "type": self.type,
            "visibility": self.visibility,
            "owner_id": self.owner_id,
            "display_name": self.display_name,
            "description": self.description,
            "tags": list(self.tags),
            "compliance": list(self.compliance),
            "cost_tier": self.cost_tier,
            "latest_version": self.latest_version,
        }


def create(sent: Sent, *, id: str, owner_id: str, now: datetime) -> Definition:  # noqa: A002
    """The new definition. Raises Invalid when name or type is missing."""
    required("definition.name", sent.name)
    required("definition.type", sent.type)
    return Definition(
        id=id,
        name=sent.name,
        display_name=sent.display_name,
        description=sent.description,
        type=sent.type,
        owner_id=owner_id,
        visibility=sent.visibility or "PRIVATE",
        tags=_unique(sent.tags),
        compliance=_unique(sent.compliance),
        cost_tier=sent.cost_tier or "FREE",
        icon=sent.icon,
        latest_version="",
        revision=1,
        created_at=now,
        updated_at=now,
    )


def sent_to(collection: str, sent: Sent) -> Sent:
    """What was sent to a collection, whose type goes without saying. Raises Invalid for another type."""
    if not collection:
        return sent
    if sent.type in ("", "MCP"):
        return replace(sent, type="MCP")
    text = (
        f"under /{collection} there are MCP components only; create {sent.type} under /api/v1/mcp-definitions"
    )
    raise Invalid("INVALID_FIELD", text, fields=[FieldViolation("definition.type", text)])


def update(current: Definition, sent: Sent, fields: Collection[str], now: datetime) -> Definition:
    """The definition with the sent `fields`; the same one when nothing changes.

    Raises Conflict for a stale etag, Invalid for another name or type.
    """
    check_etag(sent.etag, current.etag, f"definition {current.name!r}")
    check_immutable("definition.name", sent.name, current.name)
    check_immutable("definition.type", sent.type, current.type)
    values: dict[str, Any] = {
        "display_name": sent.display_name,
        "description": sent.description,
        "visibility": sent.visibility or "PRIVATE",
        "tags": _unique(sent.tags),
        "compliance": _unique(sent.compliance),
        "cost_tier": sent.cost_tier or "FREE",
        "icon": sent.icon,
    }
    changed = replace(current, **{name: value for name, value in values.items() if name in fields})
    if changed == current:
        return current
    return replace(changed, revision=current.revision + 1, updated_at=now)


def with_latest(current: Definition, latest: str, now: datetime) -> Definition:
    """The definition once a version was published, deprecated or restored: `latest` is the newest that is left, empty
    when none is. The same one when nothing changes.
    """
    if (latest, not latest) == (current.latest_version, current.deprecated):
        return current
    return replace(
        current, latest_version=latest, deprecated=not latest, revision=current.revision + 1, updated_at=now
    )


def transferred(current: Definition, owner_id: str, now: datetime) -> Definition:
    """The definition as somebody else's; the same one when it is theirs already."""
    if owner_id == current.owner_id:
        return current
    return replace(current, owner_id=owner_id, revision=current.revision + 1, updated_at=now)


def require_of(collection: str, definition: Definition, key: str) -> None:
    """Raises NotFound unless the definition belongs to the collection: to `context` those of MCP, to none all."""
    if collection and definition.type != "MCP":
        raise not_found(key)


def not_found(key: str) -> NotFound:
    """The error for a definition that does not exist or that the caller may not see."""
    return NotFound(
        "DEFINITION_NOT_FOUND", f"definition {key!r} does not exist", resource=("definition", key)
    )


def name_taken(name: str) -> AlreadyExists:
    """The error for a name that another definition has."""
    return AlreadyExists(
        "DEFINITION_NAME_TAKEN",
        f"the name {name!r} is taken by another definition",
        resource=("definition", name),
    )


def in_use(definition: Definition, by: Users) -> Precondition:
    """The error for deleting what workflows use; names those that the caller may see."""
    return Precondition(
        "DEFINITION_IN_USE",
        f"definition {definition.name!r} is used by {by.shown}; first they have to be changed or deleted",
        metadata=by.metadata,
        resource=("definition", definition.name),
    )


def _unique(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))
