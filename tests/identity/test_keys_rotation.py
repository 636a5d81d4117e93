"""API keys replaced by new ones."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from chassis.database import Database
from identity.tables import api_keys
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import World, bearer
from tests.identity.keys import create, locked_out, me, rotate
from tests.identity.records import records


async def test_a_rotated_key_goes_on_beside_the_new_one_for_a_while(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com", "Editor")
    made = await create(world, mine, role_name="Viewer", scopes=["runs.*"])

    new = await rotate(world, mine, made.api_key.id)

    both = [await me(world, made.secret), await me(world, new.secret)]
    assert both[0].permissions == both[1].permissions
    assert (new.api_key.name, list(new.api_key.scopes)) == ("ci", ["runs.*"])
    assert new.api_key.rotated_from == new.replaced.id == made.api_key.id
    ends = new.replaced.expires_at.ToDatetime() - new.api_key.created_at.ToDatetime()
    assert (ends, new.api_key.HasField("expires_at")) == (timedelta(days=1), False)
    async with db.begin() as tx:
        expired = api_keys.update().where(api_keys.c.id == made.api_key.id)
        await tx.execute(expired.values(expires_at=tx.now - timedelta(seconds=1)))
    await locked_out(world, made.secret)
    assert (await me(world, new.secret)).name == "ada@example.com"
    [record] = await records(db, "API_KEY_ROTATED")
    assert record["entity_id"] == new.api_key.id
    assert record["details"]["replaced"]["id"] == made.api_key.id


async def test_without_overlap_the_old_key_is_out_at_once(world: World) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)

    new = await rotate(world, mine, made.api_key.id, overlap=Duration())
    _, again = await failure(rotate(world, mine, made.api_key.id))

    await locked_out(world, made.secret)
    assert new.replaced.HasField("revoked_at")
    assert again.reason == "API_KEY_ENDED"


async def test_a_new_key_lives_as_long_as_the_old_one_but_a_stolen_one_does_not_live_on(world: World) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine, lifetime=Duration(seconds=3600))

    by_user = await rotate(world, mine, made.api_key.id)
    by_itself = await rotate(world, bearer(made.secret), made.api_key.id)

    life = by_user.api_key.expires_at.ToDatetime() - by_user.api_key.created_at.ToDatetime()
    assert life == timedelta(hours=1)
    assert by_itself.api_key.expires_at == made.api_key.expires_at
    assert by_itself.replaced.expires_at == made.api_key.expires_at


async def test_nobody_rotates_anothers_key_not_even_an_administrator(world: World) -> None:
    mine, others = await world.enter("ada@example.com"), await world.enter("bob@example.com", "Editor")
    made = await create(world, mine)

    refused = [await failure(rotate(world, one, made.api_key.id)) for one in (others, world.admin)]

    assert [error.reason for _, error in refused] == ["API_KEY_NOT_FOUND"] * 2


async def test_a_key_in_a_key_file_is_rotated_there(world: World) -> None:
    [own] = [
        key.id
        for key in (await world.stub.ListApiKeys(pb.ListApiKeysRequest(), metadata=world.admin)).api_keys
        if world.key("admin").startswith(key.prefix)
    ]

    _, error = await failure(rotate(world, world.admin, own))

    assert error.reason == "SERVICE_ACCOUNT_BUILT_IN"


async def test_a_rotations_repeat_is_answered_without_the_key(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)

    first = await rotate(world, mine, made.api_key.id, request_id="r1")
    second = await rotate(world, mine, made.api_key.id, request_id="r1")

    assert (second.secret, second.api_key) == ("", first.api_key)
    assert len(await records(db, "API_KEY_ROTATED")) == 1
