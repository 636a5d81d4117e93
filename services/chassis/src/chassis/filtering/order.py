"""`order_by` (google.aip.dev/132): `created_at desc, name`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chassis.errors import FieldViolation, Invalid


@dataclass(frozen=True, slots=True)
class Order:
    """One field of an order."""

    field: str
    descending: bool = False


def parse_order(text: str, known: Collection[str], default: Sequence[Order]) -> tuple[Order, ...]:
    """The order that `text` writes, with `default`'s fields after it so that the order is total.

    An empty text is the default order. `default` ends with a unique field. Raises Invalid naming `order_by`.
    """
    orders: list[Order] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        words = part.split()
        field, direction = words[0], words[1].lower() if len(words) > 1 else "asc"
        if field not in known:
            raise _refused(f"unknown field {field!r}; known: {', '.join(sorted(known))}")
        if len(words) > 2 or direction not in ("asc", "desc"):
            raise _refused(f"expected 'field' or 'field desc', not {part!r}")
        if any(order.field == field for order in orders):
            raise _refused(f"{field!r} appears twice")
        orders.append(Order(field, direction == "desc"))
    given = {order.field for order in orders}
    descending = orders[-1].descending if orders else None
    orders.extend(
        order if descending is None else Order(order.field, descending)
        for order in default
        if order.field not in given
    )
    return tuple(orders)


def _refused(why: str) -> Invalid:
    return Invalid("INVALID_FIELD", f"order_by: {why}", fields=[FieldViolation("order_by", why)])
