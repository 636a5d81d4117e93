"""Tickets for streams: made, exchanged once, and worth no more than who asked for them."""

import asyncio
from datetime import timedelta

import grpc
import jwt
import pytest

from chassis.authentication import RemoteAuthenticator
from chassis.client import channel
from chassis.context import Caller
from chassis.database import Database
from identity.tables import stream_tickets
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import Metadata, World, bearer
from tests.identity.records import move, records

RUN = "01890000-0000-7000-8000-000000000001"


async def ask(world: World, caller: Metadata, run_id: str = RUN, request_id: str = "") -> str:
    request = pb.CreateStreamTicketRequest(run_id=run_id, request_id=request_id)
    return (await world.stub.CreateStreamTicket(request, metadata=caller)).ticket


async def redeem(world: World, ticket: str, run_id: str = RUN) -> str:
    request = pb.RedeemStreamTicketRequest(ticket=ticket, run_id=run_id)
    answer = await world.stub.RedeemStreamTicket(request, metadata=bearer(world.key("gateway")))
    return answer.token


async def refused(world: World, ticket: str, run_id: str = RUN) -> None:
    code, error = await failure(redeem(world, ticket, run_id))
    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "STREAM_TICKET_INVALID")


async def caller_of(world: World, token: str) -> Caller:
    """Whom the engine takes the token's bearer for."""
    async with channel(world.config.listen, key=world.key("engine"), peer="identity") as door:
        return await RemoteAuthenticator(door).authenticate(token)


@pytest.mark.parametrize("run_id", [RUN, ""], ids=["run", "runs"])
async def test_a_ticket_opens_one_stream_as_who_asked_for_it(world: World, db: Database, run_id: str) -> None:
    mine = await world.enter("ada@example.com", "Editor")

    ticket = await ask(world, mine, run_id)
    caller = await caller_of(world, await redeem(world, ticket, run_id))

    assert ticket.startswith("mcp_t_")
    assert (caller.kind, caller.name) == ("user", "ada@example.com")
    assert caller.permissions == {"runs.read"}
    assert caller.session_id
    await refused(world, ticket, run_id)
    [record] = await records(db, "STREAM_TICKET_CREATED")
    assert (record["entity_type"], record["entity_id"]) == ("run", run_id)
    assert ticket not in str(await records(db))


async def test_of_two_who_show_a_ticket_at_once_one_gets_in(world: World) -> None:
    ticket = await ask(world, await world.enter("ada@example.com"))

    answers = await asyncio.gather(*(redeem(world, ticket) for _ in range(5)), return_exceptions=True)

    assert len([one for one in answers if isinstance(one, str)]) == 1


async def test_who_reaches_everyones_runs_does_so_by_ticket(world: World) -> None:
    caller = await caller_of(world, await redeem(world, await ask(world, world.admin)))

    assert (caller.kind, caller.name) == ("api_key", "admin")
    assert caller.permissions == {"runs.read", "resources.all"}


async def test_a_ticket_for_another_stream_is_used_up_in_vain(world: World) -> None:
    ticket = await ask(world, await world.enter("ada@example.com"))

    await refused(world, ticket, "")
    await refused(world, ticket)


async def test_a_ticket_runs_out_after_thirty_seconds(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")
    late, in_time = await ask(world, mine), await ask(world, mine)
    await move(db, stream_tickets, "expires_at", timedelta(seconds=-20))
    assert await redeem(world, in_time)

    await move(db, stream_tickets, "expires_at", timedelta(seconds=-10))

    await refused(world, late)


@pytest.mark.parametrize("ticket", ["x", "mcp_t_" + "0" * 43, "mcp_s_" + "0" * 43])
async def test_what_is_no_ticket_opens_nothing(world: World, ticket: str) -> None:
    await refused(world, ticket)


async def test_a_ticket_of_a_session_or_key_that_is_over_opens_nothing(world: World) -> None:
    mine = await world.enter("ada@example.com")
    key = await world.stub.CreateApiKey(pb.CreateApiKeyRequest(name="ci"), metadata=mine)
    by_key, by_session = await ask(world, bearer(key.secret)), await ask(world, mine)

    revoke = pb.RevokeApiKeyRequest(api_key_id=key.api_key.id)
    await world.stub.RevokeApiKey(revoke, metadata=mine)
    await world.stub.Logout(pb.LogoutRequest(), metadata=mine)

    await refused(world, by_key)
    await refused(world, by_session)


async def test_who_may_not_read_runs_gets_no_ticket(world: World) -> None:
    mine = await world.enter("ada@example.com")
    narrow = pb.CreateApiKeyRequest(name="ci", scopes=["definitions.read"])
    key = await world.stub.CreateApiKey(narrow, metadata=mine)

    code, error = await failure(ask(world, bearer(key.secret)))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")


async def test_a_repeat_is_answered_without_the_ticket(world: World) -> None:
    mine = await world.enter("ada@example.com")

    assert await ask(world, mine, request_id="r1")
    assert await ask(world, mine, request_id="r1") == ""


async def test_only_the_gateway_exchanges_tickets(world: World) -> None:
    ticket = await ask(world, world.admin)
    request = pb.RedeemStreamTicketRequest(ticket=ticket, run_id=RUN)

    code, error = await failure(world.stub.RedeemStreamTicket(request, metadata=world.admin))

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "INTERNAL_ONLY")
    assert jwt.decode(await redeem(world, ticket), options={"verify_signature": False})["kind"] == "api_key"
