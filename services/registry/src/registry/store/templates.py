"""Templates: definitions and workflows, where it does not matter which."""

from typing import Final

from sqlalchemy import select

from chassis.access import Level, Subject
from chassis.database import Transaction
from chassis.errors import FieldViolation, Invalid, NotFound
from chassis.grants import Target
from registry.store.lookup import by_key, kind, require, visible
from registry.tables import definitions, workflows

_TABLES: Final = (workflows, definitions)


async def get(tx: Transaction, key: str, viewer: Subject, level: Level, *, lock: bool = False) -> Target:
    """The one with this id or name, to which the viewer may do this; locked against changes if wanted.

    Raises NotFound TEMPLATE_NOT_FOUND, Denied NOT_GRANTED, Invalid for a name that both have.
    """
    found = []
    for table in _TABLES:
        columns = (table.c.id, table.c.name, table.c.owner_id, table.c.visibility)
        wanted = select(*columns).where(by_key(table, key), visible(table, viewer))
        row = (await tx.execute(wanted.with_for_update() if lock else wanted)).one_or_none()
        if row is not None:
            found.append((table, row))
    if not found:
        raise _not_found(key)
    if len(found) > 1:
        text = f"both a workflow and a definition are named {key!r}; give the id"
        raise Invalid("INVALID_FIELD", text, fields=[FieldViolation("template_id", text)])
    ((table, row),) = found
    await require(tx, viewer, level, table, row, hidden=_not_found(key))
    return Target(kind(table), row.id, row.name)


def _not_found(key: str) -> NotFound:
    return NotFound(
        "TEMPLATE_NOT_FOUND",
        f"no workflow and no definition is {key!r}",
        resource=("template", key),
    )
