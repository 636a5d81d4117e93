"""Benches that run the worker's programs in real cells with their toolboxes."""

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from chassis.addresses import Guard
from tests.support.fake_models import FakeModels
from tests.worker.support.cells import LIMITS, Bench, Remembering, sandbox
from worker.cells.limits import MIB, Limits
from worker.cells.profile import Profile
from worker.network import Reach
from worker.toolboxes import Toolboxes, beside_packages

Open = Callable[..., Awaitable[Bench]]
Asking = Callable[[str], Awaitable[Bench]]
PROVIDERS = ("openai", "anthropic", "google")
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

    async def one(
        program: str,
        *,
        toolbox: str = "",
        listens: bool = False,
        reserves: bool = False,
        network: bool = False,
    ) -> Bench:
        packages = await store.get(toolbox, lambda _: None)
        profile = Profile(
            program=program, toolbox=packages, listens=listens, reserves=reserves, network=network
        )
        bench = opened.setdefault(profile, Bench(box, profile))
        bench.sink = Remembering()
        return bench

    yield one
    for bench in opened.values():
        await bench.close()


@pytest.fixture
def models() -> Iterator[FakeModels]:
    """A model server."""
    fake = FakeModels()
    yield fake
    fake.close()


@pytest.fixture
async def asking(benches: Open, models: FakeModels) -> Asking:
    """`await asking("openai")`: the bench of a provider's program, which reaches the model server and nothing else."""
    reach = Reach.of([models.address], Guard((ipaddress.ip_network("127.77.0.0/24"),)))

    async def one(provider: str) -> Bench:
        bench = await benches(f"llm.{provider}_api", toolbox="models", network=True)
        bench.reach = reach
        return bench

    return one
