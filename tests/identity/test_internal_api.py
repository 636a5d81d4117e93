"""What the suite's own services ask identity."""

from typing import Any

import grpc
import jwt
import pytest

from chassis.authentication import Jwks, RemoteAuthenticator, TokenVerifier
from chassis.client import channel
from chassis.errors import Unauthenticated
from identity.domain import roles
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import World, bearer

RUN = "01890000-0000-7000-8000-000000000001"


async def authenticate(world: World, credential: str, caller: str = "engine") -> pb.Principal:
    request = pb.AuthenticateRequest(credential=credential)
    answer = await world.stub.Authenticate(request, metadata=bearer(world.key(caller)))
    return answer.principal


@pytest.mark.parametrize(
    ("name", "kind", "permissions"),
    [
        ("admin", pb.Principal.API_KEY, roles.BUILT_IN[0].permissions),
        ("registry", pb.Principal.SERVICE, frozenset()),
        ("gateway", pb.Principal.SERVICE, frozenset()),
        ("worker", pb.Principal.WORKER, {"worker.connect"}),
    ],
)
async def test_a_service_learns_whose_key_it_was_shown(
    world: World, name: str, kind: "pb.Principal.Kind", permissions: set[str]
) -> None:
    found = await authenticate(world, world.key(name))

    assert (found.kind, found.name) == (kind, name)
    assert set(found.permissions) == permissions
    assert found.id
    assert found.api_key_id


@pytest.mark.parametrize("credential", ["x", "mcp_", "mcp_" + "0" * 60, "eyJ.e30.x"])
async def test_a_credential_that_is_none_is_refused_without_blaming_the_caller(
    world: World, credential: str
) -> None:
    code, error = await failure(authenticate(world, credential))

    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    assert error.metadata.get("subject") != "caller"


@pytest.mark.parametrize("caller", ["admin", "worker", "gateway"])
async def test_internal_methods_are_for_the_services_they_name(world: World, caller: str) -> None:
    token = pb.IssueRunTokenRequest(run_id=RUN, subject_id="u", data_source_ids=["d"])

    answers = [
        await failure(authenticate(world, world.key("admin"), caller)),
        await failure(world.stub.IssueRunToken(token, metadata=bearer(world.key(caller)))),
    ]

    assert {(code, error.reason) for code, error in answers} == {
        (grpc.StatusCode.PERMISSION_DENIED, "INTERNAL_ONLY")
    }


async def test_a_service_administers_nobody(world: World) -> None:
    ada = await world.register("ada@example.com")
    acting = bearer(world.key("registry"))
    change = pb.UpdateUserRequest(user_id=ada.id, user=pb.User(role_name="Admin"))

    answers = [
        await failure(world.stub.DeleteUser(pb.DeleteUserRequest(user_id=ada.id), metadata=acting)),
        await failure(world.stub.UpdateUser(change, metadata=acting)),
        await failure(
            world.stub.CreateApiKey(pb.CreateApiKeyRequest(name="k", role_name="Viewer"), metadata=acting)
        ),
    ]

    assert [error.reason for _, error in answers] == [
        "PERMISSION_MISSING",
        "PERMISSION_MISSING",
        "ROLE_NOT_GRANTABLE",
    ]


async def principal(world: World, principal_id: str, caller: str = "engine") -> pb.Principal:
    request = pb.GetPrincipalRequest(principal_id=principal_id)
    return (await world.stub.GetPrincipal(request, metadata=bearer(world.key(caller)))).principal


async def test_a_service_learns_what_somebody_may_do_now(world: World) -> None:
    ada = await world.register("ada@example.com", "Editor")
    operator = await authenticate(world, world.key("admin"))

    before = await principal(world, ada.id)
    change = pb.UpdateUserRequest(user_id=ada.id, user=pb.User(role_name="Viewer"))
    await world.stub.UpdateUser(change, metadata=world.admin)
    after = await principal(world, ada.id)

    assert (before.id, before.kind, before.name) == (ada.id, pb.Principal.USER, "ada@example.com")
    assert (list(before.roles), "runs.start" in before.permissions) == (["Editor"], True)
    assert (list(after.roles), "runs.start" in after.permissions) == (["Viewer"], False)
    assert list((await principal(world, operator.id)).roles) == ["Admin"]
    assert (await principal(world, "ADA@example.com", "registry")).id == ada.id


async def test_somebody_who_may_not_log_in_may_do_nothing(world: World) -> None:
    ada = await world.register("ada@example.com", "Editor")
    change = pb.UpdateUserRequest(user_id=ada.id, user=pb.User(is_active=False))
    await world.stub.UpdateUser(change, metadata=world.admin)

    answers = [await failure(principal(world, one)) for one in (ada.id, RUN, "nobody")]
    person = await failure(principal(world, ada.id, "admin"))

    assert {(code, error.reason) for code, error in answers} == {
        (grpc.StatusCode.NOT_FOUND, "PRINCIPAL_NOT_FOUND")
    }
    assert person[1].reason == "INTERNAL_ONLY"


async def test_names_that_are_nobodys_or_lack_a_permission_are_told(world: World) -> None:
    ada = await world.register("Ada@example.com", "Editor")
    bob = await world.register("bob@example.com", "Viewer")
    gone = await world.register("gone@example.com", "Editor")
    change = pb.UpdateUserRequest(user_id=gone.id, user=pb.User(is_active=False))
    await world.stub.UpdateUser(change, metadata=world.admin)
    operator = await authenticate(world, world.key("admin"))
    fine = [ada.id, "Ada@example.com", "Admin", "Editor", operator.id, "admin"]
    unknown = [gone.id, "gone@example.com", "ada@example.com", "Chief", "editor", "x' or true --"]
    lacking = [bob.id, "bob@example.com", "Viewer", "worker"]
    request = pb.CheckNamesRequest(names=[*fine, *unknown, *lacking, "Chief"], permission="runs.approve")

    found = await world.stub.CheckNames(request, metadata=bearer(world.key("registry")))
    person = await failure(world.stub.CheckNames(request, metadata=world.admin))

    assert (list(found.unknown), list(found.lacking)) == (unknown, lacking)
    assert list(found.roles) == ["Admin", "Editor"]
    assert person[1].reason == "INTERNAL_ONLY"


