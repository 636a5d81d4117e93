"""API keys as credentials: for whom they act, when they stop, and what is no key."""

from datetime import timedelta
from functools import partial

import pytest
from google.protobuf.duration_pb2 import Duration
from sqlalchemy import select

from chassis.authentication.guesses import Guesses
from chassis.database import Database
from identity import authenticator
from identity.domain import api_keys as keys
from identity.tables import api_keys
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import Start, World
from tests.identity.keys import create, locked_out, me, revoke
from tests.identity.records import move, records


async def test_a_users_key_acts_for_the_user(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")

    made = await create(world, mine)
    principal = await me(world, made.secret)

    assert keys.lookup_of(made.secret)
    assert made.secret.startswith(made.api_key.prefix)
    assert (made.api_key.name, made.api_key.role_name) == ("ci", "Editor")
    assert not made.api_key.HasField("expires_at")
    assert (principal.kind, principal.id) == (pb.Principal.API_KEY, made.api_key.owner_id)
    assert (principal.name, list(principal.roles)) == ("ada@example.com", ["Editor"])
    assert principal.api_key_id == made.api_key.id


async def test_x_api_key_is_an_alias(world: World) -> None:
    found = await world.stub.GetMe(pb.GetMeRequest(), metadata=(("x-api-key", world.key("admin")),))

    assert found.principal.name == "admin"


async def test_a_key_stops_working_when_it_expires(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine, lifetime=Duration(seconds=60))
    assert (await me(world, made.secret)).name == "ada@example.com"

    async with db.begin() as tx:
        await tx.execute(
            api_keys.update()
            .where(api_keys.c.id == made.api_key.id)
            .values(expires_at=tx.now - timedelta(seconds=1))
        )

    await locked_out(world, made.secret)


async def test_who_shows_a_revoked_key_is_on_record_with_it_and_who_knows_its_beginning_is_not(
    world: World, db: Database
) -> None:
    mine = await world.enter("ada@example.com")
    made, other = await create(world, mine), await create(world, mine, name="other")
    body = made.secret[:15] + other.secret[15:-6]  # the lookup id of the one, the secret of the other
    guessed = body + keys._checksum(body)

    await locked_out(world, guessed)
    for one in (made, other):
        await revoke(world, mine, one.api_key.id)
        await locked_out(world, one.secret)
    await locked_out(world, guessed)

    shown = [one["actor"].get("api_key_id") for one in await records(db, "AUTHENTICATION_REFUSED")]
    both = [made.api_key.id, other.api_key.id]
    assert [one for one in shown if one in both] == both


async def test_a_key_loses_what_its_user_loses(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")
    made = await create(world, mine)
    owner = made.api_key.owner_id

    await change(world, owner, pb.User(role_name="Viewer"))
    lowered = await me(world, made.secret)
    await change(world, owner, pb.User(is_active=False))

    assert list(lowered.roles) == ["Viewer"]
    assert "definitions.create" not in lowered.permissions
    await locked_out(world, made.secret)


async def test_a_deleted_users_keys_are_gone(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)

    await world.stub.DeleteUser(pb.DeleteUserRequest(user_id=made.api_key.owner_id), metadata=world.admin)

    await locked_out(world, made.secret)
    async with db.read() as tx:
        assert await tx.scalar(select(api_keys.c.id).where(api_keys.c.id == made.api_key.id)) is None


async def test_the_last_use_is_known_to_the_minute(world: World) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)
    assert not made.api_key.HasField("last_used_at")

    await me(world, made.secret)
    await world.service.key_use.flush()

    [found] = (await world.stub.ListApiKeys(pb.ListApiKeysRequest(), metadata=mine)).api_keys
    used = found.last_used_at.ToDatetime()
    assert (used.second, used.microsecond) == (0, 0)
    assert abs(used - found.created_at.ToDatetime()) <= timedelta(minutes=2)


async def test_an_older_use_does_not_replace_a_newer_one(world: World, start: Start, db: Database) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)
    replica = await start()
    await me(replica, made.secret)
    await me(world, made.secret)
    await world.service.key_use.flush()
    await move(db, api_keys, "last_used_at", timedelta(days=1))

    await replica.service.key_use.flush()

    [found] = (await world.stub.ListApiKeys(pb.ListApiKeysRequest(), metadata=mine)).api_keys
    assert found.last_used_at.ToDatetime() > found.created_at.ToDatetime()


@pytest.mark.parametrize("spoil", ["secret", "lookup", "checksum", "shorter", "case"])
async def test_a_spoiled_key_is_refused(world: World, spoil: str) -> None:
    good = world.key("admin")
    other = keys.generate(bytes(range(40)))
    spoiled = {
        "secret": resealed(good[:15] + other[15:-6]),  # a known lookup id with another secret
        "lookup": other,
        "checksum": good[:-6] + "000000",
        "shorter": good[:-1],
        "case": good.swapcase(),
    }[spoil]

    await locked_out(world, spoiled)


def resealed(body: str) -> str:
    """A key with a right checksum over these parts."""
    return body + keys._checksum(body)


async def change(world: World, user_id: str, user: pb.User) -> None:
    await world.stub.UpdateUser(pb.UpdateUserRequest(user_id=user_id, user=user), metadata=world.admin)


async def test_who_guesses_keys_is_held_up_and_good_keys_work_from_there(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authenticator, "Guesses", partial(Guesses, 3))
    world = await start()
    guesses = [keys.generate(bytes([one]) * keys.RANDOM_BYTES) for one in range(5)]

    answers = [(await failure(me(world, guess)))[1].reason for guess in guesses]

    assert answers == ["CREDENTIALS_INVALID"] * 3 + ["TOO_MANY_REQUESTS"] * 2
    assert (await me(world, world.key("admin"))).name == "admin"
