"""The built-in roles in the database: what the contracts of this version say they hold."""

from dataclasses import replace
from typing import Final

from chassis import outbox
from chassis.database import Database
from identity import store
from identity.domain import roles
from identity.domain.roles import Role

_ACTOR: Final = outbox.Actor("identity", "service", "identity")


async def ensure(db: Database) -> None:
    """Makes the built-in roles hold what the methods' rules give them, and records what changed."""
    async with db.begin(idempotent=False) as tx:
        await store.roles.lock_all(tx)
        before = {role.name: role for role in await store.roles.every(tx)}
        for role in roles.BUILT_IN:
            old = before.get(role.name)
            if old != role:
                if old is None:
                    await store.roles.put(tx, role)
                else:
                    await store.roles.save(tx, old, replace(role, version=old.version + 1))
                await outbox.add(
                    tx,
                    action="ROLE_UPDATED",
                    actor=_ACTOR,
                    entity=("role", role.name),
                    old=_facts(old) if old else None,
                    new=_facts(role),
                )


def _facts(role: Role) -> dict[str, object]:
    return {"description": role.description, "permissions": sorted(role.permissions)}
