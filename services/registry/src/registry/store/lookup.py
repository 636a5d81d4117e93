"""What finding definitions and workflows has in common: by id or name, by who looks, by page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ARRAY, Select, Table, Text, and_, func, literal, or_
from sqlalchemy.sql.elements import ColumnElement

from chassis import access, grants
from chassis.access import Columns, Level, Subject
from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.filtering import Filter, Order, parse_order
from chassis.filtering import sql as filtering
from chassis.grants import Target
from chassis.paging import Key
from registry import tables
from registry.domain.common import Users
from registry.kinds import ASSISTANT

Condition = ColumnElement[bool]

_COLUMNS: Final = {"stars": "star_count"}
"""Where a column has another name than orders write."""
_GRAM: Final = 3
_NEWEST_FIRST: Final = (Order("created_at", descending=True), Order("id", descending=True))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items of a list, in which order, from where on and how many at most."""

    limit: int
    after: tuple[Key, ...] | None = None
    orders: tuple[Order, ...] = _NEWEST_FIRST
    filter: Filter | None = None
    words: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """All of which it has."""
    compliance: tuple[str, ...] = ()
    """All of which it meets."""
    cost_tiers: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    visibilities: tuple[str, ...] = ()
    owner_id: str = ""
    is_starred: bool = False
    """Only what the viewer has starred."""
    has_deprecated: bool = True
    """Also what has no version left to use."""


@dataclass(frozen=True, slots=True)
class Owned:
    """What counts of a definition or workflow when it is asked who may do what to it."""

    id: str
    name: str
    owner_id: str
    visibility: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a workflow ran already, by id: it may go on running that, whoever changes it, while its owner sees that."""

    owner: Subject
    ids: frozenset[str]


def orders(text: str, *more: str) -> tuple[Order, ...]:
    """The order that `order_by` writes, also by the fields `more`; newest first when it is empty. Raises Invalid."""
    found = parse_order(text, ("created_at", "updated_at", "name", *more), _NEWEST_FIRST)
    return tuple(replace(one, field=_COLUMNS.get(one.field, one.field)) for one in found)


def position(item: Any, wanted: Sequence[Order]) -> tuple[Key, ...]:
    """Where an item stands in this order."""
    return tuple(getattr(item, order.field) for order in wanted)


def by_key(table: Table, key: str) -> Condition:
    """The row with this id or name: ids begin with a digit, names with a letter."""
    return table.c.id == key if key[:1].isdigit() else table.c.name == key


def visible(table: Table, viewer: Subject, kept: Kept | None = None, level: Level = Level.VIEW) -> Condition:
    """The rows that the viewer may know of, or do more to, and those of what was `kept`."""
    columns = Columns(kind(table), table.c.id, table.c.owner_id, table.c.visibility == "PUBLIC")
    seen = access.condition(viewer, level, columns, tables.grants)
    if kept is None or not kept.ids:
        return seen
    return or_(seen, and_(table.c.id.in_(kept.ids), visible(table, kept.owner, level=level)))


def users(rows: Iterable[Any], holders: Iterable[Any] = ()) -> Users | None:
    """The workflows in these rows, each a `name` and whether it `is_visible`, and the packages and assistants in
    `holders`, which have a `type` besides; None: there are no rows.
    """
    workflows, held = list(rows), list(holders)
    assistants = [row for row in held if row.type == ASSISTANT]
    packages = [row for row in held if row.type != ASSISTANT]
    if not workflows and not held:
        return None
    return Users(*_counted(workflows), *_counted(packages), *_counted(assistants))


def _counted(rows: list[Any]) -> tuple[tuple[str, ...], int]:
    """The names of those that may be seen, and how many others there are."""
    seen = tuple(row.name for row in rows if row.is_visible)
    return seen, len(rows) - len(seen)


async def require(
    tx: Transaction, viewer: Subject, level: Level, table: Table, row: "Owned | Any", *, hidden: NotFound
) -> None:
    """Returns when the viewer may do this to the row's definition or workflow. Raises `hidden` when they may not even
    know of it, else Denied NOT_GRANTED.
    """
    target = Target(kind(table), row.id, row.name)
    resource = access.Resource(row.owner_id, row.visibility == "PUBLIC")
    await grants.require(tx, tables.grants, viewer, level, target=target, resource=resource, hidden=hidden)


async def reaches(tx: Transaction, viewer: Subject, level: Level, table: Table, row: "Owned | Any") -> bool:
    """Whether the viewer may do this to the row's definition or workflow."""
    target = Target(kind(table), row.id, row.name)
    resource = access.Resource(row.owner_id, row.visibility == "PUBLIC")
    given = await grants.of(tx, tables.grants, target)
    return access.check(viewer, level, resource, given) is access.Decision.ALLOW


def kind(table: Table) -> str:
    """What grants call the rows of this table."""
    return {tables.definitions: "definition", tables.workflows: "workflow"}[table]


def page(statement: Select[Any], table: Table, wanted: Wanted, columns: dict[str, Any]) -> Select[Any]:
    """The statement narrowed to one page; `columns` are those one may filter by."""
    ordering = {order.field: table.c[order.field] for order in wanted.orders}
    conditions = [filtering.after(wanted.orders, ordering, wanted.after)]
    if wanted.filter is not None:
        conditions.append(filtering.where(wanted.filter, columns))
    conditions += _holding(table, wanted.words)
    for names, column in (
        (wanted.types, "type"),
        (wanted.cost_tiers, "cost_tier"),
        (wanted.statuses, "status"),
        (wanted.visibilities, "visibility"),
    ):
        conditions += [table.c[column].in_(names)] if names else []
    for words, column in ((wanted.tags, "tags"), (wanted.compliance, "compliance")):
        conditions += [_has_all(table.c[column], words)] if words else []
    conditions += [table.c.owner_id == wanted.owner_id] if wanted.owner_id else []
    statement = statement.where(and_(*conditions))
    return statement.order_by(*filtering.order_by(wanted.orders, ordering)).limit(wanted.limit)


def _holding(table: Table, words: Sequence[str]) -> list[Condition]:
    """The rows that hold all of these words; those of three characters and more are looked up in an index."""
    found: list[Condition] = [table.c.search.contains(word, autoescape=True) for word in words]
    grams = sorted({word[at : at + _GRAM] for word in words for at in range(len(word) - _GRAM + 1)})
    if grams:
        found.append(_has_all(func.trigrams(table.c.search), grams))
    return found


def _has_all(array: ColumnElement[Any], words: Sequence[str]) -> Condition:
    return array.bool_op("@>")(literal(list(words), ARRAY(Text)))
