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
        ("GET /api/v1/mcp-definitions/a%00b", "host: x", (400, 3), "the path cannot be read"),
        ("GET /api/v1/..%2f..%2fetc", "host: x", (400, 3), "encoded slash, backslash or NUL (%2F, %5C, %00)"),
        ("GET /api/v1/mcp-definitions/a%5Cb", "host: x", (400, 3), "the path cannot be read"),
        ("GET /docs", "user-agent: x", (400, 3), "the request has no Host header"),
        ("OPTIONS *", "host: x", (404, 5), "paths begin with a slash"),
        (
            "GET /docs",
            "host: x\r\nbad_header: x",
            (400, 3),
            "not well-formed HTTP (http1.unexpected_underscore)",
        ),
        ("GET /docs", "host: x\r\ntransfer-encoding: x", (501, 12), "does not know this transfer coding"),
        ("GET /docs", f"host: x\r\nx: {'x' * 80_000}", (431, 3), "the request's headers are too large"),
        ("GET /docs", "host: x", (503, 14), "the service behind this path does not answer"),
        ("GET /api/v1/mcp-definitions?x=1", "host: x", (400, 3), 'Could not find field "x"'),
    ],
)
def test_a_refusal_of_the_edge_is_an_error_with_a_sentence(
    edge: int, request_line: str, headers: str, expected: tuple[int, int], words: str
) -> None:
    status, body = _ask(edge, f"{request_line} HTTP/1.1\r\n{headers}\r\n\r\n")

    error = json.loads(body)
    assert (status, error["code"]) == expected
    assert error["details"] == []
    assert words in error["message"]


def _ask(port: int, request: str) -> tuple[int, str]:
    """The status and the body of the answer to these very bytes, which no client would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request.encode())
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
