"""Apps through the gateway: what of a request reaches them, what of their answers reaches a browser."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import h11
import httpx
import pytest

from chassis.client import channel
from chassis.config import Address
from chassis.errors import Unauthenticated, Unavailable
from chassis.statuses import to_status
from gateway.apps import AppsServer, headers
from gateway.apps.exchange import Setting
from mcpanel.engine.v1 import app_pb2, app_pb2_grpc

RUN = "0190a000-0000-7000-8000-000000000001"
APP = f"{RUN}/chart"
PREFIX = f"/apps/{APP}/"
CONSOLE = "http://console.example.org"


async def refuse(context: Any, error: Any) -> None:
    """Answers with an error of the chassis."""
    status = to_status(error)
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    code = grpc.StatusCode[error.code]
    context.set_trailing_metadata(details)
    await context.abort(code, status.message)


class ScriptedApps(app_pb2_grpc.AppServiceServicer):
    """Knows one ticket and one cookie; what an app is told it keeps, and it answers as the test says."""

    def __init__(self) -> None:
        self.told = b""
        self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        self.echoes = False
        self.starting = 0
        """How often the app is asked for before it answers."""
        self.elsewhere = 0
        """How many connections another replica has to be asked for."""
        self.gone = asyncio.Event()

    async def RedeemAppTicket(
        self, request: app_pb2.RedeemAppTicketRequest, context: Any
    ) -> app_pb2.RedeemAppTicketResponse:
        if (request.ticket, request.app) != ("good", APP):
            await refuse(context, Unauthenticated("APP_TICKET_INVALID", "no"))
        if self.elsewhere:
            self.elsewhere -= 1
            await refuse(context, Unavailable("APP_ELSEWHERE", "ask the next"))
        if self.starting:
            self.starting -= 1
            await refuse(context, Unavailable("APP_NOT_ANSWERING", "nothing listens"))
        answer = app_pb2.RedeemAppTicketResponse(cookie="mcp_a_cookie")
        answer.expires_at.seconds, answer.issued_at.seconds = 1100, 100
        return answer

    async def ConnectApp(self, requests: Any, context: Any) -> AsyncIterator[app_pb2.ConnectAppResponse]:
        first = (await anext(requests)).open
        if (first.app, first.cookie) != (APP, "mcp_a_cookie"):
            await refuse(context, Unauthenticated("APP_TICKET_INVALID", "no"))
        if self.elsewhere:
            self.elsewhere -= 1
            await refuse(context, Unavailable("APP_ELSEWHERE", "ask the next"))
        try:
            yield app_pb2.ConnectAppResponse(opened=app_pb2.ConnectAppResponse.Opened())
            while not self.told.endswith(b"\r\n\r\n"):
                self.told += (await anext(requests)).chunk
            for start in range(0, len(self.answer), 1000):
                yield app_pb2.ConnectAppResponse(chunk=self.answer[start : start + 1000])
            while self.echoes:
                yield app_pb2.ConnectAppResponse(chunk=(await anext(requests)).chunk.upper())
        except StopAsyncIteration:
            pass
        finally:
            self.gone.set()


class Gateway:
    """The listener for apps, and a browser that knows an app's cookie."""

    def __init__(self, engine: ScriptedApps, server: AppsServer, http: httpx.AsyncClient) -> None:
        self.engine = engine
        self.server = server
        self.http = http

    async def get(self, path: str = PREFIX, **more: str) -> httpx.Response:
        cookie = f"{headers.cookie_name(APP, secure=False)}=mcp_a_cookie"
        return await self.http.get(path, headers={"cookie": cookie, **more})

    def told(self) -> dict[str, str]:
        """The headers that the app got."""
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(self.engine.told)
        request = connection.next_event()
        assert isinstance(request, h11.Request)
        return {name.decode(): value.decode() for name, value in request.headers}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """The listener over a scripted engine."""
    scripted = ScriptedApps()
    rpc = grpc.aio.server()
    app_pb2_grpc.add_AppServiceServicer_to_server(scripted, rpc)
    port = rpc.add_insecure_port("127.0.0.1:0")
    await rpc.start()
    engine = channel(f"127.0.0.1:{port}", peer="engine", key="mcp_gateway")
    server = AppsServer(Setting(engine, (CONSOLE,)), Address("127.0.0.1", 0))
    await server.start()
    base = f"http://127.0.0.1:{server.port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
        yield Gateway(scripted, server, http)
    await server.stop()
    await engine.close()
    await rpc.stop(None)


