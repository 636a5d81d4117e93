"""Logging in at an OpenID Connect provider: a real one on this machine, a real identity, and the gateway between."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest

from chassis.client import channel
from chassis.config import Networks
from chassis.database import Database
from gateway.application import Parts, application
from gateway.oidc import ExternalLogin
from gateway.session import BrowserSession
from gateway.suite import Suite
from gateway.tickets import Tickets
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.identity.conftest import Start, World, db, running, site, start, world
from tests.identity.records import records
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, LocalProvider
from tests.support.stack import NO_TLS

__all__ = ["db", "running", "site", "start", "world"]

CALLBACK = "https://console/auth/oidc/acme/callback"
ROLES = 'default_role = ""\n[acme.roles]\nplatform = "Admin"\nengineering = "Editor"\n'


@pytest.fixture
def provider() -> Iterator[LocalProvider]:
    with LocalProvider(CALLBACK) as found:
        yield found


@dataclass
class Site:
    """A gateway and an identity that know the provider, and a browser."""

    world: World
    browser: httpx.AsyncClient

    async def leave(self, path: str = "/auth/oidc/acme") -> str:
        """Goes to the provider; the address it sends the browser back to."""
        away = await self.browser.get(path)
        assert away.status_code == 302, away.text
        async with httpx.AsyncClient(verify=NO_TLS) as elsewhere:
            back = await elsewhere.get(away.headers["location"])
        assert back.status_code == 302, back.text
        return back.headers["location"]

    async def log_in(self) -> httpx.Response:
        """The whole way there and back."""
        return await self.browser.get(await self.leave())

    async def who(self) -> dict[str, Any]:
        """Who is logged in."""
        answer = await self.browser.get("/auth/session")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture
async def visit(provider: LocalProvider, start: Start, tmp_path: Path) -> AsyncIterator[Any]:
    """`await visit(settings)` makes a site with these settings of the provider beside the usual ones."""
    opened: list[Any] = []

    async def make(settings: str = ROLES) -> Site:
        secret, file = tmp_path / "secret", tmp_path / "providers.toml"
        secret.write_text(CLIENT_SECRET)
        file.write_text(
            f'[acme]\ntitle = "Acme"\nissuer = "{provider.issuer}"\nclient_id = "{CLIENT_ID}"\n'
            f'client_secret_file = "{secret}"\n{settings}'
        )
        world = await start(MCPANEL_LOGIN_PROVIDERS=str(file), MCPANEL_PUBLIC_ORIGIN="https://console")
        theirs = channel(world.config.listen, peer="identity")
        itself = channel(world.config.listen, peer="identity", key=world.key("gateway"), on_behalf_of=False)
        parts = Parts(
            Suite({}), theirs, theirs, BrowserSession(theirs, itself), ExternalLogin(itself), Tickets(itself)
        )
        app = application(parts, asyncio.Event(), keep_alive=1, proxies=Networks.parse("127.0.0.0/8"))
        browser = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://console")
        opened.extend((theirs.close, itself.close, browser.aclose))
        return Site(world, browser)

    yield make
    for close in opened:
        await close()


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["details"][0]["reason"])


async def refused(site: Site, db: Database, answer: httpx.Response) -> None:
    """Nobody is logged in, and the action log says so."""
    assert (answer.status_code, reason(answer)) == (401, "EXTERNAL_LOGIN_FAILED"), answer.text
    assert "__Host-mcpanel" not in site.browser.cookies
    [record] = await records(db, "LOGIN_FAILED")
    assert (record["entity_id"], record["outcome"]) == ("acme", "EXTERNAL_LOGIN_FAILED")


async def test_whoever_logs_in_elsewhere_becomes_a_user_with_the_role_of_their_group(
    visit: Any, db: Database
) -> None:
    site = await visit()

    back = await site.browser.get(await site.leave("/auth/oidc/acme?redirect_to=/runs?page=2"))

    assert (back.status_code, back.headers["location"]) == (302, "/runs?page=2")
    assert back.headers["set-cookie"].startswith("__Host-mcpanel=mcp_s_")
    who = await site.who()
    assert (who["user"]["email"], who["user"]["fullName"]) == ("ada@example.com", "Ada Lovelace")
    assert who["principal"]["roles"] == ["Editor"]
    [registered], [login] = await records(db, "USER_REGISTERED"), await records(db, "USER_LOGGED_IN")
    assert registered["details"]["provider"] == login["details"]["new"]["provider"] == "acme"
    assert (await site.browser.get("/auth/oidc/acme/callback?state=x")).status_code == 401


async def test_the_provider_is_asked_with_pkce_and_a_nonce_and_keeps_nothing_secret(visit: Any) -> None:
    site = await visit()

    away = await site.browser.get("/auth/oidc/acme")

    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [CALLBACK]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    assert CLIENT_SECRET not in away.headers["location"]
    cookie = away.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("__host-mcpanel-login=", "httponly", "secure", "samesite=lax"))


async def test_the_same_person_is_the_same_user_whatever_their_email_is_now(
    visit: Any, provider: LocalProvider
) -> None:
    site = await visit()
    await site.log_in()
    first = (await site.who())["user"]["id"]

    provider.person.email = "countess@example.com"
    await site.log_in()

    assert (await site.who())["user"]["id"] == first


async def test_the_role_follows_the_groups_and_other_sessions_end_with_it(
    visit: Any, provider: LocalProvider, db: Database
) -> None:
    site = await visit()
    await site.log_in()
    before = site.browser.cookies["__Host-mcpanel"]

    provider.person.groups = ["engineering", "platform"]
    await site.log_in()

    assert (await site.who())["principal"]["roles"] == ["Admin"]
    [change] = await records(db, "USER_UPDATED")
    assert change["details"]["new"]["role_name"] == "Admin"
    site.browser.cookies.clear()
    kept = await site.browser.get("/auth/session", headers={"cookie": f"__Host-mcpanel={before}"})
    assert kept.status_code == 401


async def test_the_last_administrator_stays_one_whatever_the_groups_say(
    visit: Any, provider: LocalProvider
) -> None:
    site = await visit()
    provider.person.groups = ["platform"]
    await site.log_in()

    provider.person.groups = ["engineering"]
    await site.log_in()

    assert (await site.who())["principal"]["roles"] == ["Admin"]


async def test_who_is_in_no_group_is_not_let_in(visit: Any, provider: LocalProvider, db: Database) -> None:
    site = await visit()
    provider.person.groups = ["sales"]

    await refused(site, db, await site.log_in())

    assert await records(db, "USER_REGISTERED") == []


async def test_a_user_here_is_not_taken_over_by_their_email_unless_that_is_wanted(
    visit: Any, provider: LocalProvider, db: Database
) -> None:
    site = await visit()
    user = await site.world.register("ada@example.com")

    await refused(site, db, await site.log_in())

    linking = await visit("link_by_email = true\n" + ROLES)
    provider.person.email_verified = False
    assert (await linking.log_in()).status_code == 401
    provider.person.email_verified = True
    assert (await linking.log_in()).status_code == 302
    assert (await linking.who())["user"]["id"] == user.id


@pytest.mark.parametrize("settings", [ROLES, "link_by_email = true\n" + ROLES])
async def test_who_has_not_accepted_an_invitation_is_told_to(
    visit: Any, provider: LocalProvider, db: Database, settings: str
) -> None:
    site = await visit(settings)
    invitation = pb.InviteUserRequest(email=provider.person.email)
    await site.world.stub.InviteUser(invitation, metadata=site.world.admin)

    answer = await site.log_in()

    await refused(site, db, answer)
    assert "set a password with the invitation" in answer.json()["message"]


async def test_a_user_who_is_switched_off_stays_out(visit: Any, db: Database) -> None:
    site = await visit()
    await site.log_in()
    user_id = (await site.who())["user"]["id"]
    change = pb.UpdateUserRequest(user_id=user_id, user=pb.User(is_active=False))
    await site.world.stub.UpdateUser(change, metadata=site.world.admin)
    site.browser.cookies.clear()

    await refused(site, db, await site.log_in())


async def test_whose_account_is_elsewhere_has_no_password_here(visit: Any) -> None:
    site = await visit()
    await site.log_in()

    for password in ("x", "correct horse battery"):
        answer = await site.browser.post(
            "/auth/session", json={"email": "ada@example.com", "password": password}
        )
        assert (answer.status_code, reason(answer)) == (401, "LOGIN_FAILED")


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"iss": "https://evil.example"},
        {"aud": ["another"]},
        {"aud": ["another", CLIENT_ID], "azp": "another"},
        {"exp": 1},
        {"iat": 4102444800},
        {"sub": ""},
        {"sub": "x" * 256},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"groups": "engineering"},
    ],
    ids=str,
)
async def test_an_id_token_that_is_not_right_lets_nobody_in(
    visit: Any, provider: LocalProvider, db: Database, claims: dict[str, Any]
) -> None:
    site = await visit()
    provider.claims = claims

    await refused(site, db, await site.log_in())


@pytest.mark.parametrize("how", ["unsigned", "shared secret", "another key"])
async def test_an_id_token_that_the_provider_did_not_sign_lets_nobody_in(
    visit: Any, provider: LocalProvider, db: Database, how: str
) -> None:
    site = await visit()

    def forged(token: str) -> str:
        claims = jwt.decode(token, options={"verify_signature": False})
        if how == "unsigned":
            return jwt.encode(claims, "", algorithm="none", headers={"kid": "a"})
        return jwt.encode(claims, CLIENT_SECRET * 2, algorithm="HS256", headers={"kid": "a"})

    if how == "another key":
        provider.signs_with = provider.other_key
    else:
        provider.forge = forged

    await refused(site, db, await site.log_in())


async def test_a_provider_may_change_its_key(visit: Any, provider: LocalProvider) -> None:
    site = await visit()
    await site.log_in()

    provider.key = provider.signs_with = provider.other_key

    assert (await site.log_in()).status_code == 302


async def test_a_login_is_ended_once_and_in_the_browser_that_began_it(visit: Any, db: Database) -> None:
    site = await visit()
    stolen = await site.leave()
    site.browser.cookies.clear()

    await refused(site, db, await site.browser.get(stolen))

    back = await site.leave()
    assert (await site.browser.get(back)).status_code == 302
    assert (await site.browser.get(back)).status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "error=access_denied",
        "error=<script>",
        "code=made-up",
        "code=made-up&iss=https://evil.example",
        "",
    ],
)
async def test_an_answer_without_a_good_code_lets_nobody_in(visit: Any, db: Database, query: str) -> None:
    site = await visit()
    state = parse_qs(urlsplit(await site.leave()).query)["state"][0]

    answer = await site.browser.get(f"/auth/oidc/acme/callback?state={state}&{query}")

    await refused(site, db, answer)
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "runs", "/a\tb", "/\n/evil.example"],
)
async def test_a_login_leads_nowhere_else(visit: Any, target: str) -> None:
    site = await visit()

    answer = await site.browser.get("/auth/oidc/acme", params={"redirect_to": target})

    assert (answer.status_code, reason(answer)) == (400, "INVALID_FIELD")


async def test_an_unknown_provider_is_not_found_and_those_there_are_are_listed(visit: Any) -> None:
    site = await visit()

    answer = await site.browser.get("/auth/oidc/nobody")
    listed = await site.world.stub.ListLoginProviders(pb.ListLoginProvidersRequest())

    assert (answer.status_code, reason(answer)) == (404, "LOGIN_PROVIDER_UNKNOWN")
    assert [(one.name, one.title) for one in listed.providers] == [("acme", "Acme")]


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": None},
    ],
    ids=str,
)
async def test_a_provider_that_says_nonsense_of_itself_is_as_good_as_away(
    visit: Any, provider: LocalProvider, metadata: dict[str, Any]
) -> None:
    site = await visit()
    provider.metadata = metadata

    answer = await site.browser.get("/auth/oidc/acme")

    assert (answer.status_code, reason(answer)) == (503, "DEPENDENCY_UNAVAILABLE")
