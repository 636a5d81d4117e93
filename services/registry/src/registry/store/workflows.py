"""Workflows and their versions."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any, Final, Literal

from sqlalchemy import Select, Text, cast, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql

from chassis import grants
from chassis.access import Level, Subject
from chassis.database import Transaction
from chassis.filtering.sql import Field, one_of
from registry import kinds, nesting
from registry.domain.common import Users
from registry.domain.content import Content, WorkflowPin
from registry.domain.stored import from_json, to_json
from registry.domain.workflows import Workflow, not_found
from registry.nesting import Callee, Uses
from registry.store.lookup import Kept, Wanted, by_key, page, require, users, visible
from registry.tables import grants as granted
from registry.tables import workflow_calls, workflow_parts, workflow_uses, workflow_versions
from registry.tables import workflows as table

_COLUMNS: Final = [column for column in table.c if column.name != "search"]
_STORED: Final = cast(workflow_versions.c.content, Text)


async def get(
    tx: Transaction,
    key: str,
    viewer: Subject,
    level: Level = Level.VIEW,
    *,
    lock: Literal["", "change", "delete"] = "",
) -> Workflow:
    """The newest version of the workflow with this id or name, to which the viewer may do this. Raises NotFound, and
    Denied NOT_GRANTED.

    Locked for a `change`, others may still save what runs it; for its deletion, not.
    """
    if lock:  # alone and first: a join would look for the version that was newest before the wait
        locking = select(table.c.id).where(by_key(table, key))
        await tx.execute(locking.with_for_update(key_share=lock == "change"))
    wanted = _joined().where(by_key(table, key), workflow_versions.c.version == table.c.version)
    row = (await tx.execute(wanted)).one_or_none()
    if row is None:
        raise not_found(key)
    await require(tx, viewer, level, table, row, hidden=not_found(key))
    return _workflow(row)


async def get_version(tx: Transaction, key: str, version: int, viewer: Subject) -> Workflow:
    """One version of the workflow. Raises NotFound."""
    wanted = _joined().where(by_key(table, key), workflow_versions.c.version == version)
    row = (await tx.execute(wanted)).one_or_none()
    if row is None:
        raise not_found(key, version)
    await require(tx, viewer, Level.VIEW, table, row, hidden=not_found(key, version))
    return replace(_workflow(row), version=version, updated_at=row.version_created_at)


async def insert_new(tx: Transaction, workflow: Workflow, created_by: str, uses: Uses) -> bool:
    """Stores a new workflow, its version 1 and what it `uses`; False when its name is taken."""
    statement = postgresql.insert(table).values(_values(workflow))
    statement = statement.on_conflict_do_nothing(index_elements=[table.c.name])
    if await tx.scalar(statement.returning(table.c.id)) is None:
        return False
    await _insert_version(tx, workflow, created_by, uses)
    return True


async def save(tx: Transaction, workflow: Workflow) -> None:
    """Stores a workflow that changed, but for its content."""
    await tx.execute(update(table).where(table.c.id == workflow.id).values(_values(workflow)))


async def save_version(tx: Transaction, workflow: Workflow, created_by: str, uses: Uses) -> None:
    """Stores a workflow that changed, with its content as its next version."""
    await save(tx, workflow)
    await tx.execute(delete(workflow_uses).where(workflow_uses.c.workflow_id == workflow.id))
    await tx.execute(delete(workflow_calls).where(workflow_calls.c.workflow_id == workflow.id))
    await _insert_version(tx, workflow, created_by, uses)


async def remove(tx: Transaction, workflow: Workflow) -> None:
    """Deletes a workflow with its versions, and what was granted on it."""
    await grants.forget(tx, granted, "workflow", workflow.id)
    await tx.execute(delete(table).where(table.c.id == workflow.id))


async def used_by(tx: Transaction, workflow: Workflow, viewer: Subject) -> Users | None:
    """The other workflows whose newest version runs it, be it inside another; None when there is none."""
    statement = (
        select(table.c.name, visible(table, viewer).label("is_visible"))
        .join(workflow_calls, workflow_calls.c.workflow_id == table.c.id)
        .where(workflow_calls.c.callee_id == workflow.id)
        .order_by(table.c.name)
    )
    return users(await tx.execute(statement))


async def callees(
    tx: Transaction, names: Collection[str], viewer: Subject, kept: Kept | None = None, *, lock: bool = False
) -> dict[str, Callee]:
    """The workflows of these names that the viewer sees or that are `kept`; locked they cannot be deleted meanwhile."""
    statement = select(table.c.id, table.c.name, table.c.version).where(
        table.c.name.in_(names), visible(table, viewer, kept)
    )
    rows = await tx.execute(_kept(statement) if lock else statement)
    return {row.name: Callee(row.id, row.name, row.version) for row in rows}


async def nested(
    tx: Transaction, pins: Iterable[WorkflowPin], *, lock: bool = False
) -> dict[WorkflowPin | str, Content]:
    """The contents of these versions and of the workflows inside them, but for those that were deleted.

    Whoever sees a workflow may run it with what it is made of, so here nobody's sight matters. Raises TooLargeError.
    """
    found: dict[WorkflowPin | str, Content] = {}
    ahead, size = set(pins), 0
    while ahead:
        if lock:
            ids = {pin.workflow_id for pin in ahead}
            await tx.execute(_kept(select(table.c.id).where(table.c.id.in_(ids))))
        size += await tx.scalar(_of_versions(ahead, func.sum(func.octet_length(_STORED)))) or 0
        if size > nesting.MAX_BYTES:
            raise nesting.TooLargeError
        level: dict[WorkflowPin | str, Content] = {
            WorkflowPin(row.workflow_id, row.version): from_json(row.content)
            for row in await tx.execute(_of_versions(ahead, *workflow_versions.c))
        }
        found |= level
        ahead = {inner for content in level.values() for inner in nesting.pins(content)} - found.keys()
    return found


def _of_versions(pins: Collection[WorkflowPin], *columns: Any) -> Select[Any]:
    key = tuple_(workflow_versions.c.workflow_id, workflow_versions.c.version)
    return select(*columns).where(key.in_([(pin.workflow_id, pin.version) for pin in pins]))


def _kept(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(table.c.id).with_for_update(read=True, key_share=True)


async def names(tx: Transaction, viewer: Subject, limit: int = 20_000) -> tuple[str, ...]:
    """The names that the viewer sees, to suggest from."""
    statement = select(table.c.name).where(visible(table, viewer)).limit(limit)
    return tuple((await tx.execute(statement)).scalars())


async def listed(tx: Transaction, viewer: Subject, wanted: Wanted) -> list[Workflow]:
    """The workflows that the viewer sees, without contents, one page of them."""
    columns: dict[str, Any] = {
        "name": table.c.name,
        "visibility": Field(table.c.visibility, one_of(("PUBLIC", "PRIVATE"))),
        "owner_id": table.c.owner_id,
        "tags": table.c.tags,
        "status": Field(table.c.status, one_of(kinds.STATUSES)),
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


async def find(tx: Transaction, key: str, viewer: Subject, level: Level = Level.VIEW) -> Workflow:
    """The workflow with this id or name, to which the viewer may do this, without its content.

    Raises NotFound, and Denied NOT_GRANTED.
    """
    row = (await tx.execute(select(*_COLUMNS).where(by_key(table, key)))).one_or_none()
    if row is None:
        raise not_found(key)
    await require(tx, viewer, level, table, row, hidden=not_found(key))
    return _workflow(row)


async def _insert_version(tx: Transaction, workflow: Workflow, created_by: str, uses: Uses) -> None:
    await tx.execute(
        insert(workflow_versions).values(
            workflow_id=workflow.id,
            version=workflow.version,
            content=to_json(workflow.content),
            created_at=workflow.updated_at,
            created_by=created_by,
        )
    )
    definitions = [{"workflow_id": workflow.id, "definition_id": one} for one in uses.definitions]
    if definitions:
        await tx.execute(insert(workflow_uses).values(definitions))
    calls = [{"workflow_id": workflow.id, "callee_id": one} for one in uses.workflows]
    if calls:
        await tx.execute(insert(workflow_calls).values(calls))
    own = {"workflow_id": workflow.id, "version": workflow.version}
    if parts := nesting.parts(workflow.content):
        await tx.execute(insert(workflow_parts).values([own | {"part": one} for one in parts]))


def _joined() -> Select[Any]:
    version = workflow_versions
    columns = (*_COLUMNS, version.c.content, version.c.created_at.label("version_created_at"))
    return select(*columns).join(version, version.c.workflow_id == table.c.id)


def _workflow(row: Any) -> Workflow:
    values = {name: value for name, value in row._mapping.items() if name != "version_created_at"}
    values["tags"] = tuple(values["tags"])
    if "content" in values:
        values["content"] = from_json(values["content"])
    return Workflow(**values)


def _values(workflow: Workflow) -> dict[str, Any]:
    return {column.name: getattr(workflow, column.name) for column in table.c} | {"tags": list(workflow.tags)}
