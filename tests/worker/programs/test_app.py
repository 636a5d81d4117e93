"""A Streamlit app runs in a cell, is reached from outside, and is stopped when nobody visits it."""

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.worker.support.cells import Remembering, gone, job, processes_below, sandbox
from worker import apps
from worker.apps import App
from worker.cells.attempt import Outcome
from worker.cells.cell import Cell
from worker.cells.limits import Limits
from worker.cells.profile import Environment, Profile
from worker.toolboxes import Toolboxes, beside_packages

PATH = "/apps/r1/s1/"
CODE = """
import json
import mcpanel_step as step
import streamlit as st

inputs = json.load(open("../inputs.json"))
rows = step.datasource("sample").query("SELECT 1")
print("a visitor of", inputs["name"], "sees", len(rows), "rows")
st.title(f"{inputs['name']} has {len(rows)}")
"""


@pytest.fixture(scope="module")
async def toolbox() -> Environment:
    """What apps find in their cells."""
    return await Toolboxes(beside_packages()).get("app", lambda _: None)


class Running:
    """An app that runs in a cell."""

    def __init__(self, cell: Cell, idle_seconds: float, code: str) -> None:
        self.cell = cell
        self.sink = Remembering(rows=[[1, "a"], [2, "b"]])
        self.app = App(cell, PATH, idle_seconds, self.sink)
        config = {
            "main": "app.py",
            "files": [{"path": "app.py", "content": code}],
            "repository": "",
            "ref": "",
        }
        self.task: asyncio.Task[Outcome] = asyncio.create_task(
            self.app.run(job("", {"name": "Ada"}, timeout=60, config=config))
        )

    async def is_up(self) -> None:
        async with asyncio.timeout(30):
            while not self.sink.previews and not self.task.done():
                await asyncio.sleep(0.02)

    async def ask(self, path: str, **headers: str) -> tuple[bytes, asyncio.StreamReader]:
        """The answer's head, and what follows."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"host": "x", **headers}.items())
        async with self.app.connection() as (reader, writer):
            writer.write(f"GET {PATH}{path} HTTP/1.1\r\n{lines}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            return head, reader


@pytest.fixture
async def start(toolbox: Environment) -> AsyncIterator[Any]:
    """`await start(idle_seconds)` starts an app in a new cell."""
    cells: list[Cell] = []

    async def one(idle_seconds: float, code: str = CODE) -> Running:
        cell = await Cell.start(sandbox(Limits()), Profile(toolbox=toolbox, program="app", listens=True))
        cells.append(cell)
        return Running(cell, idle_seconds, code)

    yield one
    for cell in cells:
        await cell.close()


async def test_an_app_serves_pages_and_websockets_until_it_is_idle(start: Any) -> None:
    running = await start(0.6)
    await running.is_up()
    below = processes_below(running.cell.pid)
    page, _ = await running.ask("")
    async with running.app.connection() as (reader, writer):
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {PATH}_stcore/stream HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            f"sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n".encode()
        )
        switched = await reader.readuntil(b"\r\n\r\n")
        # rerun_script, as the page asks for when it is opened (proto/BackMsg.proto: field 11), masked with zeros
        writer.write(bytes([0x82, 0x82, 0, 0, 0, 0, 0x5A, 0x00]))
        async with asyncio.timeout(20):
            while "a visitor of Ada sees 2 rows" not in running.sink.text():
                await reader.read(65536)
    outcome = await asyncio.wait_for(running.task, 20)

    assert b" 200 " in page.splitlines()[0]
    assert b" 101 " in switched.splitlines()[0]
    assert running.sink.previews == [{"url": PATH, "state": "RUNNING"}, {"url": PATH, "state": "IDLE"}]
    assert outcome.failure is None
    assert outcome.output_json == b'{"connections": 2, "state": "IDLE", "url": "/apps/r1/s1/"}'
    assert await gone(below)


async def test_an_app_that_is_cancelled_leaves_nothing(start: Any) -> None:
    running = await start(60)
    await running.is_up()
    below = processes_below(running.cell.pid)

    running.cell.cancel()
    outcome = await running.task

    assert outcome.failure is not None
    assert outcome.failure.kind == "CANCELLED"
    assert await gone(below)


async def test_an_app_that_ends_itself_fails_clearly(start: Any) -> None:
    running = await start(60, "import os\nos._exit(3)")
    await running.is_up()
    async with running.app.connection() as (reader, writer):
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET {PATH}_stcore/stream HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            f"sec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(bytes([0x82, 0x82, 0, 0, 0, 0, 0x5A, 0x00]))
        outcome = await asyncio.wait_for(running.task, 20)

    assert outcome.failure is not None
    assert outcome.failure.kind == "USER_ERROR"
    assert "status 3" in outcome.failure.message


async def test_an_app_that_stops_answering_is_stopped(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "_LOOK_EVERY", 0.05)
    monkeypatch.setattr(apps, "_PATIENCE", 0.3)
    running = await start(60)
    await running.is_up()

    for pid in processes_below(running.cell.pid) - {running.cell._init_pid}:
        os.kill(pid, signal.SIGSTOP)
    outcome = await asyncio.wait_for(running.task, 20)

    assert outcome.failure is not None
    assert (outcome.failure.kind, "stopped answering" in outcome.failure.message) == ("USER_ERROR", True)


async def test_without_cells_there_are_no_apps() -> None:
    cell = await Cell.start(sandbox(Limits(), level="limits"), Profile(listens=True))

    outcome = await App(cell, PATH, 60, Remembering()).run(job(""))
    await cell.close()

    assert outcome.failure is not None
    assert "MCPANEL_ISOLATION=limits" in outcome.failure.message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"main": "other.py"}, "'other.py' is not among the app's files"),
        ({"files": [{"path": "../x.py", "content": ""}]}, "outside of the app's folder"),
    ],
)
async def test_what_cannot_be_laid_out_is_named(start: Any, config: dict[str, Any], message: str) -> None:
    running = await start(60)
    running.task.cancel()
    await asyncio.gather(running.task, return_exceptions=True)
    cell = await Cell.start(running.cell._sandbox, running.cell.profile)
    whole = {"main": "app.py", "path": PATH, "files": [], "repository": "", "ref": "", **config}

    outcome = await cell.run(job("", config=whole), Remembering())
    await cell.close()

    assert outcome.failure is not None
    assert outcome.failure.kind == "INVALID_INPUT"
    assert message in outcome.failure.message


async def test_an_app_takes_only_so_many_connections(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "MOST", 0)
    running = await start(60)

    with pytest.raises(ConnectionRefusedError, match="as many as it may have"):
        async with running.app.connection():
            pass
    running.task.cancel()
