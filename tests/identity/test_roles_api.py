"""Custom roles: made, changed, deleted, and what they let people do."""

import asyncio

import grpc
import pytest

from chassis.authentication import RemoteAuthenticator
from chassis.client import channel
from chassis.database import Database
from chassis.errors import Unauthenticated
from identity.domain.roles import ADMINISTERING
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import Metadata, World, bearer
from tests.identity.records import records

LOOKS = ["definitions.read", "runs.read"]
KEEPS = ["users.update", "users.read", "users.delete", "roles.update"]


async def make(
    world: World, name: str = "Operator", permissions: list[str] | None = None, caller: Metadata | None = None
) -> pb.Role:
    role = pb.Role(name=name, description="Runs.", permissions=permissions or [*LOOKS, "runs.start"])
    request = pb.CreateRoleRequest(role=role)
    return (await world.stub.CreateRole(request, metadata=caller or world.admin)).role


async def change(world: World, name: str, **values: object) -> pb.Role:
    request = pb.UpdateRoleRequest(role_name=name, role=pb.Role(**values))  # type: ignore[arg-type]  # the fields of a role
    return (await world.stub.UpdateRole(request, metadata=world.admin)).role


async def remove(world: World, name: str) -> None:
    await world.stub.DeleteRole(pb.DeleteRoleRequest(role_name=name), metadata=world.admin)


async def held(world: World, caller: Metadata) -> set[str]:
    return set((await world.stub.GetMe(pb.GetMeRequest(), metadata=caller)).principal.permissions)


async def test_whoever_has_a_custom_role_may_do_what_it_holds(world: World, db: Database) -> None:
    made = await make(world)

    mine = await world.enter("ada@example.com", "Operator")

    assert await held(world, mine) == {*LOOKS, "runs.start"} == set(made.permissions)
    assert not made.built_in
    [record] = await records(db, "ROLE_CREATED")
    assert record["entity_id"] == "Operator"


async def test_what_is_taken_away_is_lost_by_tokens_that_say_otherwise(world: World, db: Database) -> None:
    await make(world)
    await world.register("ada@example.com", "Operator")
    token = (await world.login("ada@example.com")).access_token
    key = await world.stub.CreateApiKey(pb.CreateApiKeyRequest(name="ci"), metadata=bearer(token))
    async with channel(world.config.listen, key=world.key("registry"), peer="identity") as door:
        assert "runs.start" in (await RemoteAuthenticator(door).authenticate(token)).permissions

        after = await change(world, "Operator", permissions=LOOKS)

        with pytest.raises(Unauthenticated, match="role"):
            await RemoteAuthenticator(door).authenticate(token)
    assert (await failure(held(world, bearer(token))))[0] is grpc.StatusCode.UNAUTHENTICATED
    assert await held(world, bearer(key.secret)) == set(LOOKS) == set(after.permissions)
    [record] = await records(db, "ROLE_UPDATED")
    assert "runs.start" in record["details"]["old"]["permissions"]


async def test_what_is_added_spares_the_tokens_there_are(world: World) -> None:
    await make(world, permissions=LOOKS)
    mine = await world.enter("ada@example.com", "Operator")

    await change(world, "Operator", permissions=[*LOOKS, "runs.start"], description="More.")

    assert await held(world, mine) == set(LOOKS)
    again = bearer((await world.login("ada@example.com")).access_token)
    assert "runs.start" in await held(world, again)


async def test_nobody_puts_into_a_role_what_they_lack(world: World) -> None:
    await make(world, "Clerk", ["roles.create", "roles.update", "users.update", "users.read"])
    clerk = await world.enter("bob@example.com", "Clerk")

    _, error = await failure(make(world, "Mine", ["audit.read"], clerk))
    mine = await make(world, "Mine", ["users.read"], clerk)

    assert error.reason == "ROLE_NOT_GRANTABLE"
    assert list(mine.permissions) == ["users.read"]


async def test_whoever_holds_what_admin_holds_is_an_administrator_by_whatever_name(world: World) -> None:
    await make(world, "Boss", [*ADMINISTERING])
    mine = await world.enter("ada@example.com", "Boss")
    user_id = (await world.stub.GetMe(pb.GetMeRequest(), metadata=mine)).user.id
    lower = pb.UpdateUserRequest(user_id=user_id, user=pb.User(role_name="Viewer"))

    refused = [
        await failure(world.stub.UpdateUser(lower, metadata=world.admin)),
        await failure(change(world, "Boss", permissions=["users.read"])),
        await failure(world.stub.DeleteUser(pb.DeleteUserRequest(user_id=user_id), metadata=world.admin)),
    ]
    await world.register("bob@example.com", "Admin")
    await change(world, "Boss", permissions=["users.read"])

    assert [error.reason for _, error in refused] == ["LAST_ADMINISTRATOR"] * 3


