"""Fixtures of the worker's tests: benches that run jobs in real cells, and workers as processes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.worker.support.cells import Bench, Remembering, sandbox
from tests.worker.support.engine import Engine
from worker.cells.bubblewrap import Sandbox
from worker.cells.profile import DENO

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture(scope="session")
def box() -> Sandbox:
    """The sandbox, with tight limits."""
    return sandbox()


@pytest.fixture(scope="session")
async def shared_python(box: Sandbox) -> AsyncIterator[Bench]:
    """The session's Python bench."""
    bench = Bench(box)
    yield bench
    await bench.close()


@pytest.fixture(scope="session")
async def shared_deno(box: Sandbox) -> AsyncIterator[Bench]:
    """The session's TypeScript bench."""
    bench = Bench(box, DENO)
    yield bench
    await bench.close()


@pytest.fixture
def python(shared_python: Bench) -> Bench:
    """Runs Python jobs."""
    shared_python.sink = Remembering()
    return shared_python


@pytest.fixture
def typescript(shared_deno: Bench) -> Bench:
    """Runs TypeScript jobs."""
    shared_deno.sink = Remembering()
    return shared_deno


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """The engine."""
    one = Engine()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def start(engine: Engine, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts workers of the engine, and kills them at the end."""
    started: list[asyncio.subprocess.Process] = []
    key = tmp_path / "worker.key"
    key.write_text("mcp_workerkeyworkerkey")

    async def one(**more: str) -> asyncio.subprocess.Process:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "MCPANEL_ENV_FILE": "/dev/null",
            "MCPANEL_HOME": str(tmp_path / "home"),
            "MCPANEL_KEY_FILE": str(key),
            "MCPANEL_ENGINE_ADDRESS": f"127.0.0.1:{engine.port}",
            "MCPANEL_DATASOURCES_ADDRESS": f"127.0.0.1:{engine.port}",
            "MCPANEL_WORKER_SLOTS": "2",
            "MCPANEL_LOG_FORMAT": "console",
            **more,
        }
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "worker", env=environment)
        started.append(process)
        return process

    yield one
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()
