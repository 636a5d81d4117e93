"""Fixtures for every test: the real servers, started once a session and gone with it, whatever ends it."""

import gc
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from stack.nats import Nats
from tests.support.servers import TestPostgres, start_nats, start_postgres
from tests.support.stack import Stack

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # as the worker has it, which tests start in this process
DOOMED = ("system/test_kills.py", "system/test_kills_by_type.py", "system/test_mutual_tls.py")
"""They use the stack that is broken; what else is in `system`, the one that is not."""
SLOWEST_FIRST = (
    *DOOMED,
    "system",
    "engine/test_dispatch.py",
    "engine/test_runs.py",
    "engine/test_watch.py",
    "stack/test_supervisor.py",
    "worker/test_worker.py",
    "registry",
    "audit",
    "identity",
    "datasources",
)

# A busy machine is slow; that says nothing about what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What was collected lives as long as the process: the collector of garbage never goes through it again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that the processes of `make test` end together."""
    folder = Path(__file__).parent
    ranks = {folder / name: rank for rank, name in enumerate(SLOWEST_FIRST)}
    parts = [(item, item.path, item.path.parent) for item in items]
    order = {item: ranks.get(path, ranks.get(parent, len(ranks))) for item, path, parent in parts}
    items.sort(key=order.__getitem__)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Shares the tests out by files; those that use the same stack count as one file."""
    from xdist.scheduler import (  # type: ignore[import-untyped]  # noqa: PLC0415 - `pytest` alone does without
        LoadFileScheduling,
    )

    class Sharing(LoadFileScheduling):  # type: ignore[misc]  # as untyped as its module
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            if file.endswith(DOOMED):
                return "the doomed stack"
            return "the stack" if "/system/" in file else file

    config.option.loadscopereorder = False  # the order is ours
    return Sharing(config, log)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestPostgres]:
    """The session's PostgreSQL; `postgres.create_database("x", migrate="registry")` gives a URL."""
    server = start_postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.server.stop()


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """The session's NATS: `.url`, `.stop()`, `.start()`, `.kill()`, `.wipe()`. Leave it running."""
    server = start_nats(tmp_path_factory.mktemp("nats"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The session's whole stack. Don't kill anything in it: `doomed` is for that."""
    whole = Stack(tmp_path_factory.mktemp("stack"))
    whole.start()
    yield whole
    whole.stop()
