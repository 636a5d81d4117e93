"""Logging in at a browser, over the real identity."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import httpx
import jwt
import pytest

from chassis.authentication import RemoteAuthenticator
from chassis.client import channel
from chassis.config import Networks
from chassis.database import Database
from chassis.errors import Unauthenticated
from gateway.application import Parts, application
from gateway.oidc import ExternalLogin
from gateway.session import BrowserSession
from gateway.suite import Suite
from gateway.tickets import Tickets
from identity.domain.throttling import LOGINS_PER_EMAIL
from identity.tables import sessions
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.gateway.scripted_engine import ScriptedEngine, end
from tests.identity.conftest import PASSWORD, World, bearer, db, running, site, world
from tests.identity.records import move, records

__all__ = ["db", "running", "site", "world"]

OURS = {"sec-fetch-site": "same-origin"}
LOGIN = {"email": "ada@example.com", "password": PASSWORD}


@pytest.fixture
async def engine() -> AsyncIterator[ScriptedEngine]:
    """What streams come from."""
    scripted = ScriptedEngine()
    yield scripted
    await scripted.stop()


@pytest.fixture
async def browser(world: World, engine: ScriptedEngine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway over the real identity, with Ada registered."""
    to_engine = channel(f"127.0.0.1:{await engine.start()}", peer="engine")
    await world.register("ada@example.com", "Editor")
    theirs = channel(world.config.listen, peer="identity")
    itself = channel(world.config.listen, peer="identity", key=world.key("gateway"), on_behalf_of=False)
    parts = Parts(
        Suite({}),
        to_engine,
        theirs,
        BrowserSession(theirs, itself),
        ExternalLogin(itself),
        Tickets(itself),
    )
    app = application(parts, asyncio.Event(), keep_alive=1, proxies=Networks.parse("127.0.0.0/8"))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="https://console", headers={"user-agent": "Firefox"}
    ) as client:
        yield client
    for one in (to_engine, theirs, itself):
        await one.close()


async def log_in(browser: httpx.AsyncClient, **headers: str) -> str:
    """Logs Ada in; what the cookie holds."""
    answer = await browser.post("/auth/session", json=LOGIN, headers={**OURS, **headers})
    assert answer.status_code == 200, answer.text
    return answer.cookies["__Host-mcpanel"]


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["details"][0]["reason"])


async def test_a_login_sets_a_cookie_that_no_script_and_no_other_host_sees(
    browser: httpx.AsyncClient, world: World, db: Database
) -> None:
    answer = await browser.post("/auth/session", json=LOGIN, headers=OURS)

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-mcpanel=mcp_s_")
    said = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "secure", "path=/", "samesite=lax"} <= said
    assert not [part for part in said if part.startswith("domain")]
    assert answer.json()["user"]["email"] == "ada@example.com"
    assert "mcp_s_" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    [record] = await records(db, "USER_LOGGED_IN")
    assert record["details"]["new"]["kind"] == "browser"
    assert record["details"]["new"]["user_agent"] == "Firefox"


async def test_the_cookie_is_a_session_that_is_listed_and_known_everywhere(
    browser: httpx.AsyncClient, world: World
) -> None:
    cookie = await log_in(browser)

    who = (await browser.get("/auth/session")).json()
    async with channel(world.config.listen, key=world.key("engine"), peer="identity") as door:
        caller = await RemoteAuthenticator(door).authenticate(cookie)
    listed = await world.stub.ListSessions(
        pb.ListSessionsRequest(), metadata=(("cookie", f"__Host-mcpanel={cookie}"),)
    )

    assert who["user"]["email"] == caller.name == "ada@example.com"
    assert (caller.kind, caller.session_id) == ("user", listed.sessions[0].id)
    assert "runs.start" in caller.permissions
    assert (listed.sessions[0].kind, listed.sessions[0].current) == (pb.Session.BROWSER, True)
    assert listed.sessions[0].user_agent == "Firefox"


async def test_a_planted_cookie_is_replaced_and_opens_nothing(browser: httpx.AsyncClient) -> None:
    planted = "mcp_s_" + "0" * 43
    browser.cookies.set("__Host-mcpanel", planted)
    before = await browser.get("/auth/session")

    cookie = await log_in(browser)
    again = await log_in(browser)

    browser.cookies.clear()
    after = await browser.get("/auth/session", headers={"cookie": f"__Host-mcpanel={planted}"})
    assert (before.status_code, after.status_code) == (401, 401)
    assert len({planted, cookie, again}) == 3


