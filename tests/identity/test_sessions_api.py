"""Sessions: listed, revoked, and out everywhere."""

import grpc
import pytest

from chassis.authentication import RemoteAuthenticator
from chassis.client import channel
from chassis.database import Database
from chassis.errors import Unauthenticated
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import Metadata, World, bearer
from tests.identity.records import records


async def listed(world: World, caller: Metadata, **request: object) -> list[pb.Session]:
    message = pb.ListSessionsRequest(**request)  # type: ignore[arg-type]  # the fields of a request
    return list((await world.stub.ListSessions(message, metadata=caller)).sessions)


async def revoke(world: World, caller: Metadata, session_id: str) -> pb.Session:
    request = pb.RevokeSessionRequest(session_id=session_id)
    return (await world.stub.RevokeSession(request, metadata=caller)).session


async def is_in(world: World, caller: Metadata) -> bool:
    try:
        await world.stub.GetMe(pb.GetMeRequest(), metadata=caller)
    except grpc.aio.AioRpcError as error:
        return error.code() is not grpc.StatusCode.UNAUTHENTICATED
    return True


async def test_users_list_their_own_sessions_newest_first(world: World) -> None:
    mine = await world.enter("ada@example.com")
    await world.enter("bob@example.com")
    again = bearer((await world.login("ada@example.com")).access_token)

    first, second = await listed(world, again)

    assert (first.current, second.current) == (True, False)
    assert first.created_at.ToDatetime() > second.created_at.ToDatetime()
    assert first.kind == pb.Session.TOKENS
    assert first.user_agent.startswith("grpc-python")
    assert (first.expires_at.ToDatetime() - first.last_used_at.ToDatetime()).days == 7
    assert [one.current for one in await listed(world, mine)] == [False, True]


async def test_a_refresh_is_a_use_of_the_session(world: World) -> None:
    await world.register("ada@example.com")
    tokens = await world.login("ada@example.com")
    [before] = await listed(world, bearer(tokens.access_token))

    request = pb.RefreshSessionRequest(refresh_token=tokens.refresh_token)
    await world.stub.RefreshSession(request)

    [after] = await listed(world, bearer(tokens.access_token))
    assert after.id == before.id
    assert after.last_used_at.ToDatetime() > before.last_used_at.ToDatetime()
    assert after.expires_at.ToDatetime() > before.expires_at.ToDatetime()


async def test_sessions_that_ended_are_listed_when_wanted(world: World) -> None:
    await world.enter("ada@example.com")
    mine = bearer((await world.login("ada@example.com")).access_token)
    _, other = await listed(world, mine)
    await revoke(world, mine, other.id)

    kept = await listed(world, mine)
    every = await listed(world, mine, include_ended=True)

    assert [one.current for one in kept] == [True]
    assert [(one.end_reason, one.HasField("ended_at")) for one in every] == [("", False), ("revoked", True)]


async def test_an_administrator_lists_everyones_sessions_or_one_users(world: World) -> None:
    mine, others = await world.enter("ada@example.com"), await world.enter("bob@example.com")
    [ada], [bob] = await listed(world, mine), await listed(world, others)

    page = await world.stub.ListSessions(pb.ListSessionsRequest(page_size=1), metadata=world.admin)
    rest = await listed(world, world.admin, page_size=1, page_token=page.next_page_token)

    assert [page.sessions[0].id, rest[0].id] == [bob.id, ada.id]
    assert [one.id for one in await listed(world, world.admin, user_id=ada.user_id)] == [ada.id]
    assert await listed(world, others, user_id=ada.user_id) == []
    assert [one.id for one in await listed(world, others, user_id="me")] == [bob.id]


