"""Invitations and password resets: tickets that set one password, once, for who was handed them."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import duration_pb2
from sqlalchemy import select

from chassis.database import Database
from identity.domain.throttling import Limit
from identity.logins import Limits
from identity.tables import password_tickets, users
from identity.upkeep import Purge
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import PASSWORD, Metadata, Start, World, bearer
from tests.identity.records import move, records

NEW = "a wholly new password"
UNKNOWN = {"invitation": "mcp_i_" + "0" * 43, "reset": "mcp_r_" + "0" * 43}
INVALID = {
    "invitation": (grpc.StatusCode.UNAUTHENTICATED, "INVITATION_INVALID"),
    "reset": (grpc.StatusCode.UNAUTHENTICATED, "PASSWORD_TICKET_INVALID"),
}


async def invite(
    world: World, email: str = "ada@example.com", caller: Metadata | None = None, **values: Any
) -> pb.InviteUserResponse:
    request = pb.InviteUserRequest(email=email, **values)
    return await world.stub.InviteUser(request, metadata=caller or world.admin)


async def accept(
    world: World, invitation: str, password: str = NEW, full_name: str = "", address: str = ""
) -> pb.AcceptInvitationResponse:
    request = pb.AcceptInvitationRequest(invitation=invitation, password=password, full_name=full_name)
    return await world.stub.AcceptInvitation(request, metadata=bearer("", address))


async def reset(
    world: World, user_id: str, caller: Metadata | None = None, **values: Any
) -> pb.ResetPasswordResponse:
    request = pb.ResetPasswordRequest(user_id=user_id, **values)
    return await world.stub.ResetPassword(request, metadata=caller or world.admin)


async def set_password(
    world: World, ticket: str, password: str = NEW, request_id: str = "", address: str = ""
) -> pb.SetPasswordResponse:
    request = pb.SetPasswordRequest(ticket=ticket, new_password=password, request_id=request_id)
    return await world.stub.SetPassword(request, metadata=bearer("", address))


async def ticket(world: World, purpose: str, **values: Any) -> tuple[str, str]:
    """A ticket for a user, and the user's id."""
    if purpose == "invitation":
        invited = await invite(world, **values)
        return invited.invitation, invited.user.id
    user = await world.register("ada@example.com")
    return (await reset(world, user.id, **values)).ticket, user.id


async def use(world: World, purpose: str, secret: str, address: str = "") -> object:
    if purpose == "invitation":
        return await accept(world, secret, address=address)
    return await set_password(world, secret, address=address)


async def refused(world: World, purpose: str, secret: str) -> None:
    code, error = await failure(use(world, purpose, secret))
    assert (code, error.reason) == INVALID[purpose]


async def update(world: World, user_id: str, password: str = "", **values: Any) -> pb.User:
    request = pb.UpdateUserRequest(user_id=user_id, user=pb.User(**values), new_password=password)
    return (await world.stub.UpdateUser(request, metadata=world.admin)).user


async def test_who_accepts_an_invitation_is_logged_in_and_may_log_in(world: World, db: Database) -> None:
    invited = await invite(world, full_name="Ada", role_name="Editor")
    assert invited.invitation.startswith("mcp_i_")
    assert (invited.user.is_active, invited.user.role_name) == (False, "Editor")
    assert invited.user.HasField("invited_at")
    assert invited.expires_at.ToDatetime() - invited.user.invited_at.ToDatetime() == timedelta(days=7)

    tokens = await accept(world, invited.invitation, full_name="Ada Lovelace")

    me = await world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(tokens.access_token))
    assert (me.user.id, me.user.full_name, me.user.role_name) == (
        invited.user.id,
        "Ada Lovelace",
        "Editor",
    )
    assert me.user.is_active
    assert me.user.HasField("last_login_at")
    assert not me.user.HasField("invited_at")
    refresh = pb.RefreshSessionRequest(refresh_token=tokens.refresh_token)
    assert (await world.stub.RefreshSession(refresh)).access_token
    assert (await world.login("ada@example.com", NEW)).access_token


