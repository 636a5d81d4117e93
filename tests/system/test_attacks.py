"""Credentials that were forged, worn out or broken: at every service the right answer, and a record of it."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.rpc import error_details_pb2, status_pb2

from tests.support.stack import Stack
from tests.system.console import Console, fresh

READS = {
    "registry": "/mcpanel.registry.v1.RegistryService/ListDefinitions",
    "engine": "/mcpanel.engine.v1.EngineService/ListRuns",
    "datasources": "/mcpanel.datasources.v1.DataSourceService/ListDataSources",
    "audit": "/mcpanel.audit.v1.AuditService/ListActionLogs",
    "identity": "/mcpanel.identity.v1.IdentityService/ListUsers",
}
"""A read of each service that needs a credential."""


class Forge:
    """A token that was good, and what it takes to make others: the suite's own signing key among it."""

    def __init__(self, token: str, key: Ed25519PrivateKey) -> None:
        self.token = token
        self.key = key
        self.header = jwt.get_unverified_header(token)
        self.claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})

    def sign(self, key: Any = None, alg: str = "EdDSA", typ: str = "", kid: str = "", **claims: Any) -> str:
        """The token with these claims (None: without) and headers changed, signed with the right key or another."""
        body = {name: value for name, value in (self.claims | claims).items() if value is not None}
        header = {"typ": typ or self.header["typ"], "kid": kid or self.header["kid"]}
        return jwt.encode(body, self.key if key is None else key, algorithm=alg, headers=header)

    def parts(self) -> list[str]:
        """Header, claims and signature."""
        return self.token.split(".")


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


NOW = int(time.time())
FORGED: dict[str, Callable[[Forge], str]] = {
    "alg none": lambda forge: f"{_encoded(forge.header | {'alg': 'none'})}.{forge.parts()[1]}.",
    "alg none with the signature": lambda forge: ".".join(
        [_encoded(forge.header | {"alg": "none"}), *forge.parts()[1:]]
    ),
    "the public key as an HMAC secret": lambda forge: forge.sign(
        forge.key.public_key().public_bytes_raw(), alg="HS256"
    ),
    "another audience": lambda forge: forge.sign(aud="somebody-else"),
    "another issuer": lambda forge: forge.sign(iss="https://evil.example"),
    "another type": lambda forge: forge.sign(typ="JWT"),
    "expired": lambda forge: forge.sign(iat=NOW - 7200, exp=NOW - 3600),
    "no expiry": lambda forge: forge.sign(exp=None),
    "no subject": lambda forge: forge.sign(sub=None),
    "another key": lambda forge: forge.sign(Ed25519PrivateKey.generate()),
    "another key under a new name": lambda forge: forge.sign(Ed25519PrivateKey.generate(), kid="mine"),
    "more permissions, the old signature": lambda forge: ".".join(
        [forge.parts()[0], _encoded(forge.claims | {"permissions": ["*"]}), forge.parts()[2]]
    ),
    "a cut signature": lambda forge: forge.token[:-8],
    "a header that names where its key is": lambda forge: jwt.encode(
        forge.claims,
        Ed25519PrivateKey.generate(),
        algorithm="EdDSA",
        headers=forge.header | {"jku": "https://evil.example/jwks.json"},
    ),
    "ten thousand dots": lambda _: "ey" + "." * 10_000,
    "not even base64": lambda _: "ey%.%%.%%%",
    "nested a thousand deep": lambda _: (
        "ey." + base64.urlsafe_b64encode(b'{"a":' * 1000).decode().rstrip("=") + ".x"
    ),
    "twenty kilobytes": lambda forge: forge.sign(name="x" * 20_000),
    "a key that does not exist": lambda _: "mcp_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "a word": lambda _: "admin",
}


@pytest.fixture(scope="module")
async def forge(stack: Stack) -> Forge:
    """An administrator's token, which is good."""
    async with stack.http() as http:
        console = Console(http)
        who = {"email": f"{fresh('forge')}@example.com", "password": "a long enough password"}
        await console.call("POST", "/auth/register", json=who | {"roleName": "Admin"})
        token = (await console.call("POST", "/auth/login", json=who))["access_token"]
    key = load_pem_private_key((stack.home.keys / "signing.key").read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return Forge(token, key)


@pytest.fixture(scope="module")
async def refused(stack: Stack, forge: Forge) -> dict[tuple[str, str], tuple[str, str, str]]:
    """What each service said to each forged credential: code, reason and the address it came from."""
    found = {}
    for at, service in enumerate(READS):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.ports.port(service)}") as channel:
            for number, (attack, make) in enumerate(FORGED.items()):
                address = f"203.0.{113 + at}.{number + 1}"
                found[service, attack] = (*await _ask(channel, READS[service], make(forge), address), address)
    return found