async def test_a_revoked_session_is_out_with_all_its_tokens(world: World, db: Database) -> None:
    await world.register("ada@example.com")
    tokens, other = await world.login("ada@example.com"), await world.login("ada@example.com")
    mine = bearer(other.access_token)
    lost = (await listed(world, bearer(tokens.access_token)))[1]

    first = await revoke(world, mine, lost.id)
    second = await revoke(world, mine, lost.id)

    assert first.HasField("ended_at")
    assert second == first
    assert not await is_in(world, bearer(tokens.access_token))
    refused = [one["actor"] for one in await records(db, "AUTHENTICATION_REFUSED")]
    assert [one["id"] for one in refused if one.get("session_id") == lost.id] == [""]
    request = pb.RefreshSessionRequest(refresh_token=tokens.refresh_token)
    assert (await failure(world.stub.RefreshSession(request)))[1].reason == "REFRESH_TOKEN_INVALID"
    assert await is_in(world, mine)
    [record] = await records(db, "SESSION_REVOKED")
    assert record["entity_id"] == lost.id
    assert record["details"]["new"]["reason"] == "revoked"


async def test_nobody_revokes_anothers_session_but_an_administrator(world: World) -> None:
    mine, others = await world.enter("ada@example.com"), await world.enter("bob@example.com", "Editor")
    [session] = await listed(world, mine)

    code, error = await failure(revoke(world, others, session.id))
    still_in = await is_in(world, mine)
    await revoke(world, world.admin, session.id)

    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    assert still_in
    assert not await is_in(world, mine)


async def test_an_unknown_session_cannot_be_revoked(world: World) -> None:
    code, error = await failure(revoke(world, world.admin, "nothing"))

    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")


async def test_signing_out_everywhere_spares_this_session_when_wanted(world: World, db: Database) -> None:
    mine, others = await world.enter("ada@example.com"), await world.enter("bob@example.com")
    again = bearer((await world.login("ada@example.com")).access_token)
    request = pb.RevokeSessionsRequest(user_id="me", keep_current=True)

    answer = await world.stub.RevokeSessions(request, metadata=again)

    assert answer.ended == 1
    assert [await is_in(world, one) for one in (mine, again, others)] == [False, True, True]
    [record] = await records(db, "SESSIONS_REVOKED")
    assert record["details"]["new"]["ended"] == 1
    await world.stub.RevokeSessions(pb.RevokeSessionsRequest(user_id="me"), metadata=again)
    assert not await is_in(world, again)


async def test_only_an_administrator_signs_somebody_else_out(world: World) -> None:
    mine, others = await world.enter("ada@example.com"), await world.enter("bob@example.com", "Editor")
    request = pb.RevokeSessionsRequest(user_id=(await listed(world, mine))[0].user_id)

    code, error = await failure(world.stub.RevokeSessions(request, metadata=others))
    still_in = await is_in(world, mine)
    await world.stub.RevokeSessions(request, metadata=world.admin)

    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    assert still_in
    assert not await is_in(world, mine)


@pytest.mark.parametrize("how", ["logout", "revoke", "deactivate", "delete"])
async def test_other_services_refuse_the_tokens_of_a_session_however_it_ended(world: World, how: str) -> None:
    await world.register("ada@example.com")
    token = (await world.login("ada@example.com")).access_token
    [session] = await listed(world, bearer(token))
    async with channel(world.config.listen, key=world.key("registry"), peer="identity") as door:
        registry = RemoteAuthenticator(door)
        assert (await registry.authenticate(token)).session_id == session.id

        match how:
            case "logout":
                await world.stub.Logout(pb.LogoutRequest(), metadata=bearer(token))
            case "revoke":
                await revoke(world, world.admin, session.id)
            case "deactivate":
                change = pb.UpdateUserRequest(user_id=session.user_id, user=pb.User(is_active=False))
                await world.stub.UpdateUser(change, metadata=world.admin)
            case "delete":
                gone = pb.DeleteUserRequest(user_id=session.user_id)
                await world.stub.DeleteUser(gone, metadata=world.admin)

        registry = RemoteAuthenticator(door)  # as the one before is within five seconds
        with pytest.raises(Unauthenticated, match="session"):
            await registry.authenticate(token)


async def test_only_services_are_told_which_sessions_ended(world: World) -> None:
    code, error = await failure(world.stub.GetRevocations(pb.GetRevocationsRequest(), metadata=world.admin))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "INTERNAL_ONLY")
