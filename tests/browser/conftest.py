"""A real Chromium before the real suite. `make browser` fetches it, pinned by `deno.lock`, and runs these tests."""

import os
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.stack import Stack

FOLDER = Path(__file__).parent
TOOLS = FOLDER.parents[1] / ".tools"
PASSWORD = "a long enough password"
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_FETCH_SECONDS = 600


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser. Fails, and is not passed over, where it cannot be fetched."""
    deno = Path(sysconfig.get_path("scripts")) / "deno"
    unpacked = TOOLS / "chromium"
    unpacked.mkdir(parents=True, exist_ok=True)
    environ = {**os.environ, "DENO_DIR": str(TOOLS / "deno"), "NO_COLOR": "1", "TMPDIR": str(unpacked)}
    options = ["run", "--quiet", "--allow-all", f"--lock={FOLDER / 'deno.lock'}", "--frozen"]
    done = subprocess.run(
        [deno, *options, FOLDER / "chromium.ts"],
        cwd=FOLDER,
        env=environ,
        check=True,
        capture_output=True,
        timeout=_FETCH_SECONDS,
    )
    path = done.stdout.decode().strip()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@dataclass
class Person:
    """Somebody who is registered, and what identity gave them."""

    email: str
    token: str


@pytest.fixture(scope="session")
def person(stack: Stack) -> Person:
    """An editor."""
    who = {"email": "ada@example.com", "password": PASSWORD}
    with httpx.Client(base_url=stack.base_url, trust_env=False, timeout=30) as http:
        admin = {"authorization": f"Bearer {stack.admin_key}"}
        made = http.post("/auth/register", json=who | {"roleName": "Editor"}, headers=admin)
        made.raise_for_status()
        token = http.post("/auth/login", json=who).raise_for_status().json()["access_token"]
    return Person(who["email"], token)


@dataclass
class Tab:
    """A page at the suite's own address, in a browser that nobody used before."""

    context: BrowserContext
    page: Page
    person: Person

    def fetch(self, method: str, path: str, body: Any = None, **headers: str) -> int:
        """The status that a script of the page gets."""
        status: int = self.page.evaluate(
            """async ([method, path, body, headers]) => (await fetch(path, {
                method, headers: {"content-type": "application/json", ...headers},
                body: body === null ? undefined : JSON.stringify(body),
            })).status""",
            [method, path, body, headers],
        )
        return status

    def log_in(self) -> None:
        """Logs the person in, as a page of ours does."""
        body = {"email": self.person.email, "password": PASSWORD}
        assert self.fetch("POST", "/auth/session", body) == 200

    def cookie(self) -> dict[str, Any]:
        """The session's cookie, as the browser keeps it."""
        [found] = [dict(one) for one in self.context.cookies() if one["name"] == "__Host-mcpanel"]
        return found

    def stream(self, path: str) -> str:
        """What an EventSource comes to: `live`, `closed` when it gives up, or `silent`."""
        found: str = self.page.evaluate(
            """(path) => new Promise((resolve) => {
                const source = new EventSource(path);
                source.addEventListener("live", () => { source.close(); resolve("live"); });
                setTimeout(() => { source.close(); resolve("silent"); }, 20000);
                source.onerror = () => { if (source.readyState === 2) resolve("closed"); };
            })""",
            path,
        )
        return found


@pytest.fixture
def tab(chromium: Browser, stack: Stack, person: Person) -> Iterator[Tab]:
    """A tab at the suite's own address."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{stack.base_url}/docs")
    yield Tab(context, page, person)
    context.close()


@pytest.fixture(scope="session")
def elsewhere() -> Iterator[str]:
    """The address of another site's page, on another port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title><body></body>")

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()