async def test_who_is_invited_keeps_the_name_they_do_not_change(world: World) -> None:
    tokens = await accept(world, (await invite(world, full_name="Ada")).invitation)

    me = await world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(tokens.access_token))

    assert (me.user.full_name, me.user.role_name) == ("Ada", "Viewer")


async def test_who_was_invited_cannot_log_in_before_they_accept(world: World) -> None:
    await invite(world)

    code, error = await failure(world.login("ada@example.com", ""))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    code, error = await failure(world.login("ada@example.com", NEW))

    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "LOGIN_FAILED")


async def test_a_reset_takes_the_password_and_the_sessions_until_a_new_one_is_set(world: World) -> None:
    user = await world.register("ada@example.com")
    tokens = await world.login("ada@example.com")

    answer = await reset(world, user.id)

    assert answer.ticket.startswith("mcp_r_")
    assert (answer.ended_sessions, answer.revoked_api_keys) == (1, 0)
    code, error = await failure(world.login("ada@example.com"))
    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "LOGIN_FAILED")
    refresh = pb.RefreshSessionRequest(refresh_token=tokens.refresh_token)
    _, error = await failure(world.stub.RefreshSession(refresh))
    assert error.reason == "REFRESH_TOKEN_INVALID"
    await set_password(world, answer.ticket)
    assert (await world.login("ada@example.com", NEW)).access_token
    _, error = await failure(world.login("ada@example.com"))
    assert error.reason == "LOGIN_FAILED"


@pytest.mark.parametrize("revoke", [True, False])
async def test_a_reset_revokes_api_keys_where_that_is_asked_for(world: World, revoke: bool) -> None:
    mine = await world.enter("ada@example.com")
    key = await world.stub.CreateApiKey(pb.CreateApiKeyRequest(name="ci"), metadata=mine)
    me = await world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(key.secret))

    answer = await reset(world, me.user.id, revoke_api_keys=revoke)

    assert answer.revoked_api_keys == int(revoke)
    again = world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(key.secret))
    if revoke:
        assert (await failure(again))[1].reason == "CREDENTIALS_INVALID"
    else:
        assert (await again).user.id == me.user.id


@pytest.mark.parametrize("purpose", ["invitation", "reset"])
async def test_of_those_who_show_a_ticket_at_once_one_sets_a_password(world: World, purpose: str) -> None:
    secret, _ = await ticket(world, purpose)

    answers = await asyncio.gather(*(use(world, purpose, secret) for _ in range(5)), return_exceptions=True)

    assert len([one for one in answers if not isinstance(one, BaseException)]) == 1
    await refused(world, purpose, secret)


@pytest.mark.parametrize("purpose", ["invitation", "reset"])
async def test_a_ticket_runs_out(world: World, db: Database, purpose: str) -> None:
    secret, _ = await ticket(world, purpose, lifetime=duration_pb2.Duration(seconds=90))

    await move(db, password_tickets, "expires_at", timedelta(seconds=-90))

    await refused(world, purpose, secret)


@pytest.mark.parametrize("seconds", [59, 30 * 86_400 + 1])
async def test_a_ticket_works_between_a_minute_and_thirty_days(world: World, seconds: int) -> None:
    code, error = await failure(invite(world, lifetime=duration_pb2.Duration(seconds=seconds)))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in error.fields] == ["lifetime"]


async def test_upkeep_removes_what_ran_out_and_nothing_else(world: World, db: Database) -> None:
    late = await invite(world)
    await move(db, password_tickets, "expires_at", timedelta(days=-8))
    in_time = await invite(world, "bob@example.com")

    await Purge(db).once()

    async with db.read() as tx:
        left = list((await tx.execute(select(password_tickets.c.user_id))).scalars())
    assert left == [in_time.user.id]
    assert (await invite(world)).user.id == late.user.id


@pytest.mark.parametrize("purpose", ["invitation", "reset"])
async def test_what_is_no_ticket_sets_no_password(world: World, purpose: str) -> None:
    (other,) = set(UNKNOWN) - {purpose}
    for_other, _ = await ticket(world, other)

    for secret in (UNKNOWN[purpose], "x", for_other):
        await refused(world, purpose, secret)

    await use(world, other, for_other)


