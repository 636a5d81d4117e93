"""What the edge answers by itself: every refusal says why."""

import json

import grpc
import pytest

from tests.contracts import walk
from tests.stack.edge.asking import HTTP, ask, unary

_MALFORMED = "REQUEST_MALFORMED"
CODES = {"PATH_NOT_FOUND": 5, "METHOD_NOT_OFFERED": 12, "DEPENDENCY_UNAVAILABLE": 14, _MALFORMED: 3}


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
    status, body = ask(edge, f"{request_line} HTTP/1.1\r\n{headers}\r\n\r\n".encode())

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

    status, body = ask(edge, head.encode() + sent)

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

    status, body = ask(edge, head.encode() + sent)

    error = json.loads(body)
    assert (status, error["code"]) == (400, 3)
    assert error["message"].startswith("the body is not this method's JSON: ")
    assert error["message"].endswith(" (/docs has every method's body)")
    assert "hunter2" not in error["message"]


def test_a_body_too_large_that_does_not_say_so_is_413(edge: int) -> None:
    head = b"POST /api/v1/mcp-definitions HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"400000\r\n" + b"x" * 0x400000 + b"\r\n"

    status, body = ask(edge, head + chunk + b"1\r\nx\r\n")

    error = json.loads(body)
    assert (status, error["code"]) == (413, 8)
    assert "4 MiB" in error["message"]
    assert error["details"][0]["reason"] == "MESSAGE_TOO_LARGE"
    assert error["details"][0]["metadata"] == {"limit_bytes": str(4 * 2**20)}


@pytest.mark.parametrize("path", ["/docs", "/api/v1/mcp-definitions?no=1"])
def test_refusals_carry_the_security_headers_too(edge: int, path: str) -> None:
    headers = HTTP.get(f"http://127.0.0.1:{edge}{path}").headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]


INTERNAL = [rpc.full_name for rpc in walk.rpcs() if rpc.internal and not rpc.rule.permission]


async def test_what_is_internal_has_no_way_in(edge: int) -> None:
    refused = {}
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge}") as channel:
        for name in INTERNAL:
            service, _, method = name.rpartition(".")
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await unary(channel, f"/{service}/{method}")(b"")
            refused[name] = (error.value.code(), error.value.details())

    assert len(INTERNAL) >= 4
    assert set(refused.values()) == {
        (grpc.StatusCode.PERMISSION_DENIED, "this method is for the suite's own services")
    }