async def refused_by(authenticator: RemoteAuthenticator, credential: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        await authenticator.authenticate(credential)
    return caught.value


async def test_a_logout_ends_the_session_and_takes_the_cookie_away(
    browser: httpx.AsyncClient, world: World, db: Database
) -> None:
    cookie = await log_in(browser)

    gone = await browser.delete("/auth/session", headers=OURS)
    again = await browser.delete("/auth/session", headers=OURS)

    assert (gone.status_code, again.status_code) == (204, 204)
    assert 'mcpanel=""' in gone.headers["set-cookie"]
    assert "Secure" in gone.headers["set-cookie"]
    kept = await browser.get("/auth/session", headers={"cookie": f"__Host-mcpanel={cookie}"})
    async with channel(world.config.listen, key=world.key("engine"), peer="identity") as door:
        elsewhere = RemoteAuthenticator(door)
        refusals = [await refused_by(elsewhere, cookie) for _ in range(2)]
    [left] = await records(db, "USER_LOGGED_OUT")
    refused = [one["actor"] for one in await records(db, "AUTHENTICATION_REFUSED")]
    assert kept.status_code == 401
    assert kept.json()["message"] == "the session is over; log in again"
    assert [one["id"] for one in refused if one.get("session_id") == left["entity_id"]] == [""]
    for refusal in refusals:
        assert refusal.message == "the session is over; log in again"
        assert refusal.metadata == {"session_id": left["entity_id"]}


async def test_without_a_cookie_nobody_is_logged_in(browser: httpx.AsyncClient, world: World) -> None:
    by_key = await browser.get("/auth/session", headers={"authorization": f"Bearer {world.key('admin')}"})

    assert (by_key.status_code, reason(by_key)) == (401, "CREDENTIALS_MISSING")


async def test_a_wrong_password_sets_nothing_and_is_recorded(
    browser: httpx.AsyncClient, db: Database
) -> None:
    wrong = {**LOGIN, "password": "wrong"}

    answer = await browser.post(
        "/auth/session", json=wrong, headers=OURS | {"x-forwarded-for": "203.0.113.7"}
    )

    assert (answer.status_code, reason(answer)) == (401, "LOGIN_FAILED")
    assert "set-cookie" not in answer.headers
    [record] = await records(db, "LOGIN_FAILED")
    who = record["actor"]
    assert (who["id"], who["kind"], who["user_agent"]) == ("", "anonymous", "Firefox")
    assert who["client_address"] == "203.0.113.7"
    assert (record["details"]["user_agent"], record["personal"]) == ("Firefox", ["email", "user_agent"])
    assert not await records(db, "USER_LOGGED_IN")


async def test_logins_that_were_too_many_are_on_record_as_of_nobody(
    browser: httpx.AsyncClient, db: Database
) -> None:
    answers = [
        await browser.post("/auth/session", json={**LOGIN, "password": f"{number}"}, headers=OURS)
        for number in range(LOGINS_PER_EMAIL.attempts + 1)
    ]

    assert (answers[-1].status_code, reason(answers[-1])) == (429, "TOO_MANY_REQUESTS")
    [record] = await records(db, "USER_LOGGED_IN")
    assert (record["outcome"], record["actor"]["kind"]) == ("TOO_MANY_REQUESTS", "anonymous")
    assert record["actor"]["user_agent"] == "Firefox"


async def test_a_login_ends_the_session_that_the_browser_had(
    browser: httpx.AsyncClient, world: World, db: Database
) -> None:
    before = await log_in(browser)
    failed = await browser.post("/auth/session", json={**LOGIN, "password": "wrong"}, headers=OURS)
    held = await browser.get("/auth/session")
    await world.register("bob@example.com")

    anew = await browser.post(
        "/auth/session", json={"email": "bob@example.com", "password": PASSWORD}, headers=OURS
    )

    who = (await browser.get("/auth/session")).json()["user"]["email"]
    [record] = await records(db, "USER_LOGGED_OUT")
    browser.cookies.clear()
    left = await browser.get("/auth/session", headers={"cookie": f"__Host-mcpanel={before}"})
    assert (failed.status_code, held.status_code, anew.status_code) == (401, 200, 200)
    assert (left.status_code, who) == (401, "bob@example.com")
    assert record["actor"]["name"] == "ada@example.com"
    assert record["entity_id"] == held.json()["principal"]["sessionId"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example", "x-forwarded-host": "console", "x-forwarded-proto": "https"},
        {"origin": "null", "x-forwarded-host": "console", "x-forwarded-proto": "https"},
        {"origin": "https://console"},
        {"sec-fetch-site": "cross-site", "origin": "https://console", "x-forwarded-host": "console"},
    ],
    ids=str,
)
async def test_another_sites_page_logs_nobody_in_or_out(
    browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await log_in(browser)

    logged_in = await browser.post("/auth/session", json=LOGIN, headers=headers)
    logged_out = await browser.delete("/auth/session", headers=headers)

    assert [logged_in.status_code, logged_out.status_code] == [403, 403]
    assert reason(logged_in) == reason(logged_out) == "CREDENTIALS_INVALID"
    assert (await browser.get("/auth/session")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://console", "x-forwarded-host": "console", "x-forwarded-proto": "https"},
        {"origin": "http://console:8080", "x-forwarded-host": "console:8080", "x-forwarded-proto": "http"},
    ],
    ids=["no browser", "origin", "origin without TLS"],
)
async def test_our_own_pages_and_programs_log_in(browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await browser.post("/auth/session", json=LOGIN, headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"[]", "application/json"),
        (b"", "application/json"),
        (b"{" * 5000, "application/json"),
        (b'{"email": 1, "password": "x"}', "application/json"),
        (b'{"email": "a@b.example", "password": "\\ud800"}', "application/json"),
        (b'{"email": "a@b.example", "password": "x", "role": "Admin"}', "application/json"),
        (b'{"email": "a@b.example", "password": "' + b"x" * 9000 + b'"}', "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"email=a&password=b", "application/x-www-form-urlencoded"),
        (b'{"email": "a@b.example", "password": "x"}', "text/plain"),
    ],
)
async def test_what_is_no_login_is_refused(browser: httpx.AsyncClient, content: bytes, kind: str) -> None:
    answer = await browser.post("/auth/session", content=content, headers={**OURS, "content-type": kind})

    assert answer.status_code == 400
    assert reason(answer) in ("REQUEST_MALFORMED", "INVALID_FIELD")


