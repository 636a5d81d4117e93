"""Fixtures for every test: the real servers, started once a session and gone with it, whatever ends it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stack.nats import Nats
from tests.support.servers import TestPostgres, start_nats, start_postgres
from tests.support.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Shares the tests out to the processes of `make test`: a file stays together, and all that use the session's
    stack do; the longest come first."""
    for item in items:
        system = "stack" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("stack" if system else str(item.path)))
    items.sort(key=lambda item: "system" not in item.path.parts)


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
    """The session's whole stack. Don't kill anything in it: `make_stack` is for that."""
    whole = Stack(tmp_path_factory.mktemp("stack"))
    whole.start()
    yield whole
    whole.stop()


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Makes and starts stacks of the test's own: `make_stack(MCPANEL_ENGINE__LEASE="5s")`."""
    made: list[Stack] = []

    def make(**settings: str) -> Stack:
        one = Stack(tmp_path / f"stack{len(made)}", **settings)
        made.append(one)
        one.start()
        return one

    yield make
    for one in made:
        one.stop()
