"""Credentials that were forged, worn out or broken: at every service the right answer, and a record of it."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.rpc import error_details_pb2, status_pb2

from chassis.authentication.credentials import COOKIE
from chassis.authentication.guesses import LIMIT
from tests.support.stack import NO_TLS, Stack
from tests.system.console import Console, fresh

READS = {
    "registry": "/mcpanel.registry.v1.RegistryService/ListDefinitions",
    "engine": "/mcpanel.engine.v1.EngineService/ListRuns",
    "datasources": "/mcpanel.datasources.v1.DataSourceService/ListDataSources",
    "audit": "/mcpanel.audit.v1.AuditService/ListActionLogs",
    "identity": "/mcpanel.identity.v1.IdentityService/ListUsers",
}
"""A read of each service that needs a credential."""
WAYS = (*READS, "REST at the edge", "gRPC-Web at the edge")
USERS = "/mcpanel.identity.v1.IdentityService/ListUsers"


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
    "twenty kilobytes": lambda forge: forge.sign(name="x" * 15_000),
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
    """What was said to each forged credential on each way in: code, reason and the address it came from."""
    found = {}

    async def try_all(at: int, way: str) -> None:
        async with grpc.aio.insecure_channel(
            f"127.0.0.1:{stack.ports.port(way if way in READS else 'edge')}"
        ) as channel:
            for number, (attack, make) in enumerate(FORGED.items()):
                if way in READS:
                    address = f"203.0.{113 + at}.{number + 1}"
                    said = await _ask(channel, READS[way], make(forge), address)
                else:
                    address = f"127.0.{113 + at}.{number + 1}"
                    said = await _ask_edge(stack, way, make(forge), address)
                found[way, attack] = (*said, address)

    await asyncio.gather(*(try_all(at, way) for at, way in enumerate(WAYS)))
    return found


async def _ask_edge(stack: Stack, way: str, credential: str, address: str) -> tuple[str, str]:
    """The same at the edge, from one of the machine's own addresses: there nobody says another."""
    headers = {"authorization": f"Bearer {credential}", "x-forwarded-for": "203.0.113.250"}
    async with at(stack, address) as http:
        if way == "REST at the edge":
            answer = await http.get("/users", headers=headers)
            error = answer.json()
            return grpc_code(error["code"]), error["details"][0]["reason"]
        kind = {"content-type": "application/grpc-web+proto"}
        answer = await http.post(USERS, headers=headers | kind, content=b"\0\0\0\0\0")
        return _told(int(answer.headers["grpc-status"]), answer.headers["grpc-status-details-bin"])


def grpc_code(number: int) -> str:
    """The name of a status code."""
    return next(code.name for code in grpc.StatusCode if code.value[0] == number)


def _told(code: int, details: str) -> tuple[str, str]:
    status = status_pb2.Status.FromString(base64.b64decode(details + "=="))
    return grpc_code(code), _reason(status)


def _reason(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    return next((info.reason for detail in status.details if detail.Unpack(info)), "")


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
        return error.code().name, _reason(status)
    return "OK", ""


@pytest.mark.parametrize("service", READS)
async def test_the_token_that_is_forged_is_good_itself(stack: Stack, forge: Forge, service: str) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.ports.port(service)}") as channel:
        assert await _ask(channel, READS[service], forge.token, "203.0.113.99") == ("OK", "")
        assert await _ask(channel, READS[service], forge.sign(), "203.0.113.99") == ("OK", "")


@pytest.mark.parametrize("attack", FORGED)
@pytest.mark.parametrize("way", WAYS)
async def test_a_forged_credential_is_refused_and_on_record(
    stack: Stack,
    refused: dict[tuple[str, str], tuple[str, str, str]],
    recorded: dict[str, dict[str, Any]],
    way: str,
    attack: str,
) -> None:
    code, reason, address = refused[way, attack]
    entry = recorded[address]

    assert (code, reason) == ("UNAUTHENTICATED", "CREDENTIALS_INVALID")
    assert (entry["action"], entry["outcome"]) == ("AUTHENTICATION_REFUSED", "CREDENTIALS_INVALID")
    assert entry["service"] == (way if way in READS else "identity")
    assert entry["method"] == READS.get(way, USERS)


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


@pytest.mark.parametrize(
    ("size", "code", "reason"),
    [
        (20_000, 401, "CREDENTIALS_INVALID"),
        (35_000, 431, "REQUEST_MALFORMED"),
        (70_000, 431, "REQUEST_MALFORMED"),
    ],
)
async def test_a_credential_larger_than_any_is_refused(
    anonymous: Console, size: int, code: int, reason: str
) -> None:
    answer = await anonymous.http.get(
        "/api/v1/mcp-definitions", headers={"authorization": "Bearer ey." + "x" * size + ".x"}
    )

    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (code, reason)


