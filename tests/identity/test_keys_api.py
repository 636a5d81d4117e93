"""API keys: made, listed, used and revoked."""

import asyncio
from datetime import timedelta
from functools import partial

import grpc
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
from tests.identity.conftest import Metadata, Start, World, bearer
from tests.identity.records import move, records


async def create(world: World, caller: Metadata, **request: object) -> pb.CreateApiKeyResponse:
    message = pb.CreateApiKeyRequest(**{"name": "ci", **request})  # type: ignore[arg-type]  # the fields of a request
    return await world.stub.CreateApiKey(message, metadata=caller)


async def revoke(world: World, caller: Metadata, key_id: str) -> pb.ApiKey:
    answer = await world.stub.RevokeApiKey(pb.RevokeApiKeyRequest(api_key_id=key_id), metadata=caller)
    return answer.api_key


async def me(world: World, key: str) -> pb.Principal:
    return (await world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(key))).principal


async def locked_out(world: World, key: str) -> None:
    code, error = await failure(me(world, key))
    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")


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


async def test_a_key_may_hold_less_than_its_maker_but_never_more(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")

    viewer = await create(world, mine, role_name="Viewer")
    code, error = await failure(create(world, mine, role_name="Admin"))
    by_viewer = await failure(create(world, bearer(viewer.secret), role_name="Editor"))

    assert list((await me(world, viewer.secret)).roles) == ["Viewer"]
    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_GRANTABLE")
    assert by_viewer[1].reason == "ROLE_NOT_GRANTABLE"


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


async def test_a_key_made_with_a_key_does_not_outlive_it(world: World) -> None:
    mine = await world.enter("ada@example.com")
    short = await create(world, mine, lifetime=Duration(seconds=3600))

    child = await create(world, bearer(short.secret))

    assert child.api_key.expires_at == short.api_key.expires_at


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
    assert [one for one in shown if one] == [made.api_key.id, other.api_key.id]


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


async def test_a_key_is_narrowed_to_its_scopes(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")

    made = await create(world, mine, scopes=["runs.*", "definitions.read"])
    narrow = await me(world, made.secret)

    assert list(made.api_key.scopes) == ["runs.*", "definitions.read"]
    assert {one.partition(".")[0] for one in narrow.permissions} == {"runs", "definitions"}
    assert "definitions.create" not in narrow.permissions
    assert list(narrow.scopes) == ["definitions.read", "runs.*"]


async def test_a_narrow_key_makes_no_wider_one(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")
    narrow = bearer((await create(world, mine, scopes=["runs.*"])).secret)

    child = await create(world, narrow)
    narrower = await create(world, narrow, scopes=["runs.read"])
    _, wider = await failure(create(world, narrow, scopes=["runs.*", "workflows.read"]))

    assert list(child.api_key.scopes) == ["runs.*"]
    assert list((await me(world, narrower.secret)).permissions) == ["runs.read"]
    assert wider.reason == "ROLE_NOT_GRANTABLE"


async def test_a_narrow_key_changes_nothing_of_its_owners(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")
    other = await create(world, mine, name="other")
    narrow = bearer((await create(world, mine, scopes=["runs.read"])).secret)

    found = [
        await failure(call)
        for call in (
            revoke(world, narrow, other.api_key.id),
            world.stub.RevokeSessions(pb.RevokeSessionsRequest(user_id="me"), metadata=narrow),
            world.stub.UpdateUser(
                pb.UpdateUserRequest(user_id="me", user=pb.User(full_name="Eve")), metadata=narrow
            ),
        )
    ]

    assert {error.reason for _, error in found} == {"PERMISSION_MISSING"}
    assert (await me(world, other.secret)).name == "ada@example.com"


async def test_an_unknown_scope_is_refused(world: World) -> None:
    code, error = await failure(create(world, world.admin, scopes=["runs.fly"]))

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "SCOPE_UNKNOWN")


async def rotate(world: World, caller: Metadata, key_id: str, **request: object) -> pb.RotateApiKeyResponse:
    message = pb.RotateApiKeyRequest(**{"api_key_id": key_id, **request})  # type: ignore[arg-type]  # a request's fields
    return await world.stub.RotateApiKey(message, metadata=caller)


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


async def test_a_narrow_key_does_not_get_hold_of_a_wider_one(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")
    wide, narrow = await create(world, mine), await create(world, mine, scopes=["runs.read"])

    _, error = await failure(rotate(world, bearer(narrow.secret), wide.api_key.id))

    assert error.reason == "ROLE_NOT_GRANTABLE"


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


async def test_nobody_revokes_the_key_that_a_process_reads_from_its_file(world: World, db: Database) -> None:
    async with db.read() as tx:
        found = select(api_keys.c.id).where(api_keys.c.name == keys.FILE_KEY)
        ids = list((await tx.execute(found)).scalars())

    refused = {(await failure(revoke(world, world.admin, str(id_))))[1].reason for id_ in ids}

    assert refused == {"SERVICE_ACCOUNT_BUILT_IN"}
    assert (await me(world, world.key("engine"))).name == "engine"


async def test_a_rotations_repeat_is_answered_without_the_key(world: World, db: Database) -> None:
    mine = await world.enter("ada@example.com")
    made = await create(world, mine)

    first = await rotate(world, mine, made.api_key.id, request_id="r1")
    second = await rotate(world, mine, made.api_key.id, request_id="r1")

    assert (second.secret, second.api_key) == ("", first.api_key)
    assert len(await records(db, "API_KEY_ROTATED")) == 1


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
