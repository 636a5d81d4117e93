"""Grants as a service keeps them: who was given what of its resources, by whom.

Whoever changes grants holds their resource's lock, and so does whoever deletes it: none is left behind.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, delete, func, insert, select, tuple_, update

from chassis import access
from chassis.access import Decision, Grant, Level, Resource, Subject, check
from chassis.database import Transaction
from chassis.errors import Denied, NotFound

_WORDS: Final = {Level.VIEW: "see it", Level.EDIT: "change it", Level.DELETE: "delete it or share it"}


@dataclass(frozen=True, slots=True)
class Target:
    """The resource that something is to be done to."""

    kind: str
    """What grants call its kind, e.g. `data_source`."""
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Share:
    """A grant with what there is to say of it."""

    id: str
    resource_id: str
    grant: Grant
    created_by: str
    created_at: datetime

    def facts(self) -> dict[str, Any]:
        """What the action log keeps of it."""
        grant = self.grant
        return {"share_id": self.id, grant.subject_kind: grant.subject_id, "permission": grant.level.name}


async def require(
    tx: Transaction,
    table: Table,
    subject: Subject,
    level: Level,
    *,
    target: Target,
    resource: Resource,
    hidden: NotFound,
) -> None:
    """Returns when the subject may do this to the target. Raises `hidden` when it may not even know of it, else Denied
    NOT_GRANTED.
    """
    decision = check(subject, level, resource, ())
    if decision is not Decision.ALLOW:
        decision = check(subject, level, resource, await of(tx, table, target))
    if decision is Decision.HIDE:
        raise hidden
    if decision is Decision.DENY:
        what = f"{target.kind.replace('_', ' ')} {target.name!r}"
        raise Denied(
            "NOT_GRANTED",
            f"you may see {what}, but not {_WORDS[level]}; its owner can share it with you for that",
            metadata={"level": level.name},
            resource=(target.kind, target.id),
        )


async def of(tx: Transaction, table: Table, target: Target) -> list[Grant]:
    """All grants on the target."""
    statement = select(table.c.subject_kind, table.c.subject_id, table.c.level).where(*_on(table, target))
    rows = await tx.execute(statement)
    return [Grant(row.subject_kind, row.subject_id, Level[row.level]) for row in rows]


async def forget(tx: Transaction, table: Table, kind: str, resource_id: str) -> None:
    """Deletes all grants on a resource, which is being deleted."""
    await tx.execute(delete(table).where(table.c.kind == kind, table.c.resource_id == resource_id))


async def find_of(tx: Transaction, table: Table, target: Target, grant: Grant) -> Share | None:
    """What the subject of this grant has been given on the target."""
    statement = select(table).where(
        *_on(table, target),
        table.c.subject_kind == grant.subject_kind,
        table.c.subject_id == grant.subject_id,
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else _share(row)


async def count(tx: Transaction, table: Table, target: Target) -> int:
    """How many grants there are on the target."""
    return int(await tx.scalar(select(func.count()).select_from(table).where(*_on(table, target))))


async def add(tx: Transaction, table: Table, target: Target, share: Share) -> None:
    """Stores a grant to a subject that had none."""
    await tx.execute(
        insert(table).values(
            id=share.id,
            kind=target.kind,
            resource_id=share.resource_id,
            subject_kind=share.grant.subject_kind,
            subject_id=share.grant.subject_id,
            level=share.grant.level.name,
            created_by=share.created_by,
            created_at=share.created_at,
        )
    )


async def save(tx: Transaction, table: Table, share: Share) -> None:
    """Stores another level of a grant."""
    await tx.execute(update(table).where(table.c.id == share.id).values(level=share.grant.level.name))


async def remove(tx: Transaction, table: Table, target: Target, share_id: str) -> Share | None:
    """Deletes one grant on the target and returns what it was; None when there is no such one."""
    statement = delete(table).where(*_on(table, target), table.c.id == share_id).returning(table)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else _share(row)


async def page(
    tx: Transaction, table: Table, target: Target, after: tuple[Any, ...] | None, limit: int
) -> list[Share]:
    """The grants on the target, oldest first, after the one with these (created_at, id)."""
    statement = select(table).where(*_on(table, target))
    if after is not None:
        statement = statement.where(tuple_(table.c.created_at, table.c.id) > tuple_(*after))
    rows = await tx.execute(statement.order_by(table.c.created_at, table.c.id).limit(limit))
    return [_share(row) for row in rows]


async def given_to(
    tx: Transaction, table: Table, kind: str, subject: Subject, limit: int
) -> dict[str, Level]:
    """The resources of this kind that were given to the subject, by id, with the most it was given; the last first."""
    newest = select(table.c.resource_id, table.c.level).where(
        table.c.kind == kind, access.named(subject, table)
    )
    found: dict[str, Level] = {}
    for row in await tx.execute(newest.order_by(table.c.created_at.desc()).limit(limit)):
        found[row.resource_id] = max(Level[row.level], found.get(row.resource_id, Level.VIEW))
    return found


async def given_of(
    tx: Transaction, table: Table, ids: Collection[str], subject: Subject
) -> dict[str, list[Grant]]:
    """The grants to the subject on the resources with these ids, by id."""
    statement = select(table.c.resource_id, table.c.subject_kind, table.c.subject_id, table.c.level)
    wanted = statement.where(table.c.resource_id.in_(ids), access.named(subject, table))
    found: dict[str, list[Grant]] = {}
    for row in await tx.execute(wanted):
        grant = Grant(row.subject_kind, row.subject_id, Level[row.level])
        found.setdefault(row.resource_id, []).append(grant)
    return found


def _on(table: Table, target: Target) -> tuple[Any, ...]:
    return (table.c.kind == target.kind, table.c.resource_id == target.id)


def _share(row: Any) -> Share:
    grant = Grant(row.subject_kind, row.subject_id, Level[row.level])
    return Share(row.id, row.resource_id, grant, row.created_by, row.created_at)
