"""What the edge answers by itself, behind which nothing runs: every refusal says why."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import envoy
from stack.child import base_environment, spawn
from stack.ports import Ports

_MALFORMED = "REQUEST_MALFORMED"
CODES = {"PATH_NOT_FOUND": 5, "METHOD_NOT_OFFERED": 12, "DEPENDENCY_UNAVAILABLE": 14, _MALFORMED: 3}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an edge without services."""
    folder, ports = tmp_path_factory.mktemp("edge"), Ports.free()
    config = folder / "envoy.json"
    config.write_text(envoy.render(ports))
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
        ("GET /api/v1/mcp-definitions/a%00b", "host: x", (400, _MALFORMED), "the path cannot be read"),
        (
            "GET /api/v1/..%2f..%2fetc",
            "host: x",
            (400, _MALFORMED),
            "encoded slash, backslash or NUL (%2F, %5C, %00)",
        ),
        ("GET /api/v1/mcp-definitions/a%5Cb", "host: x", (400, _MALFORMED), "the path cannot be read"),
        ("GET /docs", "user-agent: x", (400, _MALFORMED), "the request has no Host header"),
        ("OPTIONS *", "host: x", (404, "PATH_NOT_FOUND"), "paths begin with a slash"),
        (
            "GET /docs",
            "host: x\r\nbad_header: x",
            (400, _MALFORMED),
            "not well-formed HTTP (http1.unexpected_underscore)",
        ),
        (
            "GET /docs",
            "host: x\r\ntransfer-encoding: x",
            (501, "METHOD_NOT_OFFERED"),
            "does not know this transfer coding",
        ),
        (
            "GET /docs",
            f"host: x\r\nx: {'x' * 80_000}",
            (431, _MALFORMED),
            "the request's headers are too large",
        ),
        (
            "GET /docs",
            "host: x",
            (503, "DEPENDENCY_UNAVAILABLE"),
            "the service behind this path does not answer",
        ),
        (
            "GET /api/v1/mcp-definitions?x=1",
            "host: x",
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
    head = f"POST /api/v1/mcp-definitions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(sent)}\r\n\r\n"

    status, body = _ask(edge, head.encode() + sent)

    error = json.loads(body)
    assert (status, error["code"]) == (400, 3)
    assert error["message"].startswith("the body is not this method's JSON: ")
    assert words in error["message"]
    assert "/docs" in error["message"]
    assert error["details"][0]["reason"] == _MALFORMED


def test_a_body_too_large_that_does_not_say_so_is_413(edge: int) -> None:
    head = b"POST /api/v1/mcp-definitions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"400000\r\n" + b"x" * 0x400000 + b"\r\n"

    status, body = _ask(edge, head + chunk + b"1\r\nx\r\n")

    error = json.loads(body)
    assert (status, error["code"]) == (413, 8)
    assert "4 MiB" in error["message"]
    assert error["details"][0]["reason"] == "MESSAGE_TOO_LARGE"
    assert error["details"][0]["metadata"] == {"limit_bytes": str(4 * 2**20)}


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
