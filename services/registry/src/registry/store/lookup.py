"""What finding definitions and workflows has in common: by id or name, by who looks, by page."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, Table, and_, or_, true
from sqlalchemy.sql.elements import ColumnElement

from chassis.filtering import Filter, Order, parse_order
from chassis.filtering import sql as filtering
from chassis.paging import Key
from registry.domain.common import Viewer

Condition = ColumnElement[bool]

_NEWEST_FIRST: Final = (Order("created_at", descending=True), Order("id", descending=True))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which items of a list, in which order, from where on and how many at most."""

    limit: int
    after: tuple[Key, ...] | None = None
    orders: tuple[Order, ...] = _NEWEST_FIRST
    filter: Filter | None = None
    words: tuple[str, ...] = ()
    types: tuple[str, ...] = field(default=())


def orders(text: str) -> tuple[Order, ...]:
    """The order that `order_by` writes; newest first when it is empty. Raises Invalid."""
    return parse_order(text, ("created_at", "name"), _NEWEST_FIRST)


def position(item: Any, wanted: Sequence[Order]) -> tuple[Key, ...]:
    """Where an item stands in this order."""
    return tuple(getattr(item, order.field) for order in wanted)


def by_key(table: Table, key: str) -> Condition:
    """The row with this id or name: ids begin with a digit, names with a letter."""
    return table.c.id == key if key[:1].isdigit() else table.c.name == key


def visible(table: Table, viewer: Viewer) -> Condition:
    """The rows that the viewer may know of."""
    if viewer.sees_all:
        return true()
    return or_(table.c.visibility == "PUBLIC", table.c.owner_id == viewer.id)


def page(statement: Select[Any], table: Table, wanted: Wanted, columns: dict[str, Any]) -> Select[Any]:
    """The statement narrowed to one page; `columns` are those one may filter by."""
    ordering = {order.field: table.c[order.field] for order in wanted.orders}
    conditions = [filtering.after(wanted.orders, ordering, wanted.after)]
    if wanted.filter is not None:
        conditions.append(filtering.where(wanted.filter, columns))
    conditions += [table.c.search.contains(word, autoescape=True) for word in wanted.words]
    statement = statement.where(and_(*conditions))
    return statement.order_by(*filtering.order_by(wanted.orders, ordering)).limit(wanted.limit)