async def _ask(
    channel: grpc.aio.Channel, path: str, credential: str, address: str, header: str = "authorization"
) -> tuple[str, str]:
    """The code and the reason of a read with this credential; (OK, "") when it was answered."""
    shown = f"Bearer {credential}" if header == "authorization" else credential
    call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
    try:
        await call(b"", metadata=((header, shown), ("x-forwarded-for", address)), timeout=10)
    except grpc.aio.AioRpcError as error:
        trailing: Any = error.trailing_metadata() or ()
        status = status_pb2.Status.FromString(dict(trailing).get("grpc-status-details-bin", b""))
        info = error_details_pb2.ErrorInfo()
        reasons = [info.reason for detail in status.details if detail.Unpack(info)]
        return error.code().name, (reasons or [""])[0]
    return "OK", ""


@pytest.mark.parametrize("service", READS)
async def test_the_token_that_is_forged_is_good_itself(stack: Stack, forge: Forge, service: str) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.ports.port(service)}") as channel:
        assert await _ask(channel, READS[service], forge.token, "203.0.113.99") == ("OK", "")
        assert await _ask(channel, READS[service], forge.sign(), "203.0.113.99") == ("OK", "")


@pytest.mark.parametrize("attack", FORGED)
@pytest.mark.parametrize("service", READS)
async def test_a_forged_credential_is_refused_and_on_record(
    stack: Stack,
    refused: dict[tuple[str, str], tuple[str, str, str]],
    recorded: dict[str, dict[str, Any]],
    service: str,
    attack: str,
) -> None:
    code, reason, address = refused[service, attack]
    entry = recorded[address]

    assert (code, reason) == ("UNAUTHENTICATED", "CREDENTIALS_INVALID")
    assert (entry["action"], entry["outcome"]) == ("AUTHENTICATION_REFUSED", "CREDENTIALS_INVALID")
    assert entry["service"] == service
    assert entry["method"] == READS[service]


@pytest.fixture(scope="module")
async def recorded(
    stack: Stack, refused: dict[tuple[str, str], tuple[str, str, str]]
) -> dict[str, dict[str, Any]]:
    """The action log's entry of each of these addresses, once every one has one."""
    wanted = {address for _, _, address in refused.values()}
    found: dict[str, dict[str, Any]] = {}
    async with stack.http() as http:
        console, end = Console(http), time.monotonic() + 30
        while not wanted <= set(found) and time.monotonic() < end:
            for entry in await console.action_logs('action = "AUTHENTICATION_REFUSED"'):
                found.setdefault(entry["actor"]["clientAddress"], entry)
    return found


@pytest.mark.parametrize("size", [40_000, 70_000])
async def test_a_credential_larger_than_a_header_may_be_is_refused_before_anything_reads_it(
    anonymous: Console, size: int
) -> None:
    answer = await anonymous.http.get(
        "/api/v1/mcp-definitions", headers={"authorization": "Bearer ey." + "x" * size + ".x"}
    )

    assert answer.status_code in (401, 431)
    assert answer.json()["details"][0]["reason"] in ("CREDENTIALS_INVALID", "REQUEST_MALFORMED")


async def test_a_refresh_token_used_twice_ends_its_session_and_is_on_record(
    stack: Stack, admin: Console, anonymous: Console
) -> None:
    who = {"email": f"{fresh('replay')}@example.com", "password": "a long enough password"}
    await admin.call("POST", "/auth/register", json=who)
    first = await anonymous.call("POST", "/auth/login", json=who)
    second = await anonymous.call("POST", "/auth/refresh", json={"refresh_token": first["refresh_token"]})
    third = await anonymous.call("POST", "/auth/refresh", json={"refresh_token": second["refresh_token"]})

    with stack.superuser(
        "identity"
    ) as database:  # a repeat within ten seconds is a client that missed the answer
        database.execute("update refresh_tokens set used_at = used_at - interval '11 s'")

    replayed = await anonymous.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
    after = await anonymous.http.post("/auth/refresh", json={"refresh_token": third["refresh_token"]})

    assert (replayed.status_code, after.status_code) == (401, 401)
    sid = jwt.decode(first["access_token"], options={"verify_signature": False})["sid"]
    entries = await admin.action_logs(f'entity_id = "{sid}"')
    assert "SESSION_REVOKED" in {entry["action"] for entry in entries}


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
async def test_a_page_elsewhere_changes_nothing_with_a_browsers_cookie(
    admin: Console, anonymous: Console, forge: Forge, site: str
) -> None:
    headers = {"cookie": f"__Host-mcpanel={forge.token}"} | ({"sec-fetch-site": site} if site else {})
    body = {"definition": {"name": fresh("csrf"), "type": "DATA"}}

    answer = await anonymous.http.post("/api/v1/mcp-definitions", json=body, headers=headers)

    assert answer.status_code == 403
    made = await admin.http.get(f"/api/v1/mcp-definitions/{body['definition']['name']}")
    assert made.status_code == 404
