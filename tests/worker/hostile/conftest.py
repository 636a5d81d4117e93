"""A bench for every kind of component, and what lies outside of its cells."""

import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.worker.hostile.kinds import Kind
from tests.worker.support.cells import Bench, Remembering, sandbox
from worker.cells.profile import Environment
from worker.toolboxes import Toolboxes, beside_packages

Open = Callable[[Kind], Awaitable[Bench]]


@pytest.fixture(scope="session")
async def benches() -> AsyncIterator[Open]:
    """`await benches(kind)`: the session's bench of a kind, its sink new."""
    store = Toolboxes(beside_packages())
    opened: dict[str, Bench] = {}

    async def one(kind: Kind) -> Bench:
        if kind.name not in opened:
            toolbox = await store.get(kind.toolbox, lambda _: None) if kind.toolbox else Environment()
            opened[kind.name] = Bench(sandbox(kind.limits), replace(kind.profile, toolbox=toolbox))
        opened[kind.name].sink = Remembering()
        return opened[kind.name]

    yield one
    for bench in opened.values():
        await bench.close()


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What is outside of a cell: a server, sockets, files with secrets, and this process."""
    folder = tmp_path_factory.mktemp("outside")
    for name in ("secret", "worker.key"):
        (folder / name).write_text("mcp_canary")
    abstract = f"\0mcpanel-{secrets.token_hex(8)}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as hidden:
        hidden.bind(abstract)
        hidden.listen()
        yield {
            "port": server.getsockname()[1],
            "sockets": ["/run/mcpanel.sock", abstract],
            "secret": str(folder / "secret"),
            "keys": [str(folder / "worker.key"), "/etc/shadow", str(Path.home() / ".ssh" / "id_rsa")],
            "outside": [str(folder / "x"), str(Path.home() / "x"), str(Path(__file__).parent / "x")],
            "refusals": ["EACCES", "EROFS", "EPERM", "ENOENT", "EISDIR", "ENOTDIR", "EINVAL"],
            "argument": "pytest",
            "pid": os.getpid(),
        }