async def test_whoever_changes_users_and_roles_removes_no_administrator(world: World) -> None:
    await make(world, "Keeper", KEEPS)
    keeper, other = (
        await world.enter("ada@example.com", "Keeper"),
        await world.register("eve@example.com", "Keeper"),
    )
    root = await world.register("root@example.com", "Admin")
    await world.login("root@example.com")
    [session] = (
        await world.stub.ListSessions(pb.ListSessionsRequest(user_id=root.id), metadata=world.admin)
    ).sessions
    stub, off, named = world.stub, pb.User(is_active=False), pb.User(full_name="x")

    refused = [
        await failure(call)
        for call in (
            stub.DeleteUser(pb.DeleteUserRequest(user_id=root.id), metadata=keeper),
            stub.UpdateUser(pb.UpdateUserRequest(user_id=root.id, user=off), metadata=keeper),
            stub.UpdateUser(pb.UpdateUserRequest(user_id=root.id, user=named), metadata=keeper),
            stub.RevokeSession(pb.RevokeSessionRequest(session_id=session.id), metadata=keeper),
            stub.RevokeSessions(pb.RevokeSessionsRequest(user_id=root.id), metadata=keeper),
        )
    ]
    last = await failure(stub.DeleteUser(pb.DeleteUserRequest(user_id=root.id), metadata=world.admin))

    assert [error.reason for _, error in refused] == ["ROLE_NOT_GRANTABLE"] * 5
    assert last[1].reason == "LAST_ADMINISTRATOR"
    left = await stub.ListSessions(pb.ListSessionsRequest(user_id=root.id), metadata=world.admin)
    assert [one.id for one in left.sessions] == [session.id]
    await stub.RevokeSessions(pb.RevokeSessionsRequest(user_id=other.id), metadata=keeper)
    await stub.DeleteUser(pb.DeleteUserRequest(user_id=other.id), metadata=keeper)


async def test_with_a_lesser_key_people_still_act_on_themselves(world: World) -> None:
    await make(world, "Keeper", KEEPS)
    await make(world, "Leaver", ["users.delete"])
    mine = await world.enter("ada@example.com", "Keeper")
    request = pb.CreateApiKeyRequest(name="ci", role_name="Leaver")
    lesser = bearer((await world.stub.CreateApiKey(request, metadata=mine)).secret)

    await world.stub.RevokeSessions(pb.RevokeSessionsRequest(user_id="me"), metadata=lesser)
    await world.stub.DeleteUser(pb.DeleteUserRequest(user_id="me"), metadata=lesser)

    assert (await failure(held(world, lesser)))[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_a_role_that_somebody_has_stays(world: World) -> None:
    await make(world)
    user = await world.register("ada@example.com", "Operator")

    _, error = await failure(remove(world, "Operator"))
    lower = pb.UpdateUserRequest(user_id=user.id, user=pb.User(role_name="Viewer"))
    await world.stub.UpdateUser(lower, metadata=world.admin)
    await remove(world, "Operator")

    assert (error.reason, error.metadata["users"]) == ("ROLE_IN_USE", "1")
    found = await failure(world.stub.GetRole(pb.GetRoleRequest(role_name="Operator"), metadata=world.admin))
    assert found[1].reason == "ROLE_NOT_FOUND"


@pytest.mark.parametrize("name", ["Admin", "Editor", "Viewer"])
async def test_the_built_in_roles_are_the_contracts(world: World, name: str) -> None:
    refused = [
        await failure(change(world, name, description="Mine.")),
        await failure(remove(world, name)),
        await failure(make(world, name)),
    ]

    assert [error.reason for _, error in refused] == ["ROLE_BUILT_IN", "ROLE_BUILT_IN", "ROLE_NAME_TAKEN"]
    found = await world.stub.GetRole(pb.GetRoleRequest(role_name=name), metadata=world.admin)
    assert found.role.built_in


@pytest.mark.parametrize("permission", ["runs.fly", "*", "", "worker.connect"])
async def test_a_permission_that_no_role_holds_is_refused(world: World, permission: str) -> None:
    code, error = await failure(make(world, "Odd", ["runs.read", permission]))

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "PERMISSION_UNKNOWN")


async def test_no_two_roles_differ_in_upper_and_lower_case_alone(world: World) -> None:
    built_in = await failure(make(world, "admin"))
    at_once = await asyncio.gather(
        *(make(world, name) for name in ("On call", "ON CALL", "on Call")), return_exceptions=True
    )

    assert (built_in[0], built_in[1].reason) == (grpc.StatusCode.ALREADY_EXISTS, "ROLE_NAME_TAKEN")
    assert "Admin" in built_in[1].message
    assert len([one for one in at_once if isinstance(one, pb.Role)]) == 1


@pytest.mark.parametrize(
    "name", ["", "9lives", "a/b", "x" * 64, "a\nb", "Admin ", " Admin", "On  call", "Adm\u00a0in"]
)
async def test_a_name_is_a_plain_word_or_some(world: World, name: str) -> None:
    code, _ = await failure(make(world, name))

    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_change_of_what_was_changed_meanwhile_is_refused(world: World) -> None:
    made = await make(world)
    await change(world, "Operator", description="changed")

    _, error = await failure(change(world, "Operator", description="mine", etag=made.etag))

    assert error.reason == "ETAG_MISMATCH"


async def test_an_editor_makes_no_roles(world: World) -> None:
    editor = await world.enter("ada@example.com", "Editor")

    code, error = await failure(make(world, caller=editor))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
