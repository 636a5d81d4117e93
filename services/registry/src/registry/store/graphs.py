"""What graphs are drawn of: versions, workflows, and which versions of workflows run what."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Select, and_, or_, select, text, tuple_

from chassis.access import Level, Subject
from chassis.database import Transaction
from registry import nesting
from registry.dependencies import Parts
from registry.domain.content import WorkflowPin
from registry.domain.graphs import Named, VersionFacts, WorkflowFacts
from registry.domain.stored import from_json
from registry.domain.versions import Version
from registry.domain.workflows import Workflow
from registry.store import versions as version_store
from registry.store import workflows as workflow_store
from registry.store.lookup import visible
from registry.tables import definitions, version_uses, versions, workflow_versions, workflows
from registry.tables import workflow_parts as _uses

_USERS: Final = text("""
WITH RECURSIVE users AS (
    SELECT workflow_id, version FROM workflow_parts WHERE part = ANY(:version_ids)
    UNION
    SELECT outer_one.workflow_id, outer_one.version
    FROM workflow_parts AS outer_one
    JOIN users ON outer_one.part = users.workflow_id || '@' || users.version
)
SELECT users.workflow_id, users.version FROM users
JOIN workflow_versions USING (workflow_id, version)
ORDER BY workflow_versions.created_at DESC, users.workflow_id, users.version DESC
LIMIT :limit
""")
"""The versions of workflows that run versions of components, be it inside another; the newest first."""


async def parts(tx: Transaction, workflow: Workflow, viewer: Subject) -> Parts:
    """What a version of a workflow is made of, as far as the viewer may see it. Raises TooLargeError."""
    root = WorkflowFacts(workflow.id, workflow.name, workflow.version, workflow.updated_at)
    contents = await workflow_store.nested(tx, nesting.pins(workflow.content))
    workflows_inside = {pin: one for pin, one in contents.items() if isinstance(pin, WorkflowPin)}
    inside = await workflow_facts(tx, workflows_inside, viewer)
    seen = {
        pin: content
        for pin, content in workflows_inside.items()
        if (facts := inside.get(pin)) is not None and facts.is_visible
    }
    shown = [workflow.content, *seen.values()]
    held = await version_store.inside(tx, {id_ for one in shown for id_ in nesting.holders(one)})
    steps = [step for one in (*shown, *held.values()) for step in one.steps]
    ids = {step.pin.version_id for step in steps if step.pin is not None}
    return Parts(
        root,
        workflow.content,
        seen,
        held,
        {facts.node_id: facts for facts in inside.values()},
        await version_facts(tx, ids, viewer),
    )


async def version_facts(tx: Transaction, ids: Collection[str], viewer: Subject) -> dict[str, VersionFacts]:
    """What there is to tell of the versions with these ids, by id."""
    rows = await tx.execute(_versions(viewer).where(versions.c.id.in_(ids)))
    return {row.id: _facts(row) for row in rows}


async def newest_of(tx: Transaction, definition_id: str, viewer: Subject, limit: int) -> list[VersionFacts]:
    """The newest versions of a definition, as they were created."""
    wanted = _versions(viewer).where(versions.c.definition_id == definition_id)
    rows = await tx.execute(wanted.order_by(versions.c.created_at.desc(), versions.c.id.desc()).limit(limit))
    return [_facts(row) for row in rows]


async def workflow_facts(
    tx: Transaction, pins: Collection[WorkflowPin], viewer: Subject
) -> dict[WorkflowPin, WorkflowFacts]:
    """What there is to tell of these versions of workflows."""
    key = tuple_(workflow_versions.c.workflow_id, workflow_versions.c.version)
    columns = (
        workflow_versions.c.workflow_id,
        workflow_versions.c.version,
        workflow_versions.c.created_at,
        workflows.c.name,
        visible(workflows, viewer).label("is_visible"),
    )
    wanted = select(*columns).join(workflows, workflows.c.id == workflow_versions.c.workflow_id)
    rows = await tx.execute(wanted.where(key.in_([(pin.workflow_id, pin.version) for pin in pins])))
    return {
        WorkflowPin(row.workflow_id, row.version): WorkflowFacts(
            row.workflow_id, row.name, row.version, row.created_at, row.is_visible
        )
        for row in rows
    }


async def holders_of(tx: Transaction, version: Version) -> dict[str, frozenset[str]]:
    """The packages and assistants that hold a version of a component, be it inside another, by their versions' ids.

    With each is told what it holds: which of these, and whether the version itself.
    """
    found: dict[str, frozenset[str]] = {}
    sought, definition_ids = {version.id}, {version.definition_id}
    while definition_ids:
        using = select(version_uses.c.version_id).where(version_uses.c.definition_id.in_(definition_ids))
        statement = select(versions.c.id, versions.c.definition_id, versions.c.package)
        definition_ids = set()
        for row in await tx.execute(statement.where(versions.c.id.in_(using))):
            steps = from_json(row.package).steps
            held = frozenset(step.pin.version_id for step in steps if step.pin is not None) & sought
            if held - found.get(row.id, frozenset()):
                definition_ids |= {row.definition_id} if row.id not in found else set()
                found[row.id] = found.get(row.id, frozenset()) | held
        sought |= found.keys()
    return found


async def users_of(tx: Transaction, version_ids: Collection[str], limit: int) -> list[WorkflowPin]:
    """The newest versions of workflows that run one of these versions of components, be it inside another."""
    rows = await tx.execute(_USERS, {"version_ids": sorted(version_ids), "limit": limit})
    return [WorkflowPin(row.workflow_id, row.version) for row in rows]


async def calls(tx: Transaction, pins: Collection[WorkflowPin]) -> dict[WorkflowPin, set[str]]:
    """What these versions of workflows run themselves: ids of versions, and `id@version` of workflows."""
    key = tuple_(_uses.c.workflow_id, _uses.c.version)
    rows = await tx.execute(select(_uses).where(key.in_([(pin.workflow_id, pin.version) for pin in pins])))
    found: dict[WorkflowPin, set[str]] = {}
    for row in rows:
        found.setdefault(WorkflowPin(row.workflow_id, row.version), set()).add(row.part)
    return found


def _versions(viewer: Subject) -> Select[Any]:
    columns = (
        versions.c.id,
        versions.c.version,
        versions.c.definition_id,
        versions.c.created_at,
        versions.c.deprecated_at,
        versions.c.data_sources,
        versions.c.secrets,
        definitions.c.name,
        definitions.c.type,
        and_(
            visible(definitions, viewer),
            or_(versions.c.draft.is_(False), visible(definitions, viewer, level=Level.EDIT)),
        ).label("is_visible"),
    )
    return select(*columns).join(definitions, definitions.c.id == versions.c.definition_id)


def _facts(row: Any) -> VersionFacts:
    return VersionFacts(
        id=row.id,
        version=row.version,
        definition_id=row.definition_id,
        name=row.name,
        type=row.type,
        created_at=row.created_at,
        deprecated=row.deprecated_at is not None,
        links=(*_named("DATA_SOURCE", row.data_sources), *_named("SECRET", row.secrets)),
        is_visible=row.is_visible,
    )


def _named(kind: str, links: Iterable[Mapping[str, str]]) -> Iterator[Named]:
    return (Named(kind, link["id"], link["name"]) for link in links)
