"""Versions, and the components that workflows resolve to them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Text, case, cast, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.access import Level, Subject
from chassis.database import Transaction
from chassis.errors import Denied, NotFound
from registry import nesting
from registry.domain import tools
from registry.domain.content import Content, WorkflowPin
from registry.domain.definitions import Definition
from registry.domain.stored import from_json, to_json
from registry.domain.versions import Link, Version, not_found
from registry.kinds import has_program
from registry.resolution import Candidate, Component
from registry.store import definitions as definition_store
from registry.store.lookup import Kept, Owned, Wanted, page, require, visible
from registry.tables import definitions, version_uses
from registry.tables import versions as table
from registry.validation import Interface

_DOCUMENTS: Final = ("config", "input_schema", "output_schema", "package", "tools")
_LINKS: Final = ("data_sources", "secrets")
_OF_DEFINITION: Final = ("name", "type", "owner_id", "visibility")


async def get(tx: Transaction, key: str, viewer: Subject) -> Version:
    """The version with this id, config and schemas included; drafts are for those who may change the definition.

    Raises NotFound.
    """
    changed_by = visible(definitions, viewer, level=Level.EDIT).label("of_editor")
    columns = (*table.c, *(definitions.c[name].label(f"of_{name}") for name in _OF_DEFINITION), changed_by)
    wanted = select(*columns).join(definitions, definitions.c.id == table.c.definition_id)
    row = (await tx.execute(wanted.where(table.c.id == key))).one_or_none()
    if row is None or (row.draft and not row.of_editor):
        raise not_found(key)
    definition = Owned(row.definition_id, row.of_name, row.of_owner_id, row.of_visibility)
    await require(tx, viewer, Level.VIEW, definitions, definition, hidden=not_found(key))
    values = {name: value for name, value in row._mapping.items() if not name.startswith("of_")}
    return _version(values | {"definition_name": row.of_name, "type": row.of_type})


async def named(tx: Transaction, definition: Definition, version: str) -> Version | None:
    """The definition's version of this number, config and schemas included; None when there is none."""
    wanted = select(table).where(table.c.definition_id == definition.id, table.c.version == version)
    row = (await tx.execute(wanted)).one_or_none()
    known = {"definition_name": definition.name, "type": definition.type}
    return None if row is None else _version(dict(row._mapping) | known)


async def insert_new(tx: Transaction, version: Version) -> bool:
    """Stores a new version; False when the definition has it already."""
    values = {column.name: getattr(version, column.name) for column in table.c}
    values |= {name: [asdict(link) for link in getattr(version, name)] for name in _LINKS}
    values["tags"] = list(version.tags)
    values["package"] = None if version.parts is None else to_json(version.parts)
    values["tools"] = tools.to_json(version.tools)
    values["network_hosts"] = list(version.network_hosts)
    statement = insert(table).values(values)
    statement = statement.on_conflict_do_nothing(index_elements=[table.c.definition_id, table.c.version])
    if await tx.scalar(statement.returning(table.c.id)) is None:
        return False
    if version.parts is not None:
        used = dict.fromkeys(step.pin.definition_id for step in version.parts.steps if step.pin is not None)
        uses = [{"version_id": version.id, "definition_id": one} for one in used]
        await tx.execute(insert(version_uses).values(uses))
    return True


async def inside(tx: Transaction, ids: Iterable[str]) -> dict[WorkflowPin | str, Content]:
    """The contents of those of these versions that are packages or assistants with tools, and of all inside them.

    Whoever sees a version may run it with what it is made of, so here nobody's sight matters. Raises TooLargeError.
    """
    found: dict[WorkflowPin | str, Content] = {}
    ahead, size = set(ids), 0
    while ahead:
        of_these = [table.c.id.in_(ahead), table.c.package.is_not(None)]
        length = func.sum(func.octet_length(cast(table.c.package, Text)))
        size += await tx.scalar(select(length).where(*of_these)) or 0
        if size > nesting.MAX_BYTES:
            raise nesting.TooLargeError
        rows = await tx.execute(select(table.c.id, table.c.package).where(*of_these))
        level: dict[WorkflowPin | str, Content] = {row.id: from_json(row.package) for row in rows}
        found |= level
        inner = {one for content in level.values() for one in nesting.holders(content)}
        ahead = {one for one in inner if one not in found}
    return found