@pytest.mark.parametrize(
    ("column", "by"), [("expires_at", timedelta(hours=-12)), ("expires_at", timedelta(days=-7))]
)
async def test_a_session_ends_when_it_is_not_used(
    browser: httpx.AsyncClient, db: Database, column: str, by: timedelta
) -> None:
    await log_in(browser)

    await move(db, sessions, column, by)

    assert (await browser.get("/auth/session")).status_code == 401


async def test_use_carries_a_session_on_but_not_for_ever(
    browser: httpx.AsyncClient, world: World, db: Database
) -> None:
    await log_in(browser)
    for column in ("created_at", "last_used_at", "expires_at"):
        await move(db, sessions, column, timedelta(days=-6, hours=-20))
    await move(db, sessions, "expires_at", timedelta(days=6, hours=20))

    assert (await browser.get("/auth/session")).status_code == 200
    await world.service.session_use.flush()

    async with db.read() as tx:
        row: Any = (await tx.execute(sessions.select())).one()
    assert row.expires_at - row.created_at == timedelta(days=7)
    assert row.last_used_at - row.created_at > timedelta(days=6, hours=19)


async def test_only_the_gateway_opens_browser_sessions(world: World) -> None:
    request = pb.OpenBrowserSessionRequest(email="ada@example.com", password=PASSWORD)

    for caller in ("admin", "engine"):
        refused = world.stub.OpenBrowserSession(request, metadata=bearer(world.key(caller)))
        code, error = await failure(refused)
        assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "INTERNAL_ONLY")


async def test_a_stream_is_opened_with_a_ticket_once(
    browser: httpx.AsyncClient, engine: ScriptedEngine, world: World
) -> None:
    mine = bearer((await world.login("ada@example.com")).access_token)
    ticket = (
        await world.stub.CreateStreamTicket(pb.CreateStreamTicketRequest(run_id="r"), metadata=mine)
    ).ticket
    engine.scripts = [[end(1)]]
    stream = f"/api/v1/workflow-runs/r/stream?ticket={ticket}"

    first = await browser.get(stream, headers={"authorization": "Bearer of.something.else"})
    again = await browser.get(stream)

    assert "event: end" in first.text
    assert (again.status_code, reason(again)) == (401, "STREAM_TICKET_INVALID")
    token = engine.metadata[0]["authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, options={"verify_signature": False})["name"] == "ada@example.com"
    assert "cookie" not in engine.metadata[0]
    assert len(engine.metadata) == 1


async def test_a_ticket_is_for_its_own_stream(browser: httpx.AsyncClient, world: World) -> None:
    ticket = (
        await world.stub.CreateStreamTicket(pb.CreateStreamTicketRequest(run_id="r"), metadata=world.admin)
    ).ticket

    other = await browser.get(f"/api/v1/workflow-runs/stream?ticket={ticket}")

    assert (other.status_code, reason(other)) == (401, "STREAM_TICKET_INVALID")
