"""Benches that run the worker's programs in real cells with their toolboxes."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.worker.support.cells import LIMITS, Bench, Remembering, sandbox
from worker.cells.limits import MIB, Limits
from worker.cells.profile import Profile
from worker.toolboxes import Toolboxes, beside_packages

Open = Callable[..., Awaitable[Bench]]
ROOMY = Limits(
    memory=512 * MIB,
    scratch=LIMITS.scratch,
    file_size=LIMITS.file_size,
    processes=64,
    log_bytes=LIMITS.log_bytes,
)


@pytest.fixture(scope="session")
async def benches() -> AsyncIterator[Open]:
    """`await benches("notebook", toolbox="notebook")`: the session's bench of a program, its sink new."""
    box = sandbox(ROOMY)
    store = Toolboxes(beside_packages())
    opened: dict[Profile, Bench] = {}

    async def one(program: str, *, toolbox: str = "", listens: bool = False, reserves: bool = False) -> Bench:
        packages = await store.get(toolbox, lambda _: None)
        profile = Profile(program=program, toolbox=packages, listens=listens, reserves=reserves)
        bench = opened.setdefault(profile, Bench(box, profile))
        bench.sink = Remembering()
        return bench

    yield one
    for bench in opened.values():
        await bench.close()