async def test_a_ticket_becomes_a_cookie_for_this_app_alone(gateway: Gateway) -> None:
    answer = await gateway.http.get(PREFIX, params={"ticket": "good"})

    cookie = answer.headers["set-cookie"]
    assert answer.status_code == 200
    assert cookie.endswith(f"=mcp_a_cookie; Path={PREFIX}; Max-Age=1000; HttpOnly; SameSite=Strict")
    assert "good" not in answer.text
    assert PREFIX in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_while_an_app_starts_a_page_says_so_and_asks_again_with_the_same_ticket(
    gateway: Gateway,
) -> None:
    gateway.engine.starting, gateway.engine.elsewhere = 1, 2

    first = await gateway.http.get(PREFIX, params={"ticket": "good"})
    second = await gateway.http.get(PREFIX, params={"ticket": "good"})

    assert (first.status_code, first.headers["retry-after"]) == (503, "2")
    assert "The app is starting" in first.text
    assert '<meta http-equiv="refresh" content="2">' in first.text
    assert "set-cookie" not in first.headers
    assert (second.status_code, "set-cookie" in second.headers) == (200, True)


async def test_over_https_the_cookie_is_bound_to_the_host(gateway: Gateway) -> None:
    https = {"x-forwarded-proto": "https"}

    answer = await gateway.http.get(PREFIX, params={"ticket": "good"}, headers=https)

    assert answer.headers["set-cookie"].startswith("__Host-mcpanel-app-")
    assert "; Path=/; Secure; " in answer.headers["set-cookie"]


@pytest.mark.parametrize("ticket", ["used", "mcp_a_cookie"])
async def test_a_ticket_that_counts_no_more_sets_no_cookie(gateway: Gateway, ticket: str) -> None:
    answer = await gateway.http.get(PREFIX, params={"ticket": ticket})

    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "from the console" in answer.text


async def test_without_a_cookie_nothing_reaches_an_app(gateway: Gateway) -> None:
    answer = await gateway.http.get(PREFIX)

    assert answer.status_code == 401
    assert gateway.engine.told == b""


async def test_an_app_gets_the_request_and_no_credential_of_it(gateway: Gateway) -> None:
    credentials = {"authorization": "Bearer mine", "x-api-key": "mine", "x-forwarded-for": "192.0.2.1"}

    answer = await gateway.get(f"{PREFIX}data?x=1", accept="text/csv", **credentials)

    told = gateway.told()
    assert (answer.status_code, answer.text) == (200, "ok")
    assert gateway.engine.told.startswith(f"GET {PREFIX}data?x=1 HTTP/1.1".encode())
    assert told["accept"] == "text/csv"
    assert not {"cookie", *credentials} & told.keys()
    assert b"mine" not in gateway.engine.told
    assert b"mcp_a_cookie" not in gateway.engine.told