async def test_who_guesses_keys_is_held_up_and_on_record_and_nobody_else_is(
    stack: Stack, admin: Console
) -> None:
    address, read = "203.0.120.1", READS["registry"]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.ports.registry}") as channel:
        known = await _ask(channel, read, stack.admin_key, address)
        said: list[tuple[str, str]] = []
        while len(said) < 2 * LIMIT and said[-1:] != [("RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS")]:
            said.append(await _ask(channel, read, f"mcp_guess{len(said)}", address))
        elsewhere = await _ask(channel, read, "mcp_guess", "203.0.120.2")
        good = await _ask(channel, read, stack.admin_key, address)

    assert said[0] == elsewhere == ("UNAUTHENTICATED", "CREDENTIALS_INVALID")
    assert set(said) == {said[0], ("RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS")}
    assert known == good == ("OK", "")
    entries = await admin.action_logs(f'client_address = "{address}"', least=2)
    assert {(entry["action"], entry["outcome"]) for entry in entries} == {
        ("AUTHENTICATION_REFUSED", "CREDENTIALS_INVALID"),
        ("AUTHENTICATION_REFUSED", "TOO_MANY_REQUESTS"),
    }


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
    assert await admin.action_logs(f'entity_id = "{sid}" AND action = "SESSION_REVOKED"')


@pytest.fixture(scope="module")
async def cookie(stack: Stack) -> str:
    """What a browser in which an editor has logged in sends."""
    who = {"email": f"{fresh('browser')}@example.com", "password": "a long enough password"}
    async with stack.http() as http, stack.http(key="") as browser:
        await Console(http).call("POST", "/auth/register", json=who | {"roleName": "Editor"})
        answer = await browser.post("/auth/session", json=who)
    return f"{COOKIE}={answer.cookies[COOKIE]}"


@pytest.mark.parametrize(
    ("site", "address"),
    [
        ("cross-site", "127.0.121.1"),
        ("same-site", "127.0.121.2"),
        ("none", "127.0.121.3"),
        ("", "127.0.121.4"),
    ],
)
async def test_a_page_elsewhere_changes_nothing_with_a_browsers_cookie_and_that_is_on_record(
    stack: Stack, admin: Console, cookie: str, site: str, address: str
) -> None:
    headers = {"cookie": cookie} | ({"sec-fetch-site": site} if site else {})
    name = fresh("csrf")
    body = {"definition": {"name": name, "type": "DATA"}}

    async with at(stack, address) as browser:
        refused = await browser.post("/api/v1/mcp-definitions", json=body, headers=headers)
        between = await admin.http.get(f"/api/v1/mcp-definitions/{name}")
        headers["sec-fetch-site"] = "same-origin"
        done = await browser.post("/api/v1/mcp-definitions", json=body, headers=headers)

    assert (refused.status_code, refused.json()["details"][0]["reason"]) == (403, "CREDENTIALS_INVALID")
    assert (between.status_code, done.status_code) == (404, 200)
    (entry,) = await admin.action_logs(f'client_address = "{address}" AND outcome != "OK"')
    assert (entry["action"], entry["outcome"]) == ("AUTHENTICATION_REFUSED", "CREDENTIALS_INVALID")


async def test_a_session_that_was_planted_before_the_login_is_worth_nothing_after_it(
    stack: Stack, admin: Console, cookie: str
) -> None:
    who = {"email": f"{fresh('fixed')}@example.com", "password": "a long enough password"}
    await admin.call("POST", "/auth/register", json=who)
    planted = cookie[:-4] + "AAAA"

    async with at(stack, "127.0.121.9") as browser:
        answer = await browser.post("/auth/session", json=who, headers={"cookie": planted})
        own = f"{COOKIE}={answer.cookies[COOKIE]}"
        me = await browser.get("/auth/me", headers={"cookie": own})
        browser.cookies.clear()
        attacker = await browser.get("/auth/me", headers={"cookie": planted})
        before = await browser.get("/auth/me", headers={"cookie": cookie})

    assert own not in (planted, cookie)
    assert me.json()["user"]["email"] == who["email"]
    assert attacker.status_code == 401
    assert before.json()["user"]["email"] != who["email"]
    (entry,) = await admin.action_logs('client_address = "127.0.121.9" AND outcome != "OK"')
    assert (entry["action"], entry["outcome"]) == ("AUTHENTICATION_REFUSED", "CREDENTIALS_INVALID")


def at(stack: Stack, address: str) -> httpx.AsyncClient:
    """A client of the edge from one of the machine's own addresses."""
    transport = httpx.AsyncHTTPTransport(local_address=address, verify=NO_TLS)
    return httpx.AsyncClient(base_url=stack.base_url, transport=transport, timeout=30)
