"""Definitions."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis import grants
from chassis.access import Level, Subject
from chassis.database import Transaction
from chassis.filtering.sql import Field, one_of
from registry import kinds
from registry.domain.common import Users
from registry.domain.definitions import Definition, not_found
from registry.store.lookup import Wanted, by_key, page, require, users, visible
from registry.tables import definitions as table
from registry.tables import grants as granted
from registry.tables import stars, version_uses, versions, workflow_uses, workflows

_COLUMNS: Final = [column for column in table.c if column.name != "search"]
_STARRED: Final = "starred"


async def get(
    tx: Transaction, key: str, viewer: Subject, level: Level = Level.VIEW, *, lock: bool = False
) -> Definition:
    """The definition with this id or name, to which the viewer may do this; locked against changes if wanted.

    Raises NotFound, and Denied NOT_GRANTED.
    """
    wanted = select(*_COLUMNS, _starred(viewer).label(_STARRED)).where(by_key(table, key))
    row = (await tx.execute(wanted.with_for_update() if lock else wanted)).one_or_none()
    if row is None:
        raise not_found(key)
    await require(tx, viewer, level, table, row, hidden=not_found(key))
    return _definition(row)


async def insert_new(tx: Transaction, definition: Definition) -> bool:
    """Stores a new definition; False when its name is taken."""
    statement = (
        insert(table).values(_values(definition)).on_conflict_do_nothing(index_elements=[table.c.name])
    )
    return await tx.scalar(statement.returning(table.c.id)) is not None


async def save(tx: Transaction, definition: Definition) -> None:
    """Stores a definition that changed."""
    await tx.execute(update(table).where(table.c.id == definition.id).values(_values(definition)))


async def remove(tx: Transaction, definition: Definition) -> None:
    """Deletes a definition with its versions, and what was granted on it."""
    await grants.forget(tx, granted, "definition", definition.id)
    await tx.execute(delete(table).where(table.c.id == definition.id))


async def used_by(tx: Transaction, definition: Definition, viewer: Subject) -> Users | None:
    """The workflows whose newest version runs it, be it inside another, and the packages and assistants that hold it;
    None: none.
    """
    statement = (
        select(workflows.c.name, visible(workflows, viewer).label("is_visible"))
        .join(workflow_uses, workflow_uses.c.workflow_id == workflows.c.id)
        .where(workflow_uses.c.definition_id == definition.id)
        .order_by(workflows.c.name)
    )
    made_of_it = (
        select(table.c.name, table.c.type, visible(table, viewer).label("is_visible"))
        .join(versions, versions.c.definition_id == table.c.id)
        .join(version_uses, version_uses.c.version_id == versions.c.id)
        .where(version_uses.c.definition_id == definition.id)
        .distinct()
        .order_by(table.c.name)
    )
    return users(await tx.execute(statement), await tx.execute(made_of_it))


async def listed(tx: Transaction, viewer: Subject, wanted: Wanted) -> list[Definition]:
    """The definitions that the viewer sees, one page of them."""
    statement = select(*_COLUMNS, _starred(viewer).label(_STARRED)).where(visible(table, viewer))
    if wanted.is_starred:
        statement = statement.where(_starred(viewer))
    if not wanted.has_deprecated:
        statement = statement.where(table.c.deprecated.is_(False))
    rows = await tx.execute(page(statement, table, wanted, _filterable()))
    return [_definition(row) for row in rows]


async def star(tx: Transaction, definition: Definition, viewer: Subject) -> Definition:
    """The definition, starred by the viewer; the same one when it was."""
    row = {"subject_id": viewer.id, "definition_id": definition.id, "created_at": tx.now}
    statement = insert(stars).values(row).on_conflict_do_nothing()
    if await tx.scalar(statement.returning(stars.c.definition_id)) is None:
        return definition
    return await _counted(tx, definition, starred=True)


async def unstar(tx: Transaction, definition: Definition, viewer: Subject) -> Definition:
    """The definition without the viewer's star; the same one when it had none."""
    theirs = and_(stars.c.subject_id == viewer.id, stars.c.definition_id == definition.id)
    if await tx.scalar(delete(stars).where(theirs).returning(stars.c.definition_id)) is None:
        return definition
    return await _counted(tx, definition, starred=False)


async def _counted(tx: Transaction, definition: Definition, *, starred: bool) -> Definition:
    statement = update(table).where(table.c.id == definition.id)
    statement = statement.values(star_count=table.c.star_count + (1 if starred else -1))
    count = await tx.scalar(statement.returning(table.c.star_count))
    return replace(definition, star_count=count, starred=starred)


def _starred(viewer: Subject) -> ColumnElement[bool]:
    return table.c.id.in_(select(stars.c.definition_id).where(stars.c.subject_id == viewer.id))


async def names(
    tx: Transaction, viewer: Subject, *, own_id: str = "", endless: str = "", limit: int = 20_000
) -> tuple[str, ...]:
    """The names that the viewer sees, to suggest from: of what has a version that one may use now.

    The definition with the id `own_id`, which is no part of itself, is not among them, and none of the type `endless`.
    """
    usable = and_(table.c.latest_version != "", table.c.type != endless)
    statement = select(table.c.name).where(visible(table, viewer), usable, table.c.id != own_id).limit(limit)
    return tuple((await tx.execute(statement)).scalars())


async def descriptions(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """The descriptions of the definitions with these ids, by id, whoever may see them."""
    rows = await tx.execute(select(table.c.id, table.c.description).where(table.c.id.in_(ids)))
    return {row.id: row.description for row in rows}


async def existing(tx: Transaction, ids: Collection[str], *, lock: bool = False) -> frozenset[str]:
    """Those of the ids that are definitions', whoever may see them; locked they cannot be deleted meanwhile."""
    statement = select(table.c.id).where(table.c.id.in_(ids)).order_by(table.c.id)
    if lock:
        statement = statement.with_for_update(read=True, key_share=True)
    return frozenset((await tx.execute(statement)).scalars())


def _filterable() -> dict[str, "ColumnElement[Any] | Field"]:
    return {
        "name": table.c.name,
        "type": Field(table.c.type, kinds.one),
        "visibility": Field(table.c.visibility, one_of(("PUBLIC", "PRIVATE"))),
        "cost_tier": Field(table.c.cost_tier, one_of(("FREE", "LOW", "MEDIUM", "HIGH"))),
        "owner_id": table.c.owner_id,
        "tags": table.c.tags,
        "compliance": table.c.compliance,
        "star_count": table.c.star_count,
        "deprecated": table.c.deprecated,
    }


def _definition(row: Any) -> Definition:
    values = dict(row._mapping)
    return Definition(**values | {"tags": tuple(values["tags"]), "compliance": tuple(values["compliance"])})


def _values(definition: Definition) -> dict[str, Any]:
    values = {column.name: getattr(definition, column.name) for column in table.c}
    return values | {"tags": list(definition.tags), "compliance": list(definition.compliance)}
