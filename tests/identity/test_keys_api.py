"""API keys: made, listed and revoked."""

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import select

from chassis.database import Database
from identity.domain import api_keys as keys
from identity.domain.roles import BUILT_IN
from identity.tables import api_keys
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import World, bearer
from tests.identity.keys import create, locked_out, me, revoke, rotate
from tests.identity.records import records


async def test_an_unknown_role_is_refused(world: World) -> None:
    code, error = await failure(create(world, world.admin, role_name="King"))

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ROLE_UNKNOWN")


async def test_a_service_has_no_role_to_hand_on(world: World) -> None:
    _, error = await failure(create(world, bearer(world.key("engine"))))

    assert error.reason == "ROLE_UNKNOWN"


async def test_a_worker_grants_nothing(world: World) -> None:
    _, error = await failure(create(world, bearer(world.key("worker")), role_name="Viewer"))

    assert error.reason == "ROLE_NOT_GRANTABLE"


async def test_a_service_makes_a_key_for_the_user_it_acts_for(world: World) -> None:
    await world.register("ada@example.com", "Editor")
    tokens = await world.login("ada@example.com")
    acting = (*bearer(world.key("gateway")), ("x-mcpanel-on-behalf-of", tokens.access_token))

    made = await create(world, acting)
    too_much = await failure(create(world, acting, role_name="Admin"))

    assert (await me(world, made.secret)).name == "ada@example.com"
    assert too_much[1].reason == "ROLE_NOT_GRANTABLE"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"lifetime": Duration(seconds=59)}, "lifetime"),
    ],
    ids=["no name", "long name", "short life"],
)
async def test_a_bad_field_is_named(world: World, request_: dict[str, object], field: str) -> None:
    code, error = await failure(create(world, world.admin, **request_))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in error.fields] == [field]


async def test_a_key_made_with_a_key_does_not_outlive_it(world: World) -> None:
    mine = await world.enter("ada@example.com")
    short = await create(world, mine, lifetime=Duration(seconds=3600))

    child = await create(world, bearer(short.secret))

    assert child.api_key.expires_at == short.api_key.expires_at


@pytest.mark.parametrize("how", ["revoke", "rotate", "delete"])
async def test_what_was_made_with_a_key_ends_with_it_however_far_down(
    world: World, db: Database, how: str
) -> None:
    permissions = [*BUILT_IN[-1].permissions, "service_accounts.update"]
    role = pb.CreateRoleRequest(role=pb.Role(name="Maker", permissions=permissions))
    await world.stub.CreateRole(role, metadata=world.admin)
    ada = await world.register("ada@example.com", "Maker")
    mine = bearer((await world.login("ada@example.com")).access_token)
    program = pb.CreateServiceAccountRequest(name="ci", role_name="Viewer")
    made = await world.stub.CreateServiceAccount(program, metadata=world.admin)
    other, first = await create(world, mine), await create(world, mine)
    second = await create(world, bearer(first.secret))
    third = await create(world, bearer(second.secret), service_account_id=made.service_account.id)

    match how:
        case "revoke":
            await revoke(world, mine, first.api_key.id)
        case "rotate":
            await rotate(world, mine, first.api_key.id, overlap=Duration())
        case _:
            await world.stub.DeleteUser(pb.DeleteUserRequest(user_id=ada.id), metadata=world.admin)

    for key in (first, second, third):
        await locked_out(world, key.secret)
    if how != "delete":
        assert (await me(world, other.secret)).name == "ada@example.com"
    revoked = {one["entity_id"]: one["details"]["new"] for one in await records(db, "API_KEY_REVOKED")}
    assert revoked[third.api_key.id]["made_with"] == second.api_key.id


async def test_what_was_made_with_a_key_that_is_replaced_goes_on_no_longer_than_it(world: World) -> None:
    mine = await world.enter("ada@example.com")
    first = await create(world, mine)
    second = await create(world, bearer(first.secret))

    new = await rotate(world, mine, first.api_key.id)
    by_child = await failure(rotate(world, bearer(second.secret), first.api_key.id, overlap=Duration()))
    again = await rotate(world, mine, second.api_key.id)

    listed = await world.stub.ListApiKeys(pb.ListApiKeysRequest(), metadata=mine)
    ends = {one.id: one.expires_at for one in listed.api_keys}
    assert ends[second.api_key.id] == new.replaced.expires_at == ends[again.api_key.id]
    assert by_child[0] is grpc.StatusCode.UNAUTHENTICATED
    await revoke(world, mine, first.api_key.id)
    await locked_out(world, again.secret)
    assert (await me(world, new.secret)).name == "ada@example.com"


async def test_a_repeat_is_answered_without_the_key(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")

    first = await create(world, mine, request_id="r1")
    second = await create(world, mine, request_id="r1")

    assert first.secret
    assert second.secret == ""
    assert second.api_key == first.api_key
    assert len(await records(db, "API_KEY_CREATED")) == 1


async def test_users_list_their_own_keys(world: World) -> None:
    mine, others = await world.enter("ada@example.com"), await world.enter("bob@example.com")
    made = [(await create(world, mine, name=f"k{number}")).api_key.id for number in range(3)]
    await create(world, others)

    first = await world.stub.ListApiKeys(pb.ListApiKeysRequest(page_size=2), metadata=mine)
    second = await world.stub.ListApiKeys(
        pb.ListApiKeysRequest(page_size=2, page_token=first.next_page_token), metadata=mine
    )

    assert [key.id for key in (*first.api_keys, *second.api_keys)] == made[::-1]


async def test_an_administrator_lists_everyones_keys(world: World) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)

    found = await world.stub.ListApiKeys(pb.ListApiKeysRequest(), metadata=world.admin)

    assert found.api_keys[0] == made.api_key
    assert {"key file"} == {key.name for key in found.api_keys[1:]}


async def test_a_revoked_key_is_out_at_once(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)

    first = await revoke(world, mine, made.api_key.id)
    second = await revoke(world, mine, made.api_key.id)

    assert first.HasField("revoked_at")
    assert second == first
    await locked_out(world, made.secret)
    assert len(await records(db, "API_KEY_REVOKED")) == 1


async def test_revocations_at_once_are_one(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)

    answers = await asyncio.gather(*(revoke(world, mine, made.api_key.id) for _ in range(5)))

    assert len({answer.revoked_at.ToNanoseconds() for answer in answers}) == 1
    assert len(await records(db, "API_KEY_REVOKED")) == 1


async def test_nobody_revokes_anothers_key_but_an_administrator(world: World) -> None:
    mine, others = await world.enter("ada@example.com"), await world.enter("bob@example.com", "Editor")
    made = await create(world, mine)

    code, error = await failure(revoke(world, others, made.api_key.id))
    revoked = await revoke(world, world.admin, made.api_key.id)

    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "API_KEY_NOT_FOUND")
    assert revoked.HasField("revoked_at")


async def test_an_unknown_key_cannot_be_revoked(world: World) -> None:
    code, error = await failure(revoke(world, world.admin, "nothing"))

    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "API_KEY_NOT_FOUND")


async def test_nobody_revokes_the_key_that_a_process_reads_from_its_file(world: World, db: Database) -> None:
    async with db.read() as tx:
        found = select(api_keys.c.id).where(api_keys.c.name == keys.FILE_KEY)
        ids = list((await tx.execute(found)).scalars())

    refused = {(await failure(revoke(world, world.admin, str(id_))))[1].reason for id_ in ids}

    assert refused == {"SERVICE_ACCOUNT_BUILT_IN"}
    assert (await me(world, world.key("engine"))).name == "engine"
