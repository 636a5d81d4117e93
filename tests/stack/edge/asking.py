"""Running an edge, and asking it."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import grpc
import httpx

from stack import envoy
from stack.child import base_environment, spawn
from stack.config import EdgeConfig
from stack.ports import Ports

# A connection for each request: the edge closes one after what it refuses unread, perhaps just as the next is sent.
HTTP = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
CONSOLE = "https://console.example.org"


class Content(BaseHTTPRequestHandler):
    """Answers `/busy` as a service with too much to do does, `/apps/` with the headers it got and two cookies,
    everything else with 204.
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
        self.send_header("set-cookie", "mcpanel-app-0a=given; Path=/apps/a/")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextmanager
def running(folder: Path, settings: dict[str, str], ports: Ports | None = None) -> Iterator[int]:
    """The port of an edge with these settings, as long as the context lasts."""
    ports = ports or Ports.free()
    config = envoy.write(folder, ports, EdgeConfig.from_environment(settings))
    process = spawn(envoy.command(config), env=base_environment(), log=folder / "log")
    try:
        _wait(ports.edge, folder / "log")
        yield ports.edge
    finally:
        process.terminate()
        process.wait()


def unary(channel: grpc.aio.Channel, path: str) -> Any:
    """A method that takes and gives bytes."""
    return channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)


def ask(port: int, request: bytes) -> tuple[int, str]:
    """The status and the body of the answer to these very bytes, which no client would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        answer = connection.makefile("rb")
        status = int(answer.readline().split()[1])
        headers = dict(line.decode().strip().split(": ", 1) for line in iter(answer.readline, b"\r\n"))
        return status, answer.read(int(headers["content-length"])).decode()


def _wait(port: int, log: Path) -> None:
    """Until something listens there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())