@pytest.mark.parametrize("password", ["short", "x" * 257])
async def test_a_password_that_cannot_be_leaves_the_ticket(world: World, password: str) -> None:
    secret, _ = await ticket(world, "invitation")

    code, error = await failure(accept(world, secret, password))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in error.fields] == ["password"]
    assert password not in error.message
    await accept(world, secret)


@pytest.mark.parametrize("purpose", ["invitation", "reset"])
async def test_a_new_ticket_takes_the_place_of_the_old_one(world: World, purpose: str) -> None:
    old, user_id = await ticket(world, purpose)

    if purpose == "invitation":
        again = await invite(world, "ADA@example.com", role_name="Editor")
        new = again.invitation
        assert (again.user.id, again.user.role_name) == (user_id, "Editor")
    else:
        new = (await reset(world, user_id)).ticket

    await refused(world, purpose, old)
    await use(world, purpose, new)


async def test_who_has_an_account_is_not_invited(world: World) -> None:
    await world.register("ada@example.com")
    await accept(world, (await invite(world, "bob@example.com")).invitation)

    for email in ("Ada@example.com", "bob@example.com"):
        code, error = await failure(invite(world, email))
        assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN")


@pytest.mark.parametrize("purpose", ["invitation", "reset"])
async def test_a_ticket_of_a_user_who_was_deleted_sets_nothing(world: World, purpose: str) -> None:
    secret, user_id = await ticket(world, purpose)

    await world.stub.DeleteUser(pb.DeleteUserRequest(user_id=user_id), metadata=world.admin)

    await refused(world, purpose, secret)


async def test_a_ticket_of_a_user_who_was_deactivated_stays_void(world: World) -> None:
    secret, user_id = await ticket(world, "reset")

    await update(world, user_id, is_active=False)

    await refused(world, "reset", secret)
    await update(world, user_id, is_active=True)
    await refused(world, "reset", secret)


async def test_a_ticket_that_was_made_for_an_inactive_user_works_once_they_are_active(world: World) -> None:
    user = await world.register("ada@example.com")
    await update(world, user.id, is_active=False)
    secret = (await reset(world, user.id)).ticket
    await refused(world, "reset", secret)
    await refused(world, "invitation", secret)

    await update(world, user.id, is_active=True)

    await set_password(world, secret)
    assert (await world.login("ada@example.com", NEW)).access_token


@pytest.mark.parametrize("purpose", ["invitation", "reset"])
async def test_a_password_that_an_administrator_sets_voids_the_ticket(world: World, purpose: str) -> None:
    secret, user_id = await ticket(world, purpose)

    await update(world, user_id, PASSWORD, is_active=True)

    await refused(world, purpose, secret)
    assert (await world.login("ada@example.com")).access_token


async def test_who_has_not_accepted_is_neither_switched_on_nor_reset(world: World) -> None:
    secret, user_id = await ticket(world, "invitation")

    for attempt in (update(world, user_id, is_active=True), reset(world, user_id)):
        code, error = await failure(attempt)
        assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INVITATION_OPEN")

    await accept(world, secret)


async def test_an_invited_administrator_counts_once_they_accept(world: World) -> None:
    root = await world.register("root@example.com", "Admin")
    invited = await invite(world, role_name="Admin")
    remove = pb.DeleteUserRequest(user_id=root.id)

    code, error = await failure(world.stub.DeleteUser(remove, metadata=world.admin))
    assert (code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "LAST_ADMINISTRATOR")

    await accept(world, invited.invitation)
    await world.stub.DeleteUser(remove, metadata=world.admin)


