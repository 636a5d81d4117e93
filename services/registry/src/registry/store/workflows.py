"""Workflows and their versions."""

from dataclasses import replace
from typing import Any, Final

from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.dialects import postgresql

from chassis.database import Transaction
from chassis.filtering.sql import Field, one_of
from registry.domain.common import Viewer
from registry.domain.workflows import Workflow, from_json, not_found, to_json
from registry.store.lookup import Wanted, by_key, page, visible
from registry.tables import workflow_uses, workflow_versions
from registry.tables import workflows as table

_COLUMNS: Final = [column for column in table.c if column.name != "search"]


async def get(tx: Transaction, key: str, viewer: Viewer, *, lock: bool = False) -> Workflow:
    """The newest version of the workflow with this id or name, locked against changes if wanted. Raises NotFound."""
    if lock:  # alone and first: a join would look for the version that was newest before the wait
        await tx.execute(select(table.c.id).where(by_key(table, key)).with_for_update())
    wanted = _joined(viewer).where(by_key(table, key), workflow_versions.c.version == table.c.version)
    row = (await tx.execute(wanted)).one_or_none()
    if row is None:
        raise not_found(key)
    return _workflow(row)


async def get_version(tx: Transaction, key: str, version: int, viewer: Viewer) -> Workflow:
    """One version of the workflow. Raises NotFound."""
    wanted = _joined(viewer).where(by_key(table, key), workflow_versions.c.version == version)
    row = (await tx.execute(wanted)).one_or_none()
    if row is None:
        raise not_found(key, version)
    return replace(_workflow(row), version=version, updated_at=row.version_created_at)


async def insert_new(tx: Transaction, workflow: Workflow, created_by: str) -> bool:
    """Stores a new workflow and its version 1; False when its name is taken."""
    statement = postgresql.insert(table).values(_values(workflow))
    statement = statement.on_conflict_do_nothing(index_elements=[table.c.name])
    if await tx.scalar(statement.returning(table.c.id)) is None:
        return False
    await _insert_version(tx, workflow, created_by)
    return True


async def save(tx: Transaction, workflow: Workflow, created_by: str, *, with_version: bool) -> None:
    """Stores a workflow that changed, its content as a version where it is a new one."""
    await tx.execute(update(table).where(table.c.id == workflow.id).values(_values(workflow)))
    if with_version:
        await tx.execute(delete(workflow_uses).where(workflow_uses.c.workflow_id == workflow.id))
        await _insert_version(tx, workflow, created_by)


async def remove(tx: Transaction, workflow: Workflow) -> None:
    """Deletes a workflow with its versions."""
    await tx.execute(delete(table).where(table.c.id == workflow.id))


async def listed(tx: Transaction, viewer: Viewer, wanted: Wanted) -> list[Workflow]:
    """The workflows that the viewer sees, without contents, one page of them."""
    columns: dict[str, Any] = {
        "name": table.c.name,
        "visibility": Field(table.c.visibility, one_of(("PUBLIC", "PRIVATE"))),
        "owner_id": table.c.owner_id,
        "tags": table.c.tags,
    }
    rows = await tx.execute(page(select(*_COLUMNS).where(visible(table, viewer)), table, wanted, columns))
    return [_workflow(row) for row in rows]


async def listed_versions(
    tx: Transaction, workflow: Workflow, before: int | None, limit: int
) -> list[Workflow]:
    """The workflow's versions below `before`, newest first, without contents."""
    versions = workflow_versions
    statement = select(versions.c.version, versions.c.created_at).where(versions.c.workflow_id == workflow.id)
    if before is not None:
        statement = statement.where(versions.c.version < before)
    rows = await tx.execute(statement.order_by(versions.c.version.desc()).limit(limit))
    return [replace(workflow, version=row.version, updated_at=row.created_at) for row in rows]


async def find(tx: Transaction, key: str, viewer: Viewer) -> Workflow:
    """The workflow with this id or name, without its content. Raises NotFound."""
    wanted = select(*_COLUMNS).where(visible(table, viewer), by_key(table, key))
    row = (await tx.execute(wanted)).one_or_none()
    if row is None:
        raise not_found(key)
    return _workflow(row)


async def _insert_version(tx: Transaction, workflow: Workflow, created_by: str) -> None:
    await tx.execute(
        insert(workflow_versions).values(
            workflow_id=workflow.id,
            version=workflow.version,
            content=to_json(workflow.content),
            created_at=workflow.updated_at,
            created_by=created_by,
        )
    )
    uses = [{"workflow_id": workflow.id, "definition_id": one} for one in workflow.content.uses()]
    if uses:
        await tx.execute(insert(workflow_uses).values(uses))


def _joined(viewer: Viewer) -> Select[Any]:
    version = workflow_versions
    columns = (*_COLUMNS, version.c.content, version.c.created_at.label("version_created_at"))
    return select(*columns).join(version, version.c.workflow_id == table.c.id).where(visible(table, viewer))


def _workflow(row: Any) -> Workflow:
    values = {name: value for name, value in row._mapping.items() if name != "version_created_at"}
    values["tags"] = tuple(values["tags"])
    if "content" in values:
        values["content"] = from_json(values["content"])
    return Workflow(**values)


def _values(workflow: Workflow) -> dict[str, Any]:
    return {column.name: getattr(workflow, column.name) for column in table.c} | {"tags": list(workflow.tags)}
