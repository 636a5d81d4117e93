"""What the edge answers by itself, behind which nothing runs: every refusal says why."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from stack import envoy, routes
from stack.child import base_environment, spawn
from stack.config import EdgeConfig
from stack.errors import StackError
from stack.ports import Ports, free_port
from tests.contracts import walk

_MALFORMED = "REQUEST_MALFORMED"
CODES = {"PATH_NOT_FOUND": 5, "METHOD_NOT_OFFERED": 12, "DEPENDENCY_UNAVAILABLE": 14, _MALFORMED: 3}


HTTP = httpx.Client(trust_env=False)
CONSOLE = "https://console.example.org"
AUTHENTICATE = "/mcpanel.identity.v1.IdentityService/Authenticate"
TIGHT = {
    "MCPANEL_ALLOWED_HOSTS": "localhost,*.example.org",
    "MCPANEL_CORS_ORIGINS": CONSOLE,
    "MCPANEL_CREDENTIAL_RATE": "1",
    "MCPANEL_CLIENT_RATE": "1000",
    "MCPANEL_SIGN_IN_RATE": "3",
}


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    HTTP.close()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an edge without services."""
    with _edge(tmp_path_factory.mktemp("edge"), {}) as port:
        yield port


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an edge that lets little through; where its gateway would be, all is well."""
    ports = Ports.free()
    with ThreadingHTTPServer(("127.0.0.1", ports.gateway_http), _Content) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with _edge(tmp_path_factory.mktemp("tight"), TIGHT, ports) as port:
            yield port
        server.shutdown()


class _Content(BaseHTTPRequestHandler):
    """Answers `/busy` as a service with too much to do does, `/apps/` with the headers it got and a cookie, everything
    else with 204.
    """

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path.startswith("/apps/"):
            self._echo()
            return
        busy = self.path == "/busy"
        body = b'{"code":14,"message":"busy","details":[{"retryDelay":"1.250s"}]}' if busy else b""
        self.send_response(503 if busy else 204)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def _echo(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("set-cookie", "__Host-mcpanel=planted; Secure; Path=/")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def _edge(folder: Path, settings: dict[str, str], ports: Ports | None = None) -> Iterator[int]:
    ports = ports or Ports.free()
    config = envoy.write(folder, ports, EdgeConfig.from_environment(settings))
    process = spawn(envoy.command(config), env=base_environment(), log=folder / "log")
    try:
        _wait(ports.edge, folder / "log")
        yield ports.edge
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize(
    ("request_line", "headers", "expected", "words"),
    [
        (
            "GET /api/v1/mcp-definitions/a%00b",
            "host: localhost",
            (400, _MALFORMED),
            "the path cannot be read",
        ),
        (
            "GET /api/v1/..%2f..%2fetc",
            "host: localhost",
            (400, _MALFORMED),
            "encoded slash, backslash or NUL (%2F, %5C, %00)",
        ),
        (
            "GET /api/v1/mcp-definitions/a%5Cb",
            "host: localhost",
            (400, _MALFORMED),
            "the path cannot be read",
        ),
        ("GET /docs", "user-agent: x", (400, _MALFORMED), "the request has no Host header"),
        ("OPTIONS *", "host: localhost", (404, "PATH_NOT_FOUND"), "paths begin with a slash"),
        (
            "GET /docs",
            "host: localhost\r\nbad_header: x",
            (400, _MALFORMED),
            "not well-formed HTTP (http1.unexpected_underscore)",
        ),
        (
            "GET /docs",
            "host: localhost\r\ntransfer-encoding: x",
            (501, "METHOD_NOT_OFFERED"),
            "does not know this transfer coding",
        ),
        (
            "GET /docs",
            f"host: localhost\r\nx: {'x' * 80_000}",
            (431, _MALFORMED),
            "the request's headers are too large",
        ),
        (
            "GET /docs",
            "host: localhost",
            (503, "DEPENDENCY_UNAVAILABLE"),
            "the service behind this path does not answer",
        ),
        (
            "GET /api/v1/mcp-definitions?x=1",
            "host: localhost",
            (400, _MALFORMED),
            'the query cannot be read: Could not find field "x"',
        ),
    ],
)
def test_a_refusal_of_the_edge_is_an_error_with_a_reason_and_a_sentence(
    edge: int, request_line: str, headers: str, expected: tuple[int, str], words: str
) -> None:
    status, body = _ask(edge, f"{request_line} HTTP/1.1\r\n{headers}\r\n\r\n".encode())

    error = json.loads(body)
    (info,) = error["details"]
    assert (status, info["reason"]) == expected
    assert (error["code"], info["domain"]) == (CODES[info["reason"]], "mcpanel")
    assert words in error["message"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"{", "Unexpected end of string"),
        (b'{"definition": []}', "not repeating"),
        (b'{"definition": {"name": 1}}', "definition.name: invalid value 1"),
        (b"\xff", "non UTF-8"),
        (b"[1]", "Root element must be a message"),
    ],
)
def test_a_body_that_is_no_json_of_the_method_is_told_why(edge: int, sent: bytes, words: str) -> None:
    head = f"POST /api/v1/mcp-definitions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(sent)}\r\n\r\n"

    status, body = _ask(edge, head.encode() + sent)

    error = json.loads(body)
    assert (status, error["code"]) == (400, 3)
    assert error["message"].startswith("the body is not this method's JSON: ")
    assert words in error["message"]
    assert "/docs" in error["message"]
    assert error["details"][0]["reason"] == _MALFORMED


@pytest.mark.parametrize(
    "sent",
    [
        b'{"email": "a@example.com", "password": hunter2}',
        b'{"email": "a@example.com", "password": "hunter2"',
        b'{"password": "hunter2\\n", "email": (/docs has every method',
        b'{"password": ["hunter2"]}',
        b'{"password": {"hunter2": "hunter2"}}',
    ],
)
def test_a_body_that_cannot_be_read_is_not_quoted(edge: int, sent: bytes) -> None:
    head = f"POST /auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(sent)}\r\n\r\n"

    status, body = _ask(edge, head.encode() + sent)

    error = json.loads(body)
    assert (status, error["code"]) == (400, 3)
    assert error["message"].startswith("the body is not this method's JSON: ")
    assert error["message"].endswith(" (/docs has every method's body)")
    assert "hunter2" not in error["message"]


def test_a_body_too_large_that_does_not_say_so_is_413(edge: int) -> None:
    head = b"POST /api/v1/mcp-definitions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"400000\r\n" + b"x" * 0x400000 + b"\r\n"

    status, body = _ask(edge, head + chunk + b"1\r\nx\r\n")

    error = json.loads(body)
    assert (status, error["code"]) == (413, 8)
    assert "4 MiB" in error["message"]
    assert error["details"][0]["reason"] == "MESSAGE_TOO_LARGE"
    assert error["details"][0]["metadata"] == {"limit_bytes": str(4 * 2**20)}


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
            await _unary(channel, "/mcpanel.identity.v1.IdentityService/GetJwks")(b"")

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "host name" in str(refused.value.details())


def test_apps_have_an_origin_of_their_own_where_no_credential_gets_in_and_no_cookie_out(
    tmp_path: Path,
) -> None:
    ports = Ports.free()
    credentials = {
        "cookie": "__Host-mcpanel=mine; other=1",
        "authorization": "Bearer mine",
        "x-api-key": "mine",
        "x-mcpanel-on-behalf-of": "mine",
        "proxy-authorization": "Basic mine",
    }
    told = {"x-forwarded-for": "203.0.113.9", "x-other": "kept"}

    with ThreadingHTTPServer(("127.0.0.1", ports.gateway_http), _Content) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with _edge(tmp_path, {}, ports):
            apps = f"http://127.0.0.1:{ports.apps}"
            app = HTTP.get(f"{apps}/apps/a/index.html", headers=credentials | told)
            others = [HTTP.get(f"{apps}{path}") for path in ("/", "/api/v1/roles", "/docs", "/appsandmore")]
            elsewhere = HTTP.get(f"{apps}/apps/a/", headers={"host": "evil.example.com"})
        server.shutdown()

    got = app.json()
    assert (app.status_code, got["x-other"], got["x-forwarded-for"]) == (200, "kept", "127.0.0.1")
    assert not credentials.keys() & got.keys()
    assert "mine" not in app.text
    assert "set-cookie" not in app.headers
    assert app.headers["x-content-type-options"] == "nosniff"
    assert [answer.status_code for answer in others] == [404] * 4
    assert {answer.json()["details"][0]["reason"] for answer in others} == {"PATH_NOT_FOUND"}
    assert elsewhere.status_code == 421


def test_every_host_and_origin_may_be_allowed_and_still_no_page_elsewhere_sends_a_cookie(
    tmp_path: Path,
) -> None:
    settings = {"MCPANEL_ALLOWED_HOSTS": "*", "MCPANEL_CORS_ORIGINS": "*"}
    with _edge(tmp_path, settings) as port:
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


@pytest.mark.parametrize(
    "credential",
    [
        {"authorization": "Bearer {}"},
        {"x-api-key": "{}"},
        {"cookie": "__Host-mcpanel={}"},
    ],
)
def test_a_credential_that_sends_too_much_is_told_when_to_try_again(
    tight: int, credential: dict[str, str]
) -> None:
    ((name, form),) = credential.items()
    url = f"http://localhost:{tight}/docs"

    answers = [HTTP.get(url, headers={name: form.format("busy")}) for _ in range(12)]
    other = HTTP.get(url, headers={name: form.format("calm")})

    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == answers[1].status_code == other.status_code == 204
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].headers["x-ratelimit-remaining"] == "0"
    assert refused[0].json()["code"] == 8
    assert [detail.get("reason") or detail["retryDelay"] for detail in refused[0].json()["details"]] == [
        "TOO_MANY_REQUESTS",
        "1s",
    ]


def test_what_a_service_says_of_trying_again_is_in_the_header_too(tight: int) -> None:
    answer = HTTP.get(f"http://localhost:{tight}/busy")

    assert answer.json()["message"] == "busy"
    assert answer.headers["retry-after"] == "2"


def test_logins_from_one_address_have_a_limit_of_their_own(tight: int) -> None:
    url = f"http://localhost:{tight}"

    tried = [HTTP.post(f"{url}/auth/session", json={"email": f"{n}@x.org"}).status_code for n in range(20)]
    elsewhere = HTTP.get(f"{url}/docs")

    assert tried[0] == 204
    assert 429 in tried
    assert elsewhere.status_code == 204


async def test_logins_over_grpc_count_among_them(tight: int) -> None:
    codes = set()
    async with grpc.aio.insecure_channel(f"localhost:{tight}") as channel:
        for path in routes.sign_in_paths() * 4:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await _unary(channel, path)(b"")
            codes.add(refused.value.code())

    assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes


async def test_grpc_callers_are_told_in_grpcs_words(tight: int) -> None:
    metadata = (("authorization", "Bearer grpc"),)
    codes = set()
    async with grpc.aio.insecure_channel(f"localhost:{tight}") as channel:
        call = _unary(channel, AUTHENTICATE)
        for _ in range(12):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", metadata=metadata)
            codes.add(refused.value.code())

    assert codes == {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.RESOURCE_EXHAUSTED}


@pytest.mark.parametrize("path", ["/docs", "/api/v1/mcp-definitions?no=1"])
def test_refusals_carry_the_security_headers_too(edge: int, path: str) -> None:
    headers = HTTP.get(f"http://127.0.0.1:{edge}{path}").headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


def test_a_login_over_grpc_is_a_login_too() -> None:
    names = {path.rpartition("/")[2] for path in routes.sign_in_paths()}

    assert {"Login", "RegisterUser", "RefreshSession"} <= names
    assert "GetJwks" not in names


INTERNAL = [rpc.full_name for rpc in walk.rpcs() if rpc.internal and not rpc.rule.permission]


async def test_what_is_internal_has_no_way_in(edge: int) -> None:
    refused = {}
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge}") as channel:
        for name in INTERNAL:
            service, _, method = name.rpartition(".")
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await _unary(channel, f"/{service}/{method}")(b"")
            refused[name] = (error.value.code(), error.value.details())

    assert len(INTERNAL) >= 4
    assert set(refused.values()) == {
        (grpc.StatusCode.PERMISSION_DENIED, "this method is for the suite's own services")
    }


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("MCPANEL_ALLOWED_HOSTS", "https://example.org", "without scheme and port"),
        ("MCPANEL_ALLOWED_HOSTS", "example.org:80", "without scheme and port"),
        ("MCPANEL_ALLOWED_HOSTS", "", "MCPANEL_ALLOWED_HOSTS is empty"),
        ("MCPANEL_CORS_ORIGINS", "example.org", "write it like https://example.org"),
        ("MCPANEL_CORS_ORIGINS", "https://example.org/", "without a path"),
        ("MCPANEL_CREDENTIAL_RATE", "-1", "MCPANEL_CREDENTIAL_RATE=-1 is not a rate"),
        ("MCPANEL_CLIENT_RATE", "many", "expected a whole number"),
        ("MCPANEL_EDGE_CERTIFICATE", "/no/such.pem", "MCPANEL_EDGE_CERTIFICATE=/no/such.pem is no file"),
        ("MCPANEL_EDGE_PRIVATE_KEY", "/no/such.pem", "set both or neither"),
        ("MCPANEL_REDIRECT_PORT", "8081", "set MCPANEL_EDGE_CERTIFICATE too"),
        ("MCPANEL_EDGE_HOST", "example.org", "is no IP address"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_by_name(setting: str, value: str, words: str) -> None:
    with pytest.raises(StackError, match=setting) as refused:
        EdgeConfig.from_environment({setting: value})

    assert words in str(refused.value)


def _certificate(folder: Path, serial: int) -> ssl.SSLContext:
    """Writes a certificate for localhost and its key, each in one step; a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name_, content in (("key.pem", private), ("cert.pem", pem)):
        (folder / f".{name_}").write_bytes(content)
        (folder / f".{name_}").replace(folder / name_)
    return ssl.create_default_context(cadata=pem.decode())


