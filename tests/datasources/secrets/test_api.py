"""Secrets themselves: made, found, changed, shared, deleted; and that nobody ever sees a value."""

from typing import Any, Final

import pytest

from chassis.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound, ServiceError
from datasources.tables import metadata
from mcpanel.datasources.v1 import secrets_pb2 as pb
from tests.datasources.conftest import World
from tests.datasources.secrets.calls import VALUE, call, create, reveal, update
from tests.support.callers import ADMIN, ANONYMOUS, EDITOR, KEEPER, OTHER_EDITOR, REGISTRY, VIEWER

NOWHERE: Final = "0190a000-0000-7000-8000-000000000001"
LEVELS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "GetSecret": ("VIEW", {}),
    "UpdateSecret": ("EDIT", {"secret": pb.Secret(description="taken over")}),
    "ListSecretShares": ("DELETE", {}),
    "ShareSecret": ("DELETE", {"share": pb.SecretShare(user_id=VIEWER.id, permission="VIEW")}),
    "RevokeSecretShare": ("DELETE", {"share_id": NOWHERE}),
    "DeleteSecret": ("DELETE", {"etag": "another"}),
}
"""What each method that names a secret takes, and what else it asks for."""
ORDER: Final = ("VIEW", "EDIT", "DELETE")


async def refusal(world: World, method: str, key: str, caller: Any = KEEPER) -> ServiceError | None:
    """What a method refuses, if it does."""
    try:
        await call(world, method, caller, secret_id=key, **LEVELS[method][1])
    except ServiceError as error:
        return error
    return None


async def listed(world: World, caller: Any, **fields: Any) -> list[str]:
    answered = await call(world, "ListSecrets", caller, **fields)
    return [one.name for one in answered.secrets]


async def everything_stored(world: World) -> str:
    """Every row of every table, as text."""
    async with world.service.db.read() as tx:
        rows = []
        for table in metadata.tables.values():
            rows += [str(tuple(row)) for row in await tx.execute(table.select())]
    return "\n".join(rows)


