"""By which names the edge is asked, and from whose pages."""

import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

import grpc
import pytest

from stack.ports import Ports
from tests.stack.edge.asking import CONSOLE, HTTP, Content, running, unary


@pytest.mark.parametrize("path", ["/docs", "/api/v1/mcp-definitions", "/health"])
@pytest.mark.parametrize(
    "host", ["evil.example.com", "example.org", "localhost.evil.example.com", "10.0.0.1:8080"]
)
def test_a_host_name_that_is_not_ours_is_refused(tight: int, path: str, host: str) -> None:
    answer = HTTP.get(f"http://127.0.0.1:{tight}{path}", headers={"host": host})

    assert answer.status_code == 421
    assert answer.json()["details"][0]["reason"] == "HOST_NOT_ALLOWED"
    assert "MCPANEL_ALLOWED_HOSTS" in answer.json()["message"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "console.example.org", "a.b.example.org:443"])
def test_an_allowed_host_name_is_answered_whatever_its_port(tight: int, host: str) -> None:
    answer = HTTP.get(f"http://127.0.0.1:{tight}/docs", headers={"host": host})

    assert answer.status_code == 204


async def test_grpc_to_a_host_name_that_is_not_ours_is_refused(tight: int) -> None:
    options = [("grpc.default_authority", "evil.example.com")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{tight}", options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await unary(channel, "/mcpanel.identity.v1.IdentityService/GetJwks")(b"")

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "host name" in str(refused.value.details())


def test_apps_have_an_origin_of_their_own_where_no_credential_gets_in_and_no_cookie_out(
    tmp_path: Path,
) -> None:
    ports = Ports.free()
    credentials = {
        "cookie": "__Host-mcpanel=mine; mcpanel-app-0a=an-app's; other=mine",
        "authorization": "Bearer mine",
        "x-api-key": "mine",
        "x-mcpanel-on-behalf-of": "mine",
        "proxy-authorization": "Basic mine",
    }
    told = {"x-forwarded-for": "203.0.113.9", "x-other": "kept"}

    with ThreadingHTTPServer(("127.0.0.1", ports.gateway_apps), Content) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with running(tmp_path, {}, ports):
            apps = f"http://127.0.0.1:{ports.apps}"
            app = HTTP.get(f"{apps}/apps/a/index.html", headers=credentials | told)
            others = [HTTP.get(f"{apps}{path}") for path in ("/", "/api/v1/roles", "/docs", "/appsandmore")]
            elsewhere = HTTP.get(f"{apps}/apps/a/", headers={"host": "evil.example.com"})
        server.shutdown()

    got = app.json()
    assert (app.status_code, got["x-other"], got["x-forwarded-for"]) == (200, "kept", "127.0.0.1")
    assert got.pop("cookie").strip() == "mcpanel-app-0a=an-app's"
    assert not credentials.keys() & got.keys()
    assert "mine" not in app.text
    assert app.headers.get_list("set-cookie") == ["mcpanel-app-0a=given; Path=/apps/a/"]
    assert app.headers["x-content-type-options"] == "nosniff"
    assert [answer.status_code for answer in others] == [404] * 4
    assert {answer.json()["details"][0]["reason"] for answer in others} == {"PATH_NOT_FOUND"}
    assert elsewhere.status_code == 421


def test_every_host_and_origin_may_be_allowed_and_still_no_page_elsewhere_sends_a_cookie(
    tmp_path: Path,
) -> None:
    settings = {"MCPANEL_ALLOWED_HOSTS": "*", "MCPANEL_CORS_ORIGINS": "*"}
    with running(tmp_path, settings) as port:
        answer = HTTP.get(
            f"http://127.0.0.1:{port}/api/v1/roles?no=1", headers={"host": "any.example", "origin": CONSOLE}
        )

    assert answer.status_code == 400
    assert answer.headers["access-control-allow-origin"] == CONSOLE
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize(
    ("origin", "allowed"), [(CONSOLE, True), ("https://evil.example.org", False), ("null", False)]
)
def test_only_listed_origins_may_call_from_their_pages(tight: int, origin: str, allowed: bool) -> None:
    asked = {
        "origin": origin,
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization",
    }
    url = f"http://localhost:{tight}/docs"

    preflight = HTTP.options(url, headers=asked)
    answer = HTTP.get(url, headers={"origin": origin})

    for one in (preflight, answer):
        assert one.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert "access-control-allow-credentials" not in one.headers
    if allowed:
        assert "PATCH" in preflight.headers["access-control-allow-methods"]


def test_no_origin_is_listed_unless_somebody_lists_it(edge: int) -> None:
    answer = HTTP.get(f"http://127.0.0.1:{edge}/docs", headers={"origin": "http://localhost:3000"})

    assert "access-control-allow-origin" not in answer.headers
