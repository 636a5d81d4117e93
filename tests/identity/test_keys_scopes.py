"""API keys that may do less than their owners."""

import grpc

from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import World, bearer
from tests.identity.keys import create, me, revoke, rotate


async def test_a_key_may_hold_less_than_its_maker_but_never_more(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")

    viewer = await create(world, mine, role_name="Viewer")
    code, error = await failure(create(world, mine, role_name="Admin"))
    by_viewer = await failure(create(world, bearer(viewer.secret), role_name="Editor"))

    assert list((await me(world, viewer.secret)).roles) == ["Viewer"]
    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_GRANTABLE")
    assert by_viewer[1].reason == "ROLE_NOT_GRANTABLE"


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


async def test_a_narrow_key_does_not_get_hold_of_a_wider_one(world: World) -> None:
    mine = await world.enter("ada@example.com", "Editor")
    wide, narrow = await create(world, mine), await create(world, mine, scopes=["runs.read"])

    _, error = await failure(rotate(world, bearer(narrow.secret), wide.api_key.id))

    assert error.reason == "ROLE_NOT_GRANTABLE"
