"""Service accounts: programs with a role of their own."""

import grpc
import pytest

from chassis.database import Database
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import World
from tests.identity.keys import create, me
from tests.identity.records import records


async def make(
    world: World, name: str = "nightly", role: str = "Editor", **request: object
) -> pb.ServiceAccount:
    message = pb.CreateServiceAccountRequest(**{"name": name, "role_name": role, **request})  # type: ignore[arg-type]  # a request's fields
    return (await world.stub.CreateServiceAccount(message, metadata=world.admin)).service_account


async def key_for(world: World, account: pb.ServiceAccount, **request: object) -> pb.CreateApiKeyResponse:
    return await create(world, world.admin, service_account_id=account.id, **request)


async def update(world: World, account: pb.ServiceAccount, **values: object) -> pb.ServiceAccount:
    new = pb.ServiceAccount(**values)  # type: ignore[arg-type]  # the fields of an account
    request = pb.UpdateServiceAccountRequest(service_account_id=account.id, service_account=new)
    return (await world.stub.UpdateServiceAccount(request, metadata=world.admin)).service_account


async def test_a_program_works_with_the_keys_of_its_account(world: World, db: Database) -> None:
    account = await make(world, description="builds at night")

    made = await key_for(world, account, scopes=["runs.*"])
    principal = await me(world, made.secret)

    assert (account.kind, account.is_active) == (pb.ServiceAccount.PROGRAM, True)
    assert made.api_key.owner_id == account.id
    assert (principal.kind, principal.name) == (pb.Principal.API_KEY, "nightly")
    assert {one.partition(".")[0] for one in principal.permissions} == {"runs"}
    [record] = await records(db, "SERVICE_ACCOUNT_CREATED")
    assert record["details"]["new"]["name"] == "nightly"


async def test_its_keys_follow_the_account(world: World) -> None:
    account = await make(world)
    made = await key_for(world, account)

    lowered = await update(world, account, role_name="Viewer")
    as_viewer = await me(world, made.secret)
    await update(world, account, is_active=False)
    code, _ = await failure(me(world, made.secret))
    await update(world, account, is_active=True)
    again = await me(world, made.secret)
    gone = pb.DeleteServiceAccountRequest(service_account_id=account.id)
    await world.stub.DeleteServiceAccount(gone, metadata=world.admin)

    assert lowered.etag != account.etag
    assert list(as_viewer.roles) == list(again.roles) == ["Viewer"]
    assert "runs.start" not in as_viewer.permissions
    assert code is grpc.StatusCode.UNAUTHENTICATED
    assert (await failure(me(world, made.secret)))[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_an_administrator_rotates_an_accounts_key(world: World) -> None:
    made = await key_for(world, await make(world))

    request = pb.RotateApiKeyRequest(api_key_id=made.api_key.id)
    new = await world.stub.RotateApiKey(request, metadata=world.admin)

    assert (await me(world, new.secret)).name == (await me(world, made.secret)).name == "nightly"


async def test_accounts_are_for_administrators(world: World) -> None:
    account = await make(world)
    editor = await world.enter("ada@example.com", "Editor")
    key = pb.CreateApiKeyRequest(name="ci", service_account_id=account.id)

    refused = [
        await failure(world.stub.CreateApiKey(key, metadata=editor)),
        await failure(world.stub.ListServiceAccounts(pb.ListServiceAccountsRequest(), metadata=editor)),
    ]

    assert [error.reason for _, error in refused] == ["PERMISSION_MISSING"] * 2


async def test_a_name_is_taken_once_and_the_suites_own_are_taken(world: World) -> None:
    await make(world)

    for name in ("nightly", "engine"):
        code, error = await failure(make(world, name))
        assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SERVICE_ACCOUNT_NAME_TAKEN")


async def test_the_suites_own_accounts_are_listed_and_left_alone(world: World) -> None:
    mine = await make(world)
    page = await world.stub.ListServiceAccounts(pb.ListServiceAccountsRequest(), metadata=world.admin)
    engine = next(one for one in page.service_accounts if one.name == "engine")

    gone = pb.DeleteServiceAccountRequest(service_account_id=engine.id)
    refused = [
        await failure(update(world, engine, is_active=False)),
        await failure(key_for(world, engine)),
        await failure(world.stub.DeleteServiceAccount(gone, metadata=world.admin)),
    ]

    assert page.service_accounts[0] == mine
    assert len(page.service_accounts) == 9
    assert [error.reason for _, error in refused] == ["SERVICE_ACCOUNT_BUILT_IN"] * 3


@pytest.mark.parametrize("name", ["", "Nightly", "9lives", "a b", "x" * 64])
async def test_a_name_is_a_plain_word(world: World, name: str) -> None:
    code, error = await failure(make(world, name))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in error.fields] == ["name"]


async def test_an_update_of_what_was_changed_meanwhile_is_refused(world: World) -> None:
    account = await make(world)
    await update(world, account, description="changed")

    _, error = await failure(update(world, account, description="mine", etag=account.etag))

    assert error.reason == "ETAG_MISMATCH"


async def test_an_unknown_account_is_not_found(world: World) -> None:
    request = pb.GetServiceAccountRequest(service_account_id="nothing")

    code, error = await failure(world.stub.GetServiceAccount(request, metadata=world.admin))

    assert (code, error.reason) == (grpc.StatusCode.NOT_FOUND, "SERVICE_ACCOUNT_NOT_FOUND")
