"""Users as administrators and as themselves."""

import asyncio
import json

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.database import Database
from identity.domain.roles import BUILT_IN
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import PASSWORD, Metadata, World, bearer
from tests.identity.records import records

NEW = "a wholly new password"
VIEWS = sorted(next(role.permissions for role in BUILT_IN if role.name == "Viewer"))


async def update(world: World, caller: Metadata, user_id: str, **request: object) -> pb.User:
    """UpdateUser; `user` may be left out."""
    fields = {"user": pb.User(), **request}
    message = pb.UpdateUserRequest(user_id=user_id, **fields)  # type: ignore[arg-type]  # the fields of a request
    return (await world.stub.UpdateUser(message, metadata=caller)).user


async def test_users_see_themselves_by_id_and_as_me(world: World) -> None:
    mine = await world.enter("ada@example.com")

    me = (await world.stub.GetUser(pb.GetUserRequest(user_id="me"), metadata=mine)).user
    by_id = (await world.stub.GetUser(pb.GetUserRequest(user_id=me.id), metadata=mine)).user

    assert me == by_id
    assert me.email == "ada@example.com"


async def test_others_look_as_if_they_did_not_exist(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")
    other = await world.register("bob@example.com")

    answers = [
        await failure(world.stub.GetUser(pb.GetUserRequest(user_id=user_id), metadata=mine))
        for user_id in (other.id, "00000000-0000-7000-8000-000000000000")
    ]

    assert {(code, error.reason) for code, error in answers} == {
        (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    }


async def test_an_administrator_sees_everyone(world: World) -> None:
    other = await world.register("bob@example.com")

    found = await world.stub.GetUser(pb.GetUserRequest(user_id=other.id), metadata=world.admin)

    assert found.user == other


async def test_the_operator_is_no_user(world: World) -> None:
    code, error = await failure(world.stub.GetUser(pb.GetUserRequest(user_id="me"), metadata=world.admin))

    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")


async def test_listing_needs_a_permission(world: World) -> None:
    editor = await world.enter("ed@example.com", "Editor")

    code, error = await failure(world.stub.ListUsers(pb.ListUsersRequest(), metadata=editor))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
    assert error.metadata["permission"] == "users.read"


async def test_lists_go_page_by_page_newest_first(world: World) -> None:
    made = [(await world.register(f"u{number}@example.com")).id for number in range(5)]

    found, token = [], ""
    for _ in range(3):
        page = await world.stub.ListUsers(
            pb.ListUsersRequest(page_size=2, page_token=token), metadata=world.admin
        )
        found += [user.id for user in page.users]
        token = page.next_page_token

    assert found == made[::-1]
    assert token == ""


@pytest.mark.parametrize(
    ("wanted", "emails"),
    [
        ('email = "ADA@example.com"', ["ada@example.com"]),
        ("email:BOB", ["bob@example.com"]),
        ("role_name = Editor", ["bob@example.com"]),
        ("role_name = editor", ["bob@example.com"]),
        ("role_name = Viewer AND is_active = true", ["ada@example.com"]),
        ("is_active = false", ["off@example.com"]),
        ("NOT is_active = true", ["off@example.com"]),
        ("email:ada OR email:off", ["off@example.com", "ada@example.com"]),
        ("email:nobody", []),
    ],
)
async def test_lists_can_be_filtered(world: World, wanted: str, emails: list[str]) -> None:
    await world.register("ada@example.com")
    await world.register("bob@example.com", "Editor")
    off = await world.register("off@example.com")
    await update(world, world.admin, off.id, user=pb.User(is_active=False))

    found = await world.stub.ListUsers(pb.ListUsersRequest(filter=wanted), metadata=world.admin)

    assert [user.email for user in found.users] == emails


@pytest.mark.parametrize(
    "wanted",
    [
        "password_hash:a",
        "email",
        "is_active = maybe",
        "email_key = a",
        "email == a",
        "role_name = Owner",
        "NOT role_name = Owner",
    ],
)
async def test_a_wrong_filter_is_refused(world: World, wanted: str) -> None:
    code, error = await failure(
        world.stub.ListUsers(pb.ListUsersRequest(filter=wanted), metadata=world.admin)
    )

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FILTER")


async def test_a_page_token_belongs_to_its_filter(world: World) -> None:
    for number in range(2):
        await world.register(f"u{number}@example.com")
    page = await world.stub.ListUsers(pb.ListUsersRequest(page_size=1), metadata=world.admin)

    code, error = await failure(
        world.stub.ListUsers(
            pb.ListUsersRequest(page_token=page.next_page_token, filter="email:u"), metadata=world.admin
        )
    )

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")


async def test_users_change_their_name(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")

    after = await update(world, mine, "me", user=pb.User(full_name="Ada Lovelace"))

    assert after.full_name == "Ada Lovelace"
    [entry] = await records(db, "USER_UPDATED")
    assert entry["details"]["old"]["full_name"] == ""
    assert entry["details"]["new"]["full_name"] == "Ada Lovelace"


@pytest.mark.parametrize(
    "user",
    [pb.User(role_name="Admin"), pb.User(is_active=False), pb.User(email="new@example.com")],
    ids=["role", "activity", "email"],
)
async def test_users_do_not_change_their_rights(world: World, user: pb.User) -> None:
    mine = await world.enter("ada@example.com", "Editor")

    code, error = await failure(update(world, mine, "me", user=user))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


async def test_users_do_not_change_others(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")
    other = await world.register("bob@example.com")

    answers = [
        await failure(update(world, mine, user_id, user=pb.User(full_name="x")))
        for user_id in (other.id, "00000000-0000-7000-8000-000000000000")
    ]

    assert {(code, error.reason) for code, error in answers} == {
        (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
    }


async def test_only_what_is_present_changes(world: World) -> None:
    user = await world.register("ada@example.com", "Editor")
    await update(world, world.admin, user.id, user=pb.User(full_name="Ada"))

    after = await update(world, world.admin, user.id, user=pb.User(is_active=False))

    assert (after.full_name, after.role_name, after.is_active) == ("Ada", "Editor", False)


async def test_a_mask_says_what_changes(world: World) -> None:
    user = await world.register("ada@example.com")
    await update(world, world.admin, user.id, user=pb.User(full_name="Ada"))

    given = pb.User(full_name="Not this", role_name="Editor")
    after = await update(world, world.admin, user.id, user=given, update_mask=FieldMask(paths=["role_name"]))
    emptied = await update(world, world.admin, user.id, update_mask=FieldMask(paths=["full_name"]))

    assert (after.full_name, after.role_name) == ("Ada", "Editor")
    assert emptied.full_name == ""


@pytest.mark.parametrize("path", ["password", "password_hash", "id", "created_at"])
async def test_a_mask_names_only_what_can_change(world: World, path: str) -> None:
    user = await world.register("ada@example.com")

    code, error = await failure(update(world, world.admin, user.id, update_mask=FieldMask(paths=[path])))

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_UPDATE_MASK")


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (pb.User(role_name="King"), "ROLE_UNKNOWN"),
        (pb.User(email="bob@EXAMPLE.com"), "EMAIL_TAKEN"),
        (pb.User(email="nonsense"), "INVALID_FIELD"),
        (pb.User(etag="99", full_name="x"), "ETAG_MISMATCH"),
    ],
    ids=["role", "taken", "email", "etag"],
)
async def test_a_wrong_value_is_refused_by_its_reason(world: World, user: pb.User, reason: str) -> None:
    ada = await world.register("ada@example.com")
    await world.register("bob@example.com")

    _, error = await failure(update(world, world.admin, ada.id, user=user))

    assert error.reason == reason


async def test_an_etag_lets_one_of_two_through(world: World) -> None:
    ada = await world.register("ada@example.com")

    answers = await asyncio.gather(
        *(
            update(world, world.admin, ada.id, user=pb.User(full_name=name, etag=ada.etag))
            for name in ("one", "two")
        ),
        return_exceptions=True,
    )

    assert len([answer for answer in answers if isinstance(answer, pb.User)]) == 1


async def test_a_dry_run_changes_nothing(world: World, db: Database) -> None:
    ada = await world.register("ada@example.com")

    shown = await update(world, world.admin, ada.id, user=pb.User(role_name="Editor"), validate_only=True)
    found = await world.stub.GetUser(pb.GetUserRequest(user_id=ada.id), metadata=world.admin)

    assert shown.role_name == "Editor"
    assert found.user == ada
    assert await records(db, "USER_UPDATED") == []


async def test_users_change_their_password_with_the_present_one(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")

    await update(world, mine, "me", new_password=NEW, current_password=PASSWORD)

    assert (await world.login("ada@example.com", NEW)).access_token
    _, error = await failure(world.login("ada@example.com", PASSWORD))
    assert error.reason == "LOGIN_FAILED"
    [entry] = await records(db, "USER_UPDATED")
    assert entry["details"]["also_changed"] == ["password"]
    assert NEW not in json.dumps(entry)
    assert "argon2" not in json.dumps(entry)


@pytest.mark.parametrize("role", ["Viewer", "Admin"])
@pytest.mark.parametrize("present", ["", "a wrong password"])
async def test_nobody_changes_their_password_without_the_present_one(
    world: World, db: Database, role: str, present: str
) -> None:
    mine = await world.enter("ada@example.com", role)

    code, error = await failure(update(world, mine, "me", new_password=NEW, current_password=present))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "LOGIN_FAILED")
    assert (await world.login("ada@example.com", PASSWORD)).access_token
    [entry] = await records(db, "ACCESS_DENIED")
    assert (entry["entity_type"], entry["entity_id"]) == ("user", entry["actor"]["id"])
    assert "user" not in entry["details"]


async def test_a_repeated_change_of_password_is_answered_the_same(world: World) -> None:
    admin = await world.enter("root@example.com", "Admin")
    ada = await world.register("ada@example.com")
    request = {"new_password": NEW, "request_id": "r1"}

    first = await update(world, admin, ada.id, **request)
    second = await update(world, admin, ada.id, **request)
    _, error = await failure(
        update(world, admin, ada.id, new_password="yet another password", request_id="r1")
    )

    assert first == second
    assert error.reason == "REQUEST_ID_REUSED"


async def test_ones_own_repeated_change_of_password_is_recognised(world: World) -> None:
    """By its key: the sessions ended with the first change."""
    mine = await world.enter("ada@example.com")
    key = await world.stub.CreateApiKey(pb.CreateApiKeyRequest(name="k"), metadata=mine)
    by_key = bearer(key.secret)
    request = {"new_password": NEW, "current_password": PASSWORD, "request_id": "r1"}

    first = await update(world, by_key, "me", **request)
    second = await update(world, by_key, "me", **request)

    assert first == second
    assert (await world.login("ada@example.com", NEW)).access_token


async def test_an_administrator_sets_another_password_without_knowing_the_old_one(world: World) -> None:
    ada = await world.register("ada@example.com")

    await update(world, world.admin, ada.id, new_password=NEW)

    assert (await world.login("ada@example.com", NEW)).access_token


async def test_deleting_needs_a_permission(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")

    code, error = await failure(world.stub.DeleteUser(pb.DeleteUserRequest(user_id="me"), metadata=mine))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


async def test_a_deletion_is_recorded_with_what_was(world: World, db: Database) -> None:
    ada = await world.register("ada@example.com", "Editor")

    request = pb.DeleteUserRequest(user_id=ada.id, request_id="d1")
    for _ in range(2):
        await world.stub.DeleteUser(request, metadata=world.admin)

    [entry] = await records(db, "USER_DELETED")
    assert entry["entity_id"] == ada.id
    assert entry["details"]["old"]["email"] == "ada@example.com"
    code, error = await failure(
        world.stub.DeleteUser(pb.DeleteUserRequest(user_id=ada.id), metadata=world.admin)
    )
    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")


@pytest.mark.parametrize("how", ["demote", "deactivate", "delete"])
async def test_the_last_administrator_stays(world: World, how: str) -> None:
    root = await world.register("root@example.com", "Admin")

    code, error = await failure(take_away(world, root.id, how))

    assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LAST_ADMINISTRATOR")


@pytest.mark.parametrize(
    ("one", "other"),
    [("demote", "demote"), ("delete", "delete"), ("deactivate", "delete"), ("demote", "deactivate")],
)
async def test_two_administrators_cannot_go_at_once(world: World, one: str, other: str) -> None:
    first = await world.register("a@example.com", "Admin")
    second = await world.register("b@example.com", "Admin")

    answers = await asyncio.gather(
        take_away(world, first.id, one), take_away(world, second.id, other), return_exceptions=True
    )

    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert [error.code() for error in refused] == [grpc.StatusCode.FAILED_PRECONDITION]
    left = await world.stub.ListUsers(
        pb.ListUsersRequest(filter="role_name = Admin AND is_active = true"), metadata=world.admin
    )
    assert len(left.users) == 1


async def test_an_inactive_administrator_does_not_count(world: World) -> None:
    first = await world.register("a@example.com", "Admin")
    second = await world.register("b@example.com", "Admin")
    await take_away(world, first.id, "deactivate")

    _, error = await failure(take_away(world, second.id, "demote"))

    assert error.reason == "LAST_ADMINISTRATOR"


async def test_everyone_sees_the_roles(world: World) -> None:
    mine = await world.enter("ada@example.com")

    found = (await world.stub.ListRoles(pb.ListRolesRequest(), metadata=mine)).roles

    assert [role.name for role in found] == ["Admin", "Editor", "Viewer"]
    assert list(found[2].permissions) == sorted(found[2].permissions)


async def test_a_refusal_is_in_the_action_log(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com", "Viewer")

    await failure(world.stub.ListUsers(pb.ListUsersRequest(), metadata=mine))

    async with asyncio.timeout(10):
        while not (found := await records(db, "ACCESS_DENIED")):
            await asyncio.sleep(0.1)
    assert found[0]["actor"]["name"] == "ada@example.com"


async def take_away(world: World, user_id: str, how: str) -> None:
    """Makes the administrator one no more."""
    if how == "delete":
        await world.stub.DeleteUser(pb.DeleteUserRequest(user_id=user_id), metadata=world.admin)
        return
    user = pb.User(role_name="Viewer") if how == "demote" else pb.User(is_active=False)
    await update(world, world.admin, user_id, user=user)


@pytest.mark.parametrize(
    "change",
    [
        {"new_password": NEW},
        {"user": pb.User(email="mine@example.com")},
        {"user": pb.User(full_name="Root")},
        {"user": pb.User(is_active=False)},
    ],
)
async def test_nobody_changes_who_holds_more_than_they_do(world: World, change: dict[str, object]) -> None:
    role = pb.Role(name="Desk", permissions=["users.update", "users.read", *VIEWS])
    await world.stub.CreateRole(pb.CreateRoleRequest(role=role), metadata=world.admin)
    desk = await world.enter("desk@example.com", "Desk")
    root, viewer = await world.register("root@example.com", "Admin"), await world.register("v@example.com")

    code, error = await failure(update(world, desk, root.id, **change))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_GRANTABLE")
    assert (await world.login("root@example.com")).access_token
    await update(world, desk, viewer.id, **change)
