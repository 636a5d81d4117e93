"""Requests by chance to the apps' own listener, through the edge: bytes that are HTTP, nearly so, and not at all."""

import asyncio
import contextlib
import hashlib
import random
import time
from collections import Counter
from typing import Final
from urllib.parse import urlsplit

import httpx

from tests.support.stack import NO_TLS, Stack
from tests.system.console import Console, fresh

_FAILURES: Final = frozenset({500, 503})
"""What an answer of the gateway's own never is; 503 is what the edge says of one that broke off."""
_AT_ONCE: Final = 8
_UNFINISHED_SECONDS: Final = 0.5
_HEADERS: Final = (
    *("upgrade: websocket", "connection: upgrade", "connection: close", "connection: keep-alive, te"),
    *(
        "sec-websocket-key: AAAA",
        "sec-websocket-version: 13",
        "sec-websocket-version: x",
        "range: bytes=0-1,-1",
    ),
    *("origin: http://[", "origin: null", "origin: http://evil.example.org", "sec-fetch-site: cross-site"),
    *("expect: 100-continue", "transfer-encoding: chunked", "transfer-encoding: gzip", "content-length: 5"),
    *(
        "content-length: -1",
        "content-length: 99999999999999",
        "host: \u00ff",
        "x-forwarded-host: [",
        "te: trailers",
    ),
    *("x-forwarded-proto: https", "accept-encoding: \u00e4", "if-none-match: *", "content-type: \u00fc/x; y"),
    *(
        "cookie: a",
        "cookie: =; \u00ff=1",
        'cookie: b="\\777',
        "authorization: Basic YTpi",
        "x: " + "y" * 9000,
    ),
)
_METHODS: Final = (
    "GET",
    "GET",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "G\u00c4T",
)
_RESTS: Final = (
    *(
        "",
        "/",
        "/_stcore/health",
        "/_stcore/stream",
        "/_stcore/host-config",
        "/static/x.js",
        "/_stcore/upload_file/a",
    ),
    *("/..", "/%2e%2e/x", "//evil", "/%00", "/%ff", "/?ticket=%ff%00", "/?ticket=", "/?" + "a=b&" * 2000),
    *("/[", "/\u00ff", "/;x", "/a b", "/%", "/\\..\\x", "/component/x/y.html", "/media/" + "f" * 300),
)
_BODIES: Final = (
    b"",
    b"hello",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"zz\r\n",
    b"\0" * 70_000,
    b"GET / HTTP/1.1\r\n\r\n",
)


async def start(stack: Stack) -> tuple[str, str]:
    """An app that runs: its path, and the cookie that opens it."""
    async with stack.http() as http:
        admin = Console(http)
        files = [{"path": "app.py", "content": "import streamlit as st\nst.slider('n', 1, 9)\n"}]
        config = {"files": files, "mainScriptPath": "app.py"}
        body = {
            "definition": {"name": fresh("app"), "type": "STREAMLIT_APP"},
            "initialVersion": {"version": "1.0.0", "streamlitApp": config},
        }
        made = await admin.call("POST", "/api/v1/mcp-definitions", json=body)
        where = f"/api/v1/mcp-versions/{made['initialVersion']['id']}:test"
        run = (await admin.call("POST", where, json={}))["run"]["id"]
        async for event in admin.stream(run):
            if event.name == "result_preview":
                break
        opened = await admin.call("POST", f"/api/v1/workflow-runs/{run}/steps/test:openApp", json={})
    path = urlsplit(opened["url"]).path.rstrip("/")
    origin = f"http://127.0.0.1:{stack.ports.apps}"
    async with httpx.AsyncClient(base_url=origin, trust_env=False, verify=NO_TLS) as browser:
        (await browser.get(opened["url"])).raise_for_status()
        name = f"mcpanel-app-{hashlib.sha256(path.removeprefix('/apps/').encode()).hexdigest()[:24]}"
        return path, f"{name}={browser.cookies[name]}"


async def run(
    stack: Stack, app: tuple[str, str], seed: int, seconds: float, hang: float
) -> tuple[Counter[int], list[str]]:
    """Asks for so long: how often there was which status (0: none), and what was found."""
    storm = _Storm(stack.ports.apps, app, seed, hang)
    end = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(storm.run(end))
    return storm.statuses, [*storm.found.values()][:20]


class _Storm:
    """Asks one app."""

    def __init__(self, port: int, app: tuple[str, str], seed: int, hang: float) -> None:
        self._port = port
        self._app = app
        self._hang = hang
        self._chance = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self.statuses: Counter[int] = Counter()
        self.found: dict[tuple[str, int], str] = {}

    async def run(self, end: float) -> None:
        """Asks until then; after every twenty requests the app has to answer as it does."""
        path, cookie = self._app
        sound = (
            f"GET {path}/_stcore/health HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\ncookie: {cookie}\r\n\r\n"
        )
        while time.monotonic() < end:
            for _ in range(20):
                request = _request(self._chance, f"127.0.0.1:{self._port}", path, cookie)
                await self._ask(request, _UNFINISHED_SECONDS)
            if (status := await self._ask(sound.encode(), self._hang)) != 200:
                self.found["", status] = f"apps: the app answered {status} after the requests by chance"

    async def _ask(self, request: bytes, seconds: float) -> int:
        """The status of the answer; 0 when there is none, which is all that an unfinished request gets."""
        status = 0
        writer = None
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(request)
                line = await reader.readline()
                status = int(line.split()[1]) if line.startswith(b"HTTP/") else 0
        if writer is not None:
            writer.close()
        self.statuses[status] += 1
        if status in _FAILURES:
            line = request.partition(b"\r\n")[0]
            self.found[line.decode("latin-1")[:200], status] = f"apps: {status} to {request[:1500]!r}"
        return status


def _request(chance: random.Random, host: str, path: str, cookie: str) -> bytes:
    run_id = path.split("/")[2]
    where = chance.choice(
        (path, path, path, path, "/apps", f"/apps/{run_id}", f"/apps/{run_id}/{'~' * 900}", "")
    )
    head = [
        f"{chance.choice(_METHODS)} {where}{chance.choice(_RESTS)} HTTP/{chance.choice(('1.1', '1.1', '1.0', '3'))}"
    ]
    head += [f"host: {host}"] * chance.choice((1, 1, 1, 1, 1, 0, 2))
    head += [f"cookie: {cookie}"] * chance.choice((1, 1, 1, 0))
    head += chance.sample(_HEADERS, chance.choice((0, 1, 2, 5)))
    content = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + chance.choice(_BODIES)
    if chance.random() < 0.1:
        at = chance.randrange(len(content))
        content = content[:at] + chance.randbytes(3) + content[at:]
    return content
