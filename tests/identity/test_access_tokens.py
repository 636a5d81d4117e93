"""Access tokens that must not be taken."""

import base64
import json
import time
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from identity.domain.tokens import public_key
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import World, bearer


class Forge:
    """Signs what it is told to, with the real key unless told otherwise."""

    def __init__(self, world: World, token: str) -> None:
        private = load_pem_private_key(world.config.signing_key.read_bytes(), None)
        assert isinstance(private, Ed25519PrivateKey)
        self.private = private
        self.claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        self.header = jwt.get_unverified_header(token)

    def token(
        self, key: Any = None, algorithm: str = "EdDSA", header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A token with some claims changed; a claim set to None is left out."""
        said = {name: value for name, value in {**self.claims, **claims}.items() if value is not None}
        headers = {**self.header, "alg": algorithm, **(header or {})}
        return jwt.encode(said, self.private if key is None else key, algorithm, headers=headers)


@pytest.fixture
async def forge(world: World) -> Forge:
    await world.register("ada@example.com")
    return Forge(world, (await world.login("ada@example.com")).access_token)


def unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, claims)
    ]
    return ".".join([*parts, ""])


async def test_the_forge_itself_works(world: World, forge: Forge) -> None:
    me = await world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(forge.token()))

    assert me.principal.name == "ada@example.com"


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iat": None},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
        {"iss": "someone"},
        {"iss": None},
        {"aud": "datasources"},
        {"aud": None},
        {"sub": None},
        {"jti": None},
        {"sid": None},
        {"sid": "00000000-0000-7000-8000-000000000000"},
    ],
    ids=[
        "expired",
        "exp",
        "iat",
        "iat-later",
        "nbf-later",
        "iss-other",
        "iss",
        "aud-other",
        "aud",
        "sub",
        "jti",
        "sid",
        "sid-other",
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    world: World, forge: Forge, changed: dict[str, Any]
) -> None:
    await refused(world, forge.token(**changed))


@pytest.mark.parametrize(
    "header", [{"typ": "JWT"}, {"typ": None}, {"kid": "unknown"}, {"kid": None}], ids=str
)
async def test_a_token_with_a_wrong_header_is_refused(
    world: World, forge: Forge, header: dict[str, Any]
) -> None:
    kept = {name: value for name, value in {**forge.header, **header}.items() if value is not None}
    forge.header = kept
    token = forge.token()
    if header.get("typ", "") is None:
        token = sign_without_typ(forge)

    await refused(world, token)


async def test_an_unsigned_token_is_refused(world: World, forge: Forge) -> None:
    for algorithm in ("none", "None", "EdDSA"):
        await refused(world, unsigned(forge.claims, {**forge.header, "alg": algorithm}))


async def test_the_public_key_is_no_shared_secret(world: World, forge: Forge) -> None:
    [key] = (await world.stub.GetJwks(pb.GetJwksRequest())).keys

    for secret in (key.x.encode().ljust(64, b"="), forge.private.public_key().public_bytes_raw().ljust(64)):
        await refused(world, forge.token(secret, "HS256"))


async def test_another_key_does_not_sign(world: World, forge: Forge) -> None:
    other = Ed25519PrivateKey.generate()

    await refused(world, forge.token(other))
    await refused(
        world, forge.token(other, header={"kid": public_key(other.public_key().public_bytes_raw()).kid})
    )


async def test_a_changed_token_is_refused(world: World, forge: Forge) -> None:
    head, body, signature = forge.token().split(".")
    claims = {**forge.claims, "permissions": ["users.delete"]}
    other = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()

    await refused(world, f"{head}.{other}.{signature}")
    await refused(world, f"{head}.{body}.{signature[:-4]}AAAA")
    await refused(world, f"{head}.{body}.{signature}.")
    await refused(world, f"{head}.{body}")


async def test_a_runs_token_is_no_access_token(world: World) -> None:
    answer = await world.stub.IssueRunToken(
        pb.IssueRunTokenRequest(
            run_id="01890000-0000-7000-8000-000000000001", subject_id="u", data_source_ids=["d"]
        ),
        metadata=bearer(world.key("engine")),
    )

    await refused(world, answer.token)


async def refused(world: World, token: str) -> None:
    code, error = await failure(world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(token)))
    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")


def sign_without_typ(forge: Forge) -> str:
    """PyJWT always writes a typ: sign by hand."""
    header = {name: value for name, value in forge.header.items() if name != "typ"}
    signed = unsigned(forge.claims, header).removesuffix(".")
    signature = base64.urlsafe_b64encode(forge.private.sign(signed.encode())).rstrip(b"=").decode()
    return f"{signed}.{signature}"
