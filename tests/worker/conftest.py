"""Fixtures of the worker's tests: benches that run jobs in real cells."""

from collections.abc import AsyncIterator

import pytest

from tests.worker.support.cells import Bench, Remembering, sandbox
from worker.cells.bubblewrap import Sandbox


@pytest.fixture(scope="session")
def box() -> Sandbox:
    """The sandbox, with tight limits."""
    return sandbox()


@pytest.fixture(scope="session")
async def shared_python(box: Sandbox) -> AsyncIterator[Bench]:
    """The session's Python bench."""
    bench = Bench("python", box)
    yield bench
    await bench.close()


@pytest.fixture(scope="session")
async def shared_deno(box: Sandbox) -> AsyncIterator[Bench]:
    """The session's TypeScript bench."""
    bench = Bench("deno", box)
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
