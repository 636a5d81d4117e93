"""Edges of the tests' own, behind which nothing runs or a stand-in for the gateway's content."""

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from stack.ports import Ports
from tests.stack.edge.asking import CONSOLE, HTTP, Content, running

TIGHT = {
    "MCPANEL_ALLOWED_HOSTS": "localhost,*.example.org",
    "MCPANEL_CORS_ORIGINS": CONSOLE,
    "MCPANEL_CREDENTIAL_RATE": "1",
    "MCPANEL_CLIENT_RATE": "1000",
    "MCPANEL_SIGN_IN_RATE": "3",
}


@pytest.fixture(scope="session", autouse=True)
def _closed() -> Iterator[None]:
    yield
    HTTP.close()


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an edge without services."""
    with running(tmp_path_factory.mktemp("edge"), {}) as port:
        yield port


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an edge that lets little through; where its gateway would be, all is well."""
    ports = Ports.free()
    with ThreadingHTTPServer(("127.0.0.1", ports.gateway_http), Content) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with running(tmp_path_factory.mktemp("tight"), TIGHT, ports) as port:
            yield port
        server.shutdown()
