"""Roles and permissions, and the migrated database that holds them."""

import pytest

from chassis import errors, migrations
from chassis.database import Database
from chassis.rules import methods
from identity import store
from identity.domain import roles

SERVICES = (
    "mcpanel.registry.v1.RegistryService",
    "mcpanel.engine.v1.EngineService",
    "mcpanel.engine.v1.WorkerService",
    "mcpanel.datasources.v1.DataSourceService",
    "mcpanel.audit.v1.AuditService",
    "mcpanel.identity.v1.IdentityService",
)


def role(name: str) -> roles.Role:
    return next(one for one in roles.BUILT_IN if one.name == name)


def test_each_role_holds_what_the_one_below_it_holds() -> None:
    viewer, editor, admin = role("Viewer"), role("Editor"), role("Admin")

    assert viewer.permissions < editor.permissions < admin.permissions
    assert roles.PERMISSIONS - admin.permissions == {"worker.connect"}


def test_an_editor_deletes_nothing_but_automation_and_sees_neither_audit_nor_users() -> None:
    held = role("Editor").permissions

    deletes = {one for one in held if one.endswith(".delete")}
    assert deletes == {"schedules.delete", "triggers.delete"}
    assert not [one for one in held if one.startswith(("audit.", "users.", "metrics."))]


def test_a_viewer_only_reads() -> None:
    assert all(one.endswith(".read") for one in role("Viewer").permissions)


def test_every_permission_that_a_contract_needs_exists() -> None:
    from mcpanel.audit.v1 import audit_pb2  # noqa: F401, PLC0415  # registers its descriptors
    from mcpanel.datasources.v1 import datasources_pb2  # noqa: F401, PLC0415
    from mcpanel.engine.v1 import engine_pb2, worker_pb2  # noqa: F401, PLC0415
    from mcpanel.registry.v1 import registry_pb2  # noqa: F401, PLC0415

    needed = {method.rule.permission for method in methods(SERVICES).values() if method.rule.permission}

    assert needed <= roles.PERMISSIONS


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


async def test_the_migration_fills_in_the_built_in_roles(db: Database) -> None:
    async with db.read() as tx:
        stored = await store.roles.every(tx)

    assert stored == sorted(roles.BUILT_IN, key=lambda one: one.name)


def test_the_migrations_make_the_tables_of_the_code(fresh_url: str) -> None:
    migrations.check(fresh_url, "identity")


def test_the_migrations_can_be_taken_back(fresh_url: str) -> None:
    migrations.downgrade(fresh_url, "identity", "base")

    assert migrations.current(fresh_url) is None
    assert migrations.upgrade(fresh_url, "identity")