async def lock_definition(tx: Transaction, key: str, viewer: Subject) -> Definition:
    """The definition of the version with this id, locked: all changes of versions happen under that lock.

    The viewer may change it. Raises NotFound naming the version, and Denied NOT_GRANTED.
    """
    statement = select(table.c.definition_id, table.c.draft).where(table.c.id == key)
    found = (await tx.execute(statement)).one_or_none()
    if found is None:
        raise not_found(key)
    try:
        return await definition_store.get(tx, found.definition_id, viewer, Level.EDIT, lock=True)
    except NotFound:
        raise not_found(key) from None
    except Denied:
        if found.draft:
            raise not_found(key) from None
        raise


async def save(tx: Transaction, version: Version) -> None:
    """Stores what may change of a version: whether it is a draft, and its deprecation."""
    changes = {name: getattr(version, name) for name in ("draft", "deprecated_at", "deprecation_message")}
    await tx.execute(update(table).where(table.c.id == version.id).values(changes))


async def listed(tx: Transaction, definition: Definition, viewer: Subject, wanted: Wanted) -> list[Version]:
    """The definition's versions without configs and schemas, one page of them; drafts for those who may change it."""
    columns = [column for column in table.c if column.name not in _DOCUMENTS]
    changed_by = select(definitions.c.id).where(visible(definitions, viewer, level=Level.EDIT))
    seen = or_(table.c.draft.is_(False), table.c.definition_id.in_(changed_by))
    statement = select(*columns).where(table.c.definition_id == definition.id, seen)
    known = {"definition_name": definition.name, "type": definition.type} | dict.fromkeys(_DOCUMENTS)
    rows = await tx.execute(page(statement, table, wanted, {}))
    return [_version(dict(row._mapping) | known) for row in rows]


async def current(tx: Transaction, definition: Definition) -> list[str]:
    """The definition's versions that are published and not deprecated, oldest first."""
    statement = select(table.c.version).where(
        table.c.definition_id == definition.id, table.c.deprecated_at.is_(None), table.c.draft.is_(False)
    )
    return list((await tx.execute(statement.order_by(table.c.created_at, table.c.id))).scalars())


async def components(
    tx: Transaction, names: Collection[str], viewer: Subject, kept: Kept | None = None, *, lock: bool = False
) -> dict[str, Component]:
    """The components of these names that the viewer sees or that are `kept`, with all their versions; with drafts, for
    those who may change them.

    Locked they cannot be deleted until the transaction ends.
    """
    changed_by = visible(definitions, viewer, kept, Level.EDIT).label("has_drafts")
    found = select(definitions.c.id, definitions.c.name, definitions.c.type, changed_by)
    found = found.where(definitions.c.name.in_(names), visible(definitions, viewer, kept)).order_by(
        definitions.c.id
    )
    if lock:
        found = found.with_for_update(read=True, key_share=True)
    rows = (await tx.execute(found)).all()
    statement = (
        select(
            table.c.definition_id,
            table.c.id,
            table.c.version,
            table.c.deprecated_at,
            table.c.deprecation_message,
            table.c.draft,
        )
        .where(
            table.c.definition_id.in_([row.id for row in rows]),
            or_(
                table.c.draft.is_(False),
                table.c.definition_id.in_([row.id for row in rows if row.has_drafts]),
            ),
        )
        .order_by(table.c.created_at, table.c.id)
    )
    candidates: dict[str, list[Candidate]] = {row.id: [] for row in rows}
    for one in await tx.execute(statement):
        candidates[one.definition_id].append(
            Candidate(one.id, one.version, one.deprecated_at is not None, one.deprecation_message, one.draft)
        )
    return {row.name: Component(row.id, row.name, row.type, tuple(candidates[row.id])) for row in rows}


async def interfaces(tx: Transaction, version_ids: Sequence[str]) -> dict[str, Interface]:
    """What these versions take and answer, by their ids."""
    c = table.c
    columns = (c.id, c.input_schema, c.output_schema, c.effect, c.config_field)
    small = case((c.config_field.in_(("data", "output")), c.config))
    rows = await tx.execute(select(*columns, small.label("config")).where(c.id.in_(version_ids)))
    return {
        row.id: Interface(row.input_schema, row.output_schema, row.effect, has_program(row.config or {}))
        for row in rows
    }


def _version(values: dict[str, Any]) -> Version:
    links = {name: tuple(Link(**link) for link in values[name]) for name in _LINKS}
    package = values["package"]
    parts = None if package is None else from_json(package)
    lists = {name: tuple(values[name]) for name in ("tags", "network_hosts")}
    made = {"parts": parts, "tools": tools.from_json(values["tools"])}
    plain = {name: value for name, value in values.items() if name != "package"}
    return Version(**plain | links | lists | made)