def _serial(port: int) -> int:
    """The serial number of the certificate that is shown on this port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown).serial_number


def test_with_a_certificate_the_edge_speaks_https_leads_there_and_takes_a_new_one_while_it_runs(
    tmp_path: Path,
) -> None:
    trusting = _certificate(tmp_path, serial=1)
    redirect = free_port()
    settings = {
        "MCPANEL_EDGE_CERTIFICATE": str(tmp_path / "cert.pem"),
        "MCPANEL_EDGE_PRIVATE_KEY": str(tmp_path / "key.pem"),
        "MCPANEL_REDIRECT_PORT": str(redirect),
        "MCPANEL_PROFILE": "production",
        "MCPANEL_EDGE_HOST": "0.0.0.0",  # noqa: S104 - what a certificate allows
    }

    ports = Ports.free()
    with _edge(tmp_path, settings, ports) as port:
        with httpx.Client(verify=trusting, trust_env=False) as https:
            secure = https.get(f"https://localhost:{port}/api/v1/roles?no=1")
            app = https.get(f"https://localhost:{ports.apps}/")
        led = HTTP.post(f"http://localhost:{redirect}/auth/login?x=1")
        elsewhere = HTTP.get(f"http://localhost:{redirect}/", headers={"host": "evil.example"})
        before = _serial(port)
        _certificate(tmp_path, serial=2)
        end = time.monotonic() + 20
        while _serial(port) != 2 and time.monotonic() < end:
            time.sleep(0.1)
        after = _serial(port)

    assert secure.status_code == 400
    assert app.status_code == 404
    for answer in (secure, app):
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert (led.status_code, led.headers["location"]) == (308, f"https://localhost:{port}/auth/login?x=1")
    assert "location" not in elsewhere.headers
    assert (before, after) == (1, 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"MCPANEL_ALLOWED_HOSTS": "*"}, "MCPANEL_ALLOWED_HOSTS=* is refused"),
        ({"MCPANEL_CORS_ORIGINS": "*"}, "MCPANEL_CORS_ORIGINS=* is refused"),
        ({"MCPANEL_EDGE_HOST": "0.0.0.0"}, "MCPANEL_EDGE_HOST=0.0.0.0 is refused"),  # noqa: S104
    ],
)
def test_production_refuses_unsafe_settings_of_the_edge_by_name(settings: dict[str, str], words: str) -> None:
    EdgeConfig.from_environment(settings)

    with pytest.raises(StackError) as refused:
        EdgeConfig.from_environment(settings | {"MCPANEL_PROFILE": "production"})

    assert words in str(refused.value)


def _unary(channel: grpc.aio.Channel, path: str) -> Any:
    """A method that takes and gives bytes."""
    return channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)


def _ask(port: int, request: bytes) -> tuple[int, str]:
    """The status and the body of the answer to these very bytes, which no client would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb")
        status = int(answer.readline().split()[1])
        headers = dict(line.decode().strip().split(": ", 1) for line in iter(answer.readline, b"\r\n"))
        return status, answer.read(int(headers["content-length"])).decode()


def _wait(port: int, log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