async def test_nobody_invites_or_resets_who_holds_more_than_they_do(world: World) -> None:
    role = pb.Role(name="Desk", permissions=["users.update", "users.read"])
    await world.stub.CreateRole(pb.CreateRoleRequest(role=role), metadata=world.admin)
    desk = await world.enter("desk@example.com", "Desk")
    root = await world.register("root@example.com", "Admin")
    pending = await invite(world, role_name="Admin")

    for attempt in (
        invite(world, "bob@example.com", desk, role_name="Admin"),
        invite(world, "ada@example.com", desk),
        reset(world, root.id, desk),
    ):
        code, error = await failure(attempt)
        assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_GRANTABLE")

    assert (await world.login("root@example.com")).access_token
    await accept(world, pending.invitation)


async def test_only_who_may_change_users_invites_and_resets(world: World) -> None:
    editor = await world.enter("ed@example.com", "Editor")
    user = await world.register("ada@example.com")

    for attempt in (invite(world, "bob@example.com", editor), reset(world, user.id, editor)):
        code, error = await failure(attempt)
        assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


async def test_who_is_not_there_is_not_reset(world: World) -> None:
    code, error = await failure(reset(world, "nobody"))

    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")


async def test_an_unknown_role_is_refused_by_name(world: World) -> None:
    code, error = await failure(invite(world, role_name="King"))

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ROLE_UNKNOWN")
    assert error.fields[0].field == "role_name"


@pytest.mark.parametrize("purpose", ["invitation", "reset"])
async def test_tickets_are_tried_a_few_times_from_an_address_on_whatever_replica(
    start: Start, purpose: str
) -> None:
    limits = Limits(tickets_per_address=Limit(2, timedelta(minutes=15)))
    one, other = await start(limits), await start(limits)
    secret, _ = await ticket(one, purpose)
    for replica in (one, other):
        await failure(use(replica, purpose, UNKNOWN[purpose], "192.0.2.1"))

    code, error = await failure(use(one, purpose, secret, "192.0.2.1"))

    assert (code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
    assert error.retry_after
    await use(other, purpose, secret, "192.0.2.2")


async def test_trying_an_invitation_changes_nothing(world: World, db: Database) -> None:
    answer = await invite(world, validate_only=True)

    assert answer.user.email == "ada@example.com"
    assert not answer.invitation
    async with db.read() as tx:
        assert (await tx.execute(select(users))).all() == []
    assert await records(db, "USER_INVITED") == []


async def test_a_repeat_is_answered_without_the_ticket(world: World) -> None:
    first = await invite(world, request_id="r1")
    second = await invite(world, request_id="r1")
    resets = [await reset(world, (await world.register("bob@example.com")).id, request_id="r2")]
    user_id = (await world.stub.ListUsers(pb.ListUsersRequest(page_size=1), metadata=world.admin)).users[0].id
    resets.append(await reset(world, user_id, request_id="r2"))

    assert (first.user, second.invitation) == (second.user, "")
    assert resets[0].ticket
    assert (resets[1].ticket, resets[1].expires_at) == ("", resets[0].expires_at)
    await accept(world, first.invitation)
    for _ in range(2):
        await set_password(world, resets[0].ticket, request_id="r3")


async def test_the_action_log_says_who_did_what_and_no_secret(world: World, db: Database) -> None:
    admin = await world.enter("root@example.com", "Admin")
    invited = await invite(world, caller=admin)
    await accept(world, invited.invitation)
    answer = await reset(world, invited.user.id, admin)
    await set_password(world, answer.ticket, PASSWORD)

    said = {
        action: (await records(db, action))[-1]
        for action in ("USER_INVITED", "INVITATION_ACCEPTED", "PASSWORD_RESET", "PASSWORD_SET")
    }

    assert {one["entity_id"] for one in said.values()} == {invited.user.id}
    assert [one["actor"]["name"] for one in said.values()] == [
        "root@example.com",
        "ada@example.com",
        "root@example.com",
        "ada@example.com",
    ]
    assert said["PASSWORD_RESET"]["details"]["new"]["ended_sessions"] == 1
    assert (await records(db, "USER_LOGGED_IN"))[-1]["entity_id"] == invited.user.id
    everything = str(await records(db))
    assert all(one not in everything for one in (invited.invitation, answer.ticket, NEW, PASSWORD))
