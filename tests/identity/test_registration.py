"""Registering users: who may, and as what."""

from datetime import timedelta

import grpc
import pytest
from sqlalchemy import select

from chassis.config import ConfigError
from chassis.database import Database
from identity.domain.throttling import Limit
from identity.logins import Limits
from identity.tables import users
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import PASSWORD, Start, World, bearer
from tests.identity.records import records


def asking(email: str = "ada@example.com", **values: str) -> pb.RegisterUserRequest:
    return pb.RegisterUserRequest(**{"email": email, "password": PASSWORD, **values})


async def test_a_stranger_becomes_a_viewer_whatever_role_it_asks_for(world: World) -> None:
    answer = await world.stub.RegisterUser(asking(full_name="Ada", role_name="Admin"))

    assert (answer.user.role_name, answer.user.full_name, answer.user.is_active) == ("Viewer", "Ada", True)
    assert answer.user.etag
    assert answer.user.HasField("created_at")
    assert not answer.user.HasField("last_login_at")


async def test_the_first_user_is_no_administrator_by_being_first(world: World) -> None:
    first = await world.stub.RegisterUser(asking())

    assert first.user.role_name == "Viewer"


async def test_the_operators_first_user_is_an_administrator(world: World) -> None:
    first = await world.stub.RegisterUser(asking(), metadata=world.admin)
    second = await world.stub.RegisterUser(asking("bob@example.com"), metadata=world.admin)

    assert first.user.role_name == "Admin"
    assert second.user.role_name == "Viewer"


async def test_an_administrator_chooses_the_role(world: World) -> None:
    admin = await world.enter("root@example.com", "Admin")

    answer = await world.stub.RegisterUser(asking(role_name="Editor"), metadata=admin)

    assert answer.user.role_name == "Editor"


async def test_an_editor_registers_viewers_only(world: World) -> None:
    editor = await world.enter("ed@example.com", "Editor")

    answer = await world.stub.RegisterUser(asking(role_name="Editor"), metadata=editor)

    assert answer.user.role_name == "Viewer"


async def test_an_unknown_role_is_refused_by_name(world: World) -> None:
    code, error = await failure(world.stub.RegisterUser(asking(role_name="King"), metadata=world.admin))

    assert (code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "ROLE_UNKNOWN")
    assert error.fields[0].field == "role_name"


async def test_an_email_is_taken_in_every_spelling_and_not_written_down_once_more(
    world: World, db: Database
) -> None:
    await world.stub.RegisterUser(asking("Ada@Example.com"))

    code, error = await failure(world.stub.RegisterUser(asking("ada@example.COM")))

    assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN")
    [entry] = [one for one in await records(db) if one["outcome"] == "EMAIL_TAKEN"]
    assert entry["action"] == "USER_REGISTERED"
    assert "example" not in str(entry).lower()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"password": "short"}, "password"),
        ({"full_name": "x" * 201}, "full_name"),
    ],
)
async def test_a_bad_field_is_named(world: World, values: dict[str, str], field: str) -> None:
    code, error = await failure(world.stub.RegisterUser(asking(**values)))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in error.fields] == [field]
    assert values.get("password", "-") not in error.message


@pytest.mark.parametrize(
    "settings", [{"MCPANEL_SELF_REGISTRATION": "off"}, {"MCPANEL_PROFILE": "production"}]
)
async def test_where_it_is_closed_only_administrators_register(
    start: Start, settings: dict[str, str]
) -> None:
    world = await start(**settings)

    code, error = await failure(world.stub.RegisterUser(asking()))
    answer = await world.stub.RegisterUser(asking(), metadata=world.admin)

    assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "REGISTRATION_CLOSED")
    assert answer.user.id


async def test_it_cannot_be_opened_in_production(start: Start) -> None:
    with pytest.raises(ConfigError, match="MCPANEL_SELF_REGISTRATION=on is refused"):
        await start(MCPANEL_PROFILE="production", MCPANEL_SELF_REGISTRATION="on")


async def test_a_repeated_request_is_answered_the_same(world: World) -> None:
    request = asking(request_id="r1")

    first = await world.stub.RegisterUser(request, metadata=world.admin)
    second = await world.stub.RegisterUser(request, metadata=world.admin)

    assert first == second


@pytest.mark.parametrize("changed", [{"full_name": "Eve"}, {"password": "another password"}])
async def test_a_request_id_is_good_for_one_request(world: World, changed: dict[str, str]) -> None:
    await world.stub.RegisterUser(asking(request_id="r1"), metadata=world.admin)

    code, error = await failure(
        world.stub.RegisterUser(asking(request_id="r1", **changed), metadata=world.admin)
    )

    assert (code, error.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_strangers_of_one_address_register_a_few_an_hour(start: Start) -> None:
    world = await start(Limits(registrations_per_address=Limit(2, timedelta(hours=1))))
    for number in range(2):
        await world.stub.RegisterUser(asking(f"a{number}@example.com"), metadata=bearer("", "192.0.2.1"))

    code, error = await failure(
        world.stub.RegisterUser(asking("a2@example.com"), metadata=bearer("", "192.0.2.1"))
    )
    elsewhere = await world.stub.RegisterUser(asking("a2@example.com"), metadata=bearer("", "192.0.2.2"))

    assert (code, error.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
    assert error.retry_after
    assert elsewhere.user.id


async def test_the_password_is_stored_as_argon2id(world: World, db: Database) -> None:
    await world.register("ada@example.com")

    async with db.read() as tx:
        stored = await tx.scalar(select(users.c.password_hash))

    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
