"""Fixtures for every test: the real servers, started once a session and gone with it, whatever ends it."""

from collections.abc import Iterator

import pytest

from stack.nats import Nats
from tests.support.servers import TestPostgres, start_nats, start_postgres


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