async def test_an_app_sets_no_cookie_and_loosens_no_rule(gateway: Gateway) -> None:
    loose = (
        b"set-cookie: mcpanel-app-x=planted\r\ncontent-security-policy: default-src *\r\nservice-worker-allowed: /\r\n"
        b"access-control-allow-origin: *\r\nclear-site-data: *\r\ncontent-type: text/html\r\n"
    )
    gateway.engine.answer = b"HTTP/1.1 200 OK\r\n" + loose + b"content-length: 2\r\n\r\nok"

    answer = await gateway.get(host="apps.example.org")

    policy = answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html"
    assert f"connect-src http://apps.example.org{PREFIX} ws://apps.example.org{PREFIX}" in policy
    assert f"frame-ancestors {CONSOLE};" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not {
        "set-cookie",
        "service-worker-allowed",
        "access-control-allow-origin",
        "clear-site-data",
    } & set(answer.headers)


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        (f"{PREFIX}next", f"{PREFIX}next"),
        (f"/apps/{RUN}/other/", PREFIX),
        (f"{PREFIX}../other/", PREFIX),
        ("//evil.example.org/", PREFIX),
    ],
)
async def test_an_app_leads_to_its_own_pages_only(gateway: Gateway, location: str, followed: str) -> None:
    gateway.engine.answer = (
        f"HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode()
    )

    assert (await gateway.get()).headers["location"] == followed


async def test_a_large_answer_of_unknown_length_arrives_whole(gateway: Gateway) -> None:
    gateway.engine.answer = b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 500_000

    answer = await gateway.get()

    assert len(answer.content) == 500_000


async def test_the_replica_that_has_the_worker_is_found(gateway: Gateway) -> None:
    gateway.engine.elsewhere = 3

    assert (await gateway.get()).text == "ok"


async def test_what_is_no_http_is_said_to_be_so(gateway: Gateway) -> None:
    gateway.engine.answer = b"hello\r\n\r\n"

    assert (await gateway.get()).status_code == 502


@pytest.mark.parametrize("path", ["/", "/apps/", "/apps/other", f"/apps/{RUN}/", f"{PREFIX}%2e%2e/x"])
async def test_there_is_nothing_but_apps(gateway: Gateway, path: str) -> None:
    assert (await gateway.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example.org", "x-forwarded-host": "apps.example.org"}, 403),
        ({}, 200),
    ],
)
async def test_only_an_apps_own_pages_change_something(
    gateway: Gateway, said: dict[str, str], status: int
) -> None:
    cookie = f"{headers.cookie_name(APP, secure=False)}=mcp_a_cookie"

    answer = await gateway.http.post(PREFIX, content=b"x", headers={"cookie": cookie, **said})

    assert answer.status_code == status


async def _websocket(gateway: Gateway, **more: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A websocket's handshake, sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
    head = {
        "host": "apps",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "cookie": f"{headers.cookie_name(APP, secure=False)}=mcp_a_cookie",
        **more,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    writer.write(f"GET {PREFIX}stream HTTP/1.1\r\n{lines}\r\n".encode())
    return reader, writer


async def test_a_websocket_goes_both_ways_and_ends_with_the_browser(gateway: Gateway) -> None:
    gateway.engine.answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nearly"
    )
    gateway.engine.echoes = True
    reader, writer = await _websocket(gateway)
    head = await reader.readuntil(b"\r\n\r\n")

    assert await reader.readexactly(5) == b"early"
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"HELLO"
    writer.close()

    async with asyncio.timeout(5):
        await gateway.engine.gone.wait()
    assert head.startswith(b"HTTP/1.1 101")
    assert gateway.told()["upgrade"] == "websocket"


async def test_another_sites_page_opens_no_websocket(gateway: Gateway) -> None:
    reader, writer = await _websocket(gateway, origin="http://evil.example.org")
    line = await reader.readline()
    writer.close()

    assert b"403" in line


async def test_the_end_of_a_websocket_at_the_app_is_the_browsers_too(gateway: Gateway) -> None:
    gateway.engine.answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
    )
    reader, writer = await _websocket(gateway)
    await reader.readuntil(b"\r\n\r\n")

    async with asyncio.timeout(5):
        rest = await reader.read()
    writer.close()

    assert rest == b""


