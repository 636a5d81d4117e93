"""Apps on the whole suite: opened at their own origin, used over a websocket, stopped with their run."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from tests.support.stack import NO_TLS, Stack
from tests.system.console import Console, fresh

CODE = """
import streamlit as st
number = st.slider("Number", 1, 10, 3)
st.write(f"its square is {number * number}")
print("a visitor was here", flush=True)
"""
RERUN = bytes([0x82, 0x82, 0, 0, 0, 0, 0x5A, 0x00])
"""A websocket frame: what the page sends when it is opened."""


@dataclass
class App:
    """An app that runs, and a browser of its own."""

    run_id: str
    path: str
    browser: httpx.AsyncClient

    async def opened(self, by: Console) -> str:
        """An address with a ticket."""
        answer = await by.call("POST", f"/api/v1/workflow-runs/{self.run_id}/steps/show:openApp", json={})
        return str(answer["url"])

    async def enter(self, by: Console) -> None:
        """Lets the browser in."""
        assert (await self.browser.get(await self.opened(by))).status_code == 200


async def _path(console: Console, run_id: str) -> str:
    """Where the run's app is, once it answers."""
    async for event in console.stream(run_id):
        if event.name == "result_preview":
            return str(event.data["value"]["url"])
    raise AssertionError("the run has ended")


@pytest.fixture(scope="module")
async def app(stack: Stack) -> AsyncIterator[App]:
    """One that everybody may see, for the module."""
    async with stack.http() as http:
        admin = Console(http)
        name = fresh("app")
        config = {"files": [{"path": "app.py", "content": CODE}], "mainScriptPath": "app.py"}
        definition = {"name": name, "type": "STREAMLIT_APP", "visibility": "PUBLIC"}
        version = {"version": "1.0.0", "streamlitApp": config}
        body = {"definition": definition, "initialVersion": version}
        await admin.call("POST", "/api/v1/mcp-definitions", json=body)
        source = f"name: NAME\nvisibility: PUBLIC\nsteps:\n  - {{id: show, component: {name}@1}}\n"
        flow = await admin.workflow(source)
        run_id = await admin.start(flow["name"])
        async with asyncio.timeout(60):
            path = await _path(admin, run_id)
        origin = f"http://127.0.0.1:{stack.ports.apps}"
        async with httpx.AsyncClient(base_url=origin, trust_env=False, verify=NO_TLS) as browser:
            yield App(run_id, path, browser)
        await admin.call("POST", f"/api/v1/workflow-runs/{run_id}:cancel", json={})


async def test_an_app_is_opened_with_a_ticket_and_used_with_its_cookie(app: App, viewer: Console) -> None:
    stranger = await app.browser.get(app.path)

    await app.enter(viewer)
    page = await app.browser.get(app.path)
    health = await app.browser.get(f"{app.path}_stcore/health")

    assert stranger.status_code == 401
    assert page.status_code == 200
    assert "Streamlit" in page.text
    assert app.path in page.headers["content-security-policy"]
    assert health.text == "ok"


async def test_a_ticket_lets_one_browser_in(app: App, viewer: Console) -> None:
    address = await app.opened(viewer)

    first, second = [await app.browser.get(address) for _ in range(2)]

    assert (first.status_code, second.status_code) == (200, 401)


async def words(console: Console, run: str) -> list[str]:
    """What the run has said up to now."""
    said = await console.call("GET", f"/api/v1/workflow-runs/{run}/logs")
    return [line["message"] for line in said["lines"]]


async def test_the_app_runs_at_its_visitors_websocket_and_its_words_are_the_runs(
    app: App, stack: Stack, viewer: Console
) -> None:
    await app.enter(viewer)
    cookie = "; ".join(f"{name}={value}" for name, value in app.browser.cookies.items())
    key = base64.b64encode(os.urandom(16)).decode()
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.ports.apps)
    writer.write(
        f"GET {app.path}_stcore/stream HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\nupgrade: websocket\r\n"
        f"connection: Upgrade\r\nsec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n".encode()
    )
    switched = await reader.readuntil(b"\r\n\r\n")
    writer.write(RERUN)
    received = b""
    async with asyncio.timeout(30):
        while b"its square is 9" not in received:
            received += await reader.read(65536)
    writer.close()

    assert b" 101 " in switched.splitlines()[0]
    async with asyncio.timeout(30):
        while "a visitor was here" not in await words(viewer, app.run_id):
            await asyncio.sleep(0.05)


async def test_the_consoles_cookie_reaches_no_app_and_an_apps_no_console(
    app: App, stack: Stack, viewer: Console
) -> None:
    await app.enter(viewer)
    app.browser.cookies.set("__Host-mcpanel", "mine")

    page = await app.browser.get(app.path)

    (name,) = [name for name in app.browser.cookies if name.startswith("mcpanel-app-")]
    shown = {"cookie": f"{name}={app.browser.cookies[name]}"}
    async with stack.http(key="") as http:
        answer = await http.get("/api/v1/workflow-runs", headers=shown)
    assert page.status_code == 200
    assert answer.status_code == 401


async def test_an_app_ends_with_its_run(stack: Stack, admin: Console, app: App) -> None:
    again = await admin.start((await admin.run(app.run_id))["workflowName"])
    async with asyncio.timeout(60):
        path = await _path(admin, again)
    other = App(again, path, app.browser)
    await other.enter(admin)

    await admin.call("POST", f"/api/v1/workflow-runs/{again}:cancel", json={})
    ended = await admin.finish(again)

    assert ended["status"] == "ABORTED"
    assert (await app.browser.get(other.path)).status_code == 400
