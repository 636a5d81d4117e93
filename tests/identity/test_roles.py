"""Roles and permissions, and the migrated database that holds them."""

import asyncio

import pytest
from sqlalchemy import delete, text

from chassis import errors, migrations
from chassis.database import Database
from identity import built_in, store
from identity.domain import roles
from identity.tables import metadata
from tests.identity.records import records

_SOMEBODY_LOGGED_IN = """
    WITH somebody AS (
        INSERT INTO users (id, email, email_key, full_name, role_name, is_active, password_hash, version,
            created_at, updated_at)
        VALUES ('u1', 'a@example.com', 'a@example.com', '', 'Editor', true, 'none', 1, now(), now())
        RETURNING id
    )
    INSERT INTO sessions (id, user_id, client_address, user_agent, kind, created_at, last_used_at, expires_at)
    SELECT 's1', id, '', '', 'tokens', now(), now(), now() + interval '1 day' FROM somebody
"""


def role(name: str) -> roles.Role:
    return next(one for one in roles.BUILT_IN if one.name == name)


def test_each_role_holds_what_the_one_below_it_holds() -> None:
    viewer, editor, admin = role("Viewer"), role("Editor"), role("Admin")

    assert viewer.permissions < editor.permissions < admin.permissions
    internal = {"worker.connect", "secrets.reveal", "datasources.write"}
    assert internal == roles.PERMISSIONS - admin.permissions
    assert frozenset({"worker.connect"}) == roles.WORKER_PERMISSIONS
    assert {"resources.all", "users.update"} <= admin.permissions - editor.permissions


def test_an_editor_deletes_nothing_but_automation_and_sees_neither_audit_nor_users() -> None:
    held = role("Editor").permissions

    deletes = {one for one in held if one.endswith(".delete")}
    assert deletes == {"schedules.delete", "triggers.delete"}
    assert not [one for one in held if one.startswith(("audit.", "users.", "metrics."))]


def test_a_viewer_only_reads_exports_and_stars() -> None:
    others = {one for one in role("Viewer").permissions if not one.endswith(".read")}

    assert others == {"bundles.export", "definitions.star"}


@pytest.mark.parametrize(("held", "wanted"), [("Viewer", "Editor"), ("Editor", "Admin"), ("Viewer", "Admin")])
def test_nobody_grants_more_than_they_hold(held: str, wanted: str) -> None:
    with pytest.raises(errors.Denied) as refused:
        roles.grantable(roles.BUILT_IN, wanted, role(held).permissions, "role_name")

    assert refused.value.reason == "ROLE_NOT_GRANTABLE"


def test_an_unknown_role_names_the_known_ones() -> None:
    with pytest.raises(errors.Invalid, match="Admin, Editor, Viewer") as refused:
        roles.grantable(roles.BUILT_IN, "admin", roles.PERMISSIONS, "role_name")

    assert refused.value.reason == "ROLE_UNKNOWN"
    assert refused.value.fields[0].field == "role_name"


async def test_a_start_makes_the_built_in_roles_hold_what_the_contracts_say(fresh_url: str) -> None:
    db = Database(fresh_url, metadata)
    await built_in.ensure(db)
    async with db.begin(idempotent=False, audited=False) as tx:
        await store.roles.put(tx, roles.Role("Editor", "Edits.", frozenset({"runs.read", "gone.away"})))
        await store.roles.put(tx, roles.Role("Custom", "Ours.", frozenset({"runs.read"})))
        await tx.execute(delete(db.tables.outbox))

    await asyncio.gather(built_in.ensure(db), built_in.ensure(db))

    async with db.read() as tx:
        stored = {role.name: role for role in await store.roles.every(tx)}
    custom = stored.pop("Custom")
    assert set(stored.values()) == set(roles.BUILT_IN)
    assert custom.permissions == {"runs.read"}
    (record,) = await records(db, "ROLE_UPDATED")
    assert record["entity_id"] == "Editor"
    assert record["details"]["old"]["permissions"] == ["gone.away", "runs.read"]
    await db.close()


async def test_what_a_start_takes_from_a_role_ends_tokens_where_somebody_may_have_one(fresh_url: str) -> None:
    db = Database(fresh_url, metadata)

    async def started_after_an_older_version() -> set[str]:
        async with db.begin(idempotent=False, audited=False) as tx:
            await store.roles.put(tx, roles.Role("Editor", "Edits.", frozenset({"gone.away"})))
        await built_in.ensure(db)
        async with db.read() as tx:
            return set(await store.roles.narrowed_lately(tx))

    before = await started_after_an_older_version()
    async with db.begin(idempotent=False, audited=False) as tx:
        await tx.execute(text(_SOMEBODY_LOGGED_IN))
    after = await started_after_an_older_version()
    await db.close()

    assert (before, after) == (set(), {"Editor"})


def test_the_migrations_make_the_tables_of_the_code(fresh_url: str) -> None:
    migrations.check(fresh_url, "identity")


def test_the_migrations_can_be_taken_back(fresh_url: str) -> None:
    migrations.downgrade(fresh_url, "identity", "base")

    assert migrations.current(fresh_url) is None
    assert migrations.upgrade(fresh_url, "identity")