NASTY_ANSWERS = [
    b"HTTP/1.1 302 Found\r\nlocation: //[\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nlocation: \xff\xfe\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
    b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok",
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 1000 Odd\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 \xff\xff\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: \xe4\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\netag: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"etag: " + b"x" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    b"\0" * 100,
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("said", NASTY_ANSWERS, ids=range(len(NASTY_ANSWERS)))
async def test_whatever_an_app_says_is_an_answer_and_no_failure_here(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, said: bytes, method: str
) -> None:
    gateway.engine.answer = said
    cookie = f"{headers.cookie_name(APP, secure=False)}=mcp_a_cookie"

    status = 0
    with contextlib.suppress(
        httpx.RemoteProtocolError
    ):  # where the answer breaks off, so does what is passed on
        status = (await gateway.http.request(method, PREFIX, headers={"cookie": cookie})).status_code

    assert [one for one in caplog.records if one.name.startswith("gateway")] == []
    assert status < 500 or status == 502


NASTY_REQUESTS = [
    b"GET //[ HTTP/1.1\r\nhost: apps\r\n\r\n",
    b"GET http://[/ HTTP/1.1\r\nhost: apps\r\n\r\n",
    b"GET " + PREFIX.encode() + b"\xff%ff%00?ticket=%00%ff HTTP/1.1\r\nhost: apps\r\n\r\n",
    b"GET " + PREFIX.encode() + b"?ticket=%ff%fe HTTP/1.1\r\nhost: apps\r\n\r\n",
    b"GET " + PREFIX.encode() + b"?" + b"a=b&" * 10_000 + b" HTTP/1.1\r\nhost: apps\r\n\r\n",
    b"CONNECT apps:80 HTTP/1.1\r\nhost: apps\r\nCOOKIE\r\n\r\n",
    b"CONNECT PREFIX HTTP/1.1\r\nhost: apps\r\nCOOKIE\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nhost: apps\r\n\r\n",
    b"GET PREFIX HTTP/1.1\r\nCOOKIE\r\n\r\n",
    b"GET PREFIX HTTP/1.0\r\nCOOKIE\r\n\r\n",
    b"GET PREFIX HTTP/1.0\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\nCOOKIE\r\n\r\n",
    b"GET PREFIX HTTP/1.1\r\nhost: \xff\r\nCOOKIE\r\n\r\n",
    b"GET PREFIX HTTP/1.1\r\nhost: a\r\norigin: //[\r\nupgrade: websocket\r\nconnection: upgrade\r\nCOOKIE\r\n\r\n",
    b"GET PREFIX HTTP/1.1\r\nhost: a\r\norigin: \xff\r\nupgrade: websocket\r\nconnection: upgrade\r\nCOOKIE\r\n\r\n",
    b"POST PREFIX HTTP/1.1\r\nhost: a\r\norigin: http://[\r\ncontent-length: 0\r\nCOOKIE\r\n\r\n",
    b"POST PREFIX HTTP/1.1\r\nhost: a\r\norigin: http://a:99999\r\ncontent-length: 0\r\nCOOKIE\r\n\r\n",
    b"POST PREFIX HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nCOOKIE\r\n\r\nzz\r\n",
    b"POST PREFIX HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\nCOOKIE\r\n\r\n0\r\n\r\n",
    b"POST PREFIX HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\nCOOKIE\r\n\r\nhello",
    b"GET PREFIX HTTP/1.1\r\nhost: a\r\ncookie: " + b"x=1; " * 5_000 + b"\r\n\r\n",
    b'GET PREFIX HTTP/1.1\r\nhost: a\r\ncookie: a="\\777; b=\xff\r\n\r\n',
    b"GET PREFIX HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("asked", NASTY_REQUESTS, ids=range(len(NASTY_REQUESTS)))
async def test_whatever_is_asked_is_answered_and_no_failure_here(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, asked: bytes
) -> None:
    cookie = f"cookie: {headers.cookie_name(APP, secure=False)}=mcp_a_cookie".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)

    writer.write(asked.replace(b"COOKIE", cookie).replace(b" PREFIX ", f" {PREFIX} ".encode()))
    async with asyncio.timeout(10):
        line = await reader.readline()
    writer.close()

    assert [one for one in caplog.records if one.name.startswith("gateway")] == []
    assert line.split()[1] in {b"200", b"308", b"400", b"401", b"403", b"404", b"405", b"411", b"431"}