async def test_a_run_token_reads_the_runs_data_sources_for_an_hour(world: World) -> None:
    request = pb.IssueRunTokenRequest(
        run_id=RUN, subject_id="u1", subject_name="ada@example.com", data_source_ids=["d1", "d2"]
    )

    answer = await world.stub.IssueRunToken(request, metadata=bearer(world.key("engine")))

    claims = jwt.decode(answer.token, options={"verify_signature": False})
    assert (claims["aud"], claims["sub"], claims["name"]) == ("datasources", "u1", "ada@example.com")
    assert (claims["run_id"], claims["data_source_ids"]) == (RUN, ["d1", "d2"])
    assert claims["permissions"] == ["datasources.query", "datasources.write"]
    assert claims["exp"] == answer.expires_at.seconds
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_run_token_may_do_only_what_it_names_things_for(world: World) -> None:
    async def permissions(**things: Any) -> list[str]:
        request = pb.IssueRunTokenRequest(run_id=RUN, subject_id="u1", **things)
        answer = await world.stub.IssueRunToken(request, metadata=bearer(world.key("engine")))
        claims = jwt.decode(answer.token, options={"verify_signature": False})
        assert (claims["data_source_ids"], claims["secret_ids"]) == (
            things.get("data_source_ids", []),
            things.get("secret_ids", []),
        )
        return list(claims["permissions"])

    assert await permissions(secret_ids=["s1"]) == ["secrets.reveal"]
    assert await permissions(data_source_ids=["d1"], secret_ids=["s1"]) == [
        "datasources.query",
        "datasources.write",
        "secrets.reveal",
    ]


async def test_a_run_token_verifies_offline_for_its_audience_only(world: World) -> None:
    answer = await world.stub.IssueRunToken(
        pb.IssueRunTokenRequest(run_id=RUN, subject_id="u1", data_source_ids=["d1"]),
        metadata=bearer(world.key("engine")),
    )

    async def fetch() -> list[dict[str, str]]:
        keys = (await world.stub.GetJwks(pb.GetJwksRequest())).keys
        return [{"kty": key.kty, "crv": key.crv, "x": key.x, "kid": key.kid} for key in keys]

    caller = await TokenVerifier(Jwks(fetch), audiences=["datasources"]).verify(answer.token)

    assert caller.permissions == {"datasources.query", "datasources.write"}
    with pytest.raises(Unauthenticated):
        await TokenVerifier(Jwks(fetch)).verify(answer.token)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.IssueRunTokenRequest(run_id="x", subject_id="u", data_source_ids=["d"]), "run_id"),
        (pb.IssueRunTokenRequest(run_id=RUN, data_source_ids=["d"]), "subject_id"),
        (pb.IssueRunTokenRequest(run_id=RUN, subject_id="u"), "data_source_ids"),
    ],
    ids=["run", "subject", "sources"],
)
async def test_an_incomplete_request_names_its_field(
    world: World, request_: pb.IssueRunTokenRequest, field: str
) -> None:
    code, error = await failure(world.stub.IssueRunToken(request_, metadata=bearer(world.key("engine"))))

    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert [one.field for one in error.fields] == [field]


async def test_the_public_key_is_there_for_everyone(world: World) -> None:
    [key] = (await world.stub.GetJwks(pb.GetJwksRequest())).keys

    assert (key.kty, key.crv, key.alg, key.use) == ("OKP", "Ed25519", "EdDSA", "sig")
    assert len(key.kid) == 43
    assert len(key.x) == 43


async def test_other_services_prove_tokens_and_keys_with_identitys_help(world: World) -> None:
    await world.register("ada@example.com", "Editor")
    tokens = await world.login("ada@example.com")
    async with channel(world.config.listen, key=world.key("registry"), peer="identity") as door:
        authenticator = RemoteAuthenticator(door)

        by_token = await authenticator.authenticate(tokens.access_token)
        by_key = await authenticator.authenticate(world.key("worker"))

    assert (by_token.kind, by_token.name, by_token.roles) == (
        "user",
        "ada@example.com",
        frozenset({"Editor"}),
    )
    assert by_token.session_id
    assert (by_key.kind, by_key.permissions) == ("worker", frozenset({"worker.connect"}))


async def test_a_service_may_not_act_for_a_service(world: World) -> None:
    acting = (*bearer(world.key("gateway")), ("x-mcpanel-on-behalf-of", world.key("engine")))

    code, error = await failure(world.stub.GetMe(pb.GetMeRequest(), metadata=acting))

    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")


async def test_a_service_that_acts_for_a_user_is_that_user(world: World) -> None:
    await world.register("ada@example.com", "Viewer")
    tokens = await world.login("ada@example.com")
    acting = (*bearer(world.key("gateway")), ("x-mcpanel-on-behalf-of", tokens.access_token))

    me = await world.stub.GetMe(pb.GetMeRequest(), metadata=acting)
    code, _ = await failure(world.stub.ListUsers(pb.ListUsersRequest(), metadata=acting))

    assert me.user.email == "ada@example.com"
    assert me.principal.kind == pb.Principal.USER
    assert code is grpc.StatusCode.PERMISSION_DENIED