async def test_a_new_secret_is_its_owners_and_shows_everything_but_its_value(world: World) -> None:
    made = await create(world, description="signs invoices")

    assert (made.name, made.description, made.owner_id) == ("signing", "signs invoices", EDITOR.id)
    assert made.visibility == pb.Secret.PRIVATE
    assert made.WhichOneof("secret") is None
    assert (await call(world, "GetSecret", secret_id="signing")).secret == made
    assert (await call(world, "GetSecret", secret_id=made.id)).secret == made
    assert [await listed(world, one) for one in (EDITOR, ADMIN, KEEPER)] == [["signing"], ["signing"], []]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "secret.name"),
        ({"name": "Signing"}, "secret.name"),
        ({"secret_value": None}, "secret.secret_value"),
        ({"secret_value": "x" * 4097}, "secret.secret_value"),
        ({"secret_ref": "vault:x"}, "secret.secret_ref"),
    ],
)
async def test_an_incomplete_secret_is_refused_by_its_field(
    world: World, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await create(world, **fields)

    assert [one.field for one in caught.value.fields] == [named]


async def test_a_name_is_taken_once(world: World) -> None:
    await create(world)

    with pytest.raises(AlreadyExists) as caught:
        await create(world, caller=KEEPER)

    assert caught.value.reason == "SECRET_NAME_TAKEN"


async def test_a_repeated_request_gets_the_same_answer_and_another_value_none(world: World) -> None:
    first = await create(world, request_id="one")

    assert await create(world, request_id="one") == first
    with pytest.raises(AlreadyExists) as caught:
        await create(world, request_id="one", secret_value="another value")
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_a_validated_secret_is_not_made(world: World) -> None:
    secret = pb.Secret(name="signing", secret_value=VALUE)

    shown = (await call(world, "CreateSecret", secret=secret, validate_only=True)).secret

    assert shown.name == "signing"
    assert await listed(world, ADMIN) == []


@pytest.mark.parametrize(
    ("caller", "reason"), [(VIEWER, "PERMISSION_MISSING"), (ANONYMOUS, "CREDENTIALS_MISSING")]
)
async def test_who_may_not_make_secrets_makes_none(world: World, caller: Any, reason: str) -> None:
    with pytest.raises(ServiceError) as caught:
        await create(world, caller=caller)

    assert caught.value.reason == reason


async def test_a_value_is_in_no_table_and_no_record_before_and_after_it_changes(world: World) -> None:
    made = await create(world)
    await update(world, pb.Secret(secret_value=f"{VALUE}-2"))
    await update(world, pb.Secret(description="other"))

    stored = await everything_stored(world)
    created, *changed = await world.records()

    assert VALUE not in stored
    assert "signing" in stored
    assert created["action"] == "SECRET_CREATED"
    assert created["details"]["new"]["name"] == "signing"
    assert [one["action"] for one in changed] == ["SECRET_UPDATED", "SECRET_UPDATED"]
    assert [one["details"]["value_changed"] for one in changed] == [True, False]
    assert await reveal(world, made.id, made.id) == f"{VALUE}-2"


async def test_a_secret_changes_but_for_its_name_and_keeps_a_value(world: World) -> None:
    made = await create(world)

    described = await update(world, pb.Secret(description="new", name="signing", etag=made.etag))

    assert described.description == "new"
    with pytest.raises(Conflict):
        await update(world, pb.Secret(description="lost", etag=made.etag))
    for secret, paths in ((pb.Secret(name="other"), ["description"]), (pb.Secret(), ["secret_value"])):
        with pytest.raises(Invalid):
            await update(world, secret, *paths)
    assert await reveal(world, made.id, made.id) == VALUE


async def test_a_reference_is_for_administrators_and_must_point_at_something(world: World) -> None:
    world.environ["MCPANEL_SECRET_SIGNING"] = "from-the-environment"

    with pytest.raises(Denied):
        await create(world, secret_ref="env:MCPANEL_SECRET_SIGNING")
    with pytest.raises(Invalid) as caught:
        await create(world, caller=ADMIN, secret_ref="env:MCPANEL_SECRET_NONE")
    made = await create(world, caller=ADMIN, secret_ref="env:MCPANEL_SECRET_SIGNING")

    assert (caught.value.reason, caught.value.fields[0].field) == (
        "SECRET_REFERENCE_INVALID",
        "secret.secret_ref",
    )
    assert made.WhichOneof("secret") is None
    assert await reveal(world, made.id, made.id) == "from-the-environment"


async def test_what_is_somebody_elses_does_not_exist_and_what_is_public_is_only_seen(world: World) -> None:
    hidden, shown = await create(world, "hidden"), await create(world, "shown", visibility="PUBLIC")

    for method, (level, _) in LEVELS.items():
        missing, found = (
            await refusal(world, method, hidden.id),
            await refusal(world, method, shown.id),
        )
        assert isinstance(missing, NotFound)
        assert missing.reason == "SECRET_NOT_FOUND"
        assert (found is None) == (level == "VIEW")
        assert found is None or found.reason == "NOT_GRANTED"
    assert await listed(world, KEEPER) == ["shown"]


@pytest.mark.parametrize("permission", ORDER)
async def test_a_share_lets_somebody_do_what_it_says_until_it_is_taken_back(
    world: World, permission: str
) -> None:
    made = await create(world)
    share = pb.SecretShare(user_id=KEEPER.name, permission=permission)
    given = (await call(world, "ShareSecret", secret_id=made.id, share=share)).share

    reasons = {method: await refusal(world, method, made.id) for method in LEVELS}
    revoked = {"secret_id": made.id, "share_id": given.id}
    await call(world, "RevokeSecretShare", **revoked)

    assert (given.user_id, given.secret_id) == (KEEPER.id, made.id)
    for method, (level, _) in LEVELS.items():
        error = reasons[method]
        denied = error is not None and error.reason == "NOT_GRANTED"
        assert denied == (ORDER.index(level) > ORDER.index(permission)), method
    gone = await refusal(world, "GetSecret", made.id)
    assert gone is not None
    assert gone.reason == "SECRET_NOT_FOUND"


async def test_who_may_change_a_secret_does_not_decide_who_sees_it(world: World) -> None:
    made = await create(world)
    share = pb.SecretShare(user_id=KEEPER.id, permission="EDIT")
    await call(world, "ShareSecret", secret_id=made.id, share=share)

    with pytest.raises(Denied) as caught:
        await update(world, pb.Secret(visibility="PUBLIC"), caller=KEEPER)

    assert caught.value.reason == "NOT_GRANTED"


async def test_the_registry_learns_whom_a_secret_is_out_of_reach_of(world: World) -> None:
    made = [await create(world, name) for name in ("own", "given", "given-to-editors", "other")]
    shared = {"given": {"user_id": KEEPER.id}, "given-to-editors": {"role_name": "Editor"}}
    for name, subject in shared.items():
        share = pb.SecretShare(permission="VIEW", **subject)  # type: ignore[arg-type]
        await call(world, "ShareSecret", secret_id=name, share=share)

    async def unreachable(subject: str, *roles: str, inactive: bool = False) -> set[str]:
        asked: dict[str, Any] = {"subject_id": subject, "role_names": roles, "inactive": inactive}
        asked["secret_ids"] = [one.id for one in made]
        found = (await call(world, "FindUnreachableSecrets", REGISTRY, **asked)).secret_ids
        return {one.name for one in made if one.id in found}

    assert await unreachable(EDITOR.id) == set()
    assert await unreachable(KEEPER.id) == {"own", "given-to-editors", "other"}
    assert await unreachable(OTHER_EDITOR.id, "Editor") == {"own", "given", "other"}
    assert await unreachable(KEEPER.id, inactive=True) == {"own", "given", "given-to-editors", "other"}
