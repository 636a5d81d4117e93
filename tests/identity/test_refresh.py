"""Refresh tokens, logging out, and what ends a session."""

import asyncio
from datetime import timedelta

import grpc
import pytest
from sqlalchemy import func, select

from chassis.database import Database
from identity.tables import refresh_tokens, sessions
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import PASSWORD, Start, World, bearer
from tests.identity.keys import locked_out
from tests.identity.records import move, records


async def refresh(world: World, token: str) -> pb.RefreshSessionResponse:
    return await world.stub.RefreshSession(pb.RefreshSessionRequest(refresh_token=token))


async def refused(world: World, token: str) -> None:
    """Asserts that the refresh token is no longer good."""
    code, error = await failure(refresh(world, token))
    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "REFRESH_TOKEN_INVALID")


async def test_a_refresh_token_is_exchanged_for_fresh_tokens(world: World) -> None:
    await world.register("ada@example.com")
    first = await world.login("ada@example.com")

    second = await refresh(world, first.refresh_token)
    third = await refresh(world, second.refresh_token)

    assert (second.token_type, second.expires_in) == ("Bearer", 600)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    me = await world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(third.access_token))
    assert me.principal.name == "ada@example.com"


async def test_a_repeat_within_ten_seconds_gets_the_same_token(world: World) -> None:
    await world.register("ada@example.com")
    first = await world.login("ada@example.com")

    one, other = await refresh(world, first.refresh_token), await refresh(world, first.refresh_token)

    assert one.refresh_token == other.refresh_token
    assert (await refresh(world, one.refresh_token)).access_token


async def test_refreshes_at_once_lead_to_one_successor(world: World, start: Start, db: Database) -> None:
    replica = await start()
    await world.register("ada@example.com")
    first = await world.login("ada@example.com")

    answers = await asyncio.gather(
        *(refresh(one, first.refresh_token) for one in (world, replica) for _ in range(5))
    )

    assert len({answer.refresh_token for answer in answers}) == 1
    async with db.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(refresh_tokens)) == 2


async def test_a_used_token_shown_later_ends_the_whole_session(world: World, db: Database) -> None:
    await world.register("ada@example.com")
    first = await world.login("ada@example.com")
    second = await refresh(world, first.refresh_token)
    await move(db, refresh_tokens, "used_at", timedelta(seconds=-11))

    await refused(world, first.refresh_token)

    await refused(world, second.refresh_token)
    await locked_out(world, second.access_token)
    [entry] = await records(db, "SESSION_REVOKED")
    assert entry["details"]["new"]["reason"] == "refresh token reused"


async def test_a_reuse_ends_no_other_session(world: World, db: Database) -> None:
    await world.register("ada@example.com")
    first, elsewhere = await world.login("ada@example.com"), await world.login("ada@example.com")
    await refresh(world, first.refresh_token)
    await move(db, refresh_tokens, "used_at", timedelta(seconds=-11))

    await refused(world, first.refresh_token)

    assert (await refresh(world, elsewhere.refresh_token)).access_token


async def test_a_token_runs_out_after_seven_days(world: World, db: Database) -> None:
    await world.register("ada@example.com")
    first = await world.login("ada@example.com")
    await move(db, refresh_tokens, "expires_at", timedelta(days=-7))

    await refused(world, first.refresh_token)


@pytest.mark.parametrize("token", ["mcp_rt_" + "0" * 43, "x", "é", "a.b.c"])
async def test_a_made_up_token_is_refused(world: World, token: str) -> None:
    await refused(world, token)


async def test_a_session_that_ran_out_is_purged(world: World, db: Database) -> None:
    await world.register("ada@example.com")
    await world.login("ada@example.com")
    await move(db, sessions, "expires_at", timedelta(days=-9))

    await world.service.purge.once()

    async with db.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(sessions)) == 0


async def test_logging_out_ends_the_session_of_the_refresh_token(world: World, db: Database) -> None:
    await world.register("ada@example.com")
    here, there = await world.login("ada@example.com"), await world.login("ada@example.com")

    await world.stub.Logout(
        pb.LogoutRequest(refresh_token=there.refresh_token), metadata=bearer(here.access_token)
    )

    await refused(world, there.refresh_token)
    await locked_out(world, there.access_token)
    assert (await refresh(world, here.refresh_token)).access_token
    assert len(await records(db, "USER_LOGGED_OUT")) == 1


async def test_logging_out_without_a_token_ends_the_session_in_use(world: World) -> None:
    await world.register("ada@example.com")
    here, there = await world.login("ada@example.com"), await world.login("ada@example.com")

    await world.stub.Logout(pb.LogoutRequest(), metadata=bearer(here.access_token))

    await refused(world, here.refresh_token)
    await locked_out(world, here.access_token)
    assert (await refresh(world, there.refresh_token)).access_token


async def test_logging_out_of_a_session_that_is_over_succeeds(world: World, db: Database) -> None:
    await world.register("ada@example.com")
    here, there = await world.login("ada@example.com"), await world.login("ada@example.com")
    request = pb.LogoutRequest(refresh_token=there.refresh_token)

    for _ in range(2):
        await world.stub.Logout(request, metadata=bearer(here.access_token))

    assert len(await records(db, "USER_LOGGED_OUT")) == 1


async def test_nobody_logs_another_user_out(world: World) -> None:
    await world.register("ada@example.com")
    ada, bob = await world.login("ada@example.com"), await world.enter("bob@example.com")

    await world.stub.Logout(pb.LogoutRequest(refresh_token=ada.refresh_token), metadata=bob)

    assert (await refresh(world, ada.refresh_token)).access_token


async def test_logging_out_needs_a_credential(world: World) -> None:
    code, error = await failure(world.stub.Logout(pb.LogoutRequest()))

    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")


@pytest.mark.parametrize(
    "change",
    [
        {"user": pb.User(role_name="Editor")},
        {"user": pb.User(is_active=False)},
        {"user": pb.User(), "new_password": "another password"},
    ],
    ids=["role", "activity", "password"],
)
async def test_a_changed_role_activity_or_password_ends_the_sessions(
    world: World, change: dict[str, object]
) -> None:
    user = await world.register("ada@example.com")
    tokens = await world.login("ada@example.com")

    request = pb.UpdateUserRequest(user_id=user.id, **change)  # type: ignore[arg-type]  # each case is a request's fields
    await world.stub.UpdateUser(request, metadata=world.admin)

    await refused(world, tokens.refresh_token)
    await locked_out(world, tokens.access_token)


async def test_a_deleted_user_is_out_at_once(world: World) -> None:
    user = await world.register("ada@example.com")
    tokens = await world.login("ada@example.com")

    await world.stub.DeleteUser(pb.DeleteUserRequest(user_id=user.id), metadata=world.admin)

    await refused(world, tokens.refresh_token)
    await locked_out(world, tokens.access_token)
    code, error = await failure(world.stub.Login(pb.LoginRequest(email="ada@example.com", password=PASSWORD)))
    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "LOGIN_FAILED")


async def test_a_refresh_takes_up_the_present_role(world: World) -> None:
    user = await world.register("ada@example.com")
    await world.stub.UpdateUser(
        pb.UpdateUserRequest(user_id=user.id, user=pb.User(role_name="Editor")), metadata=world.admin
    )
    tokens = await world.login("ada@example.com")

    fresh = await refresh(world, tokens.refresh_token)

    me = await world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(fresh.access_token))
    assert list(me.principal.roles) == ["Editor"]
