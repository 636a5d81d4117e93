"""Workflows: steps, what they need, and the immutable versions they are saved as."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from chassis.errors import AlreadyExists, NotFound, Precondition
from registry.domain.common import Users, check_etag, check_immutable, etag, required, search_text
from registry.domain.content import EMPTY, Content, Step
from registry.domain.stored import digest

CONTENT: Final = tuple(one.name for one in dataclasses.fields(Content))
"""The fields whose change makes the next version."""
CHANGEABLE: Final = ("display_name", "description", "tags", "visibility", "status", *CONTENT)


@dataclass(frozen=True, slots=True)
class Draft:
    """A workflow as a caller sent it; `present` names the fields that a document sets."""

    name: str = ""
    display_name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    visibility: str = ""
    status: str = ""
    etag: str = ""
    content: Content = EMPTY
    present: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow as it is stored, with the content of one of its versions; lists leave that EMPTY."""

    id: str
    name: str
    display_name: str
    description: str
    tags: tuple[str, ...]
    visibility: str
    owner_id: str
    version: int
    revision: int
    created_at: datetime
    updated_at: datetime
    content: Content = EMPTY
    status: str = "PUBLISHED"

    @property
    def etag(self) -> str:
        """Its etag now."""
        return etag(self.id, self.revision)

    @property
    def search(self) -> str:
        """What a word search looks into."""
        return search_text(self.name, self.display_name, self.description, *self.tags)

    def facts(self) -> dict[str, Any]:
        """What the action log keeps of it: what it runs, not the values it is given."""
        return {
            "name": self.name,
            "version": self.version,
            "visibility": self.visibility,
            "status": self.status,
            "owner_id": self.owner_id,
            "display_name": self.display_name,
            "description": self.description,
            "tags": list(self.tags),
            "inputs": sorted(self.content.inputs),
            "outputs": sorted(self.content.outputs),
            "steps": [_step_facts(step) for step in self.content.steps],
        }


def create(draft: Draft, content: Content, *, id: str, owner_id: str, now: datetime) -> Workflow:  # noqa: A002
    """The new workflow at version 1, with its checked content. Raises Invalid when the name is missing."""
    required("workflow.name", draft.name)
    return Workflow(
        id=id,
        name=draft.name,
        display_name=draft.display_name,
        description=draft.description,
        tags=tuple(dict.fromkeys(draft.tags)),
        visibility=draft.visibility or "PRIVATE",
        owner_id=owner_id,
        version=1,
        revision=1,
        created_at=now,
        updated_at=now,
        content=content,
        status=draft.status or "PUBLISHED",
    )


def merged(current: Workflow, draft: Draft, fields: Collection[str]) -> tuple[Workflow, bool]:
    """The workflow with the sent `fields` put in, unchecked, and whether its content has to be checked.

    Raises Conflict for a stale etag, Invalid for another name.
    """
    check_etag(draft.etag, current.etag, f"workflow {current.name!r}")
    check_immutable("workflow.name", draft.name, current.name)
    values: dict[str, Any] = {
        "display_name": draft.display_name,
        "description": draft.description,
        "tags": tuple(dict.fromkeys(draft.tags)),
        "visibility": draft.visibility or "PRIVATE",
        "status": draft.status or "PUBLISHED",
    }
    labels = {name: value for name, value in values.items() if name in fields}
    parts = {name: getattr(draft.content, name) for name in CONTENT if name in fields}
    return replace(current, **labels, content=replace(current.content, **parts)), bool(parts)


def with_content(workflow: Workflow, content: Content) -> Workflow:
    """The workflow with this content."""
    return replace(workflow, content=content)


def update(current: Workflow, wanted: Workflow, now: datetime) -> Workflow:
    """The workflow after the change: the next version when the content differs, the same one when nothing does."""
    next_version = current.version + (digest(wanted.content) != digest(current.content))
    if next_version == current.version:
        wanted = replace(wanted, content=current.content)
    if wanted == current:
        return current
    return replace(wanted, version=next_version, revision=current.revision + 1, updated_at=now)


def transferred(current: Workflow, owner_id: str, now: datetime) -> Workflow:
    """The workflow as somebody else's; the same one when it is theirs already."""
    if owner_id == current.owner_id:
        return current
    return replace(current, owner_id=owner_id, revision=current.revision + 1, updated_at=now)


def not_found(key: str, version: int = 0) -> NotFound:
    """The error for a workflow, or a version of it, that does not exist or that the caller may not see."""
    what = f"version {version} of workflow {key!r}" if version else f"workflow {key!r}"
    return NotFound("WORKFLOW_NOT_FOUND", f"{what} does not exist", resource=("workflow", key))


def name_taken(name: str) -> AlreadyExists:
    """The error for a name that another workflow has."""
    return AlreadyExists(
        "WORKFLOW_NAME_TAKEN", f"the name {name!r} is taken by another workflow", resource=("workflow", name)
    )


def in_use(workflow: Workflow, by: Users) -> Precondition:
    """The error for deleting what other workflows run; names those that the caller may see."""
    return Precondition(
        "WORKFLOW_IN_USE",
        f"workflow {workflow.name!r} is run by {by.shown}; first they have to be changed or deleted",
        metadata=by.metadata,
        resource=("workflow", workflow.name),
    )


def _step_facts(step: Step) -> dict[str, str]:
    if step.workflow_pin is not None:
        return {"id": step.id, "workflow": step.workflow, "version": str(step.workflow_pin.version)}
    return {"id": step.id, "component": step.component, "version": step.pin.version if step.pin else ""}
