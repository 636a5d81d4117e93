"""The gateway's application over a scripted engine."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette

from chassis.client import channel
from chassis.config import Networks
from gateway.application import Parts, application
from gateway.oidc import ExternalLogin
from gateway.session import BrowserSession
from gateway.suite import Suite
from gateway.tickets import Tickets
from tests.gateway.scripted_engine import ScriptedEngine


@dataclass
class Gateway:
    """A gateway under test: its HTTP client and the engine behind it."""

    http: httpx.AsyncClient
    engine: ScriptedEngine
    draining: asyncio.Event
    app: Starlette

    async def stream(self, path: str, **headers: str) -> str:
        """The whole text of a stream."""
        answer = await self.http.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        return answer.text


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway whose streams are silent for at most 50 ms."""
    engine = ScriptedEngine()
    port = await engine.start()
    opened = channel(f"127.0.0.1:{port}", peer="engine")
    nowhere = channel("127.0.0.1:1", peer="identity")
    draining = asyncio.Event()
    parts = Parts(
        Suite({}), opened, opened, BrowserSession(nowhere, nowhere), ExternalLogin(nowhere), Tickets(nowhere)
    )
    app = application(parts, draining, keep_alive=0.05, proxies=Networks.parse("127.0.0.0/8"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as http:
        yield Gateway(http, engine, draining, app)
    await nowhere.close()
    await opened.close()
    await engine.stop()
