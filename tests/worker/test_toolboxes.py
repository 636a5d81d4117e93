"""What the worker's programs find in their cells."""

import asyncio
from pathlib import Path

import pytest

from tests.worker.support.cells import Bench, Remembering, job
from worker import toolboxes
from worker.cells.bubblewrap import Sandbox
from worker.cells.profile import BARE, Environment, Profile
from worker.toolboxes import Toolboxes

CONTENTS = {"words": ("jinja2",), "missing": ("no-such-distribution",)}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolboxes:
    """Toolboxes of their own, with small contents."""
    monkeypatch.setattr(toolboxes, "CONTENTS", CONTENTS)
    tmp_path.chmod(0o755)
    return Toolboxes(tmp_path / "toolboxes")


async def test_a_cell_sees_a_toolboxs_packages_and_what_they_need_and_no_others(
    store: Toolboxes, box: Sandbox
) -> None:
    toolbox = await store.get("words", lambda _: None)

    bench = Bench(box, Profile(environment=toolbox))
    code = (
        "import importlib.util, jinja2, markupsafe\n"
        "def main():\n"
        "    return [jinja2.Template('{{ 1 + 1 }}').render(), importlib.util.find_spec('grpc')]"
    )
    output = await bench.output(code)
    await bench.close()

    assert output == ["2", None]


async def test_a_toolbox_is_made_once_and_its_author_is_told_when(store: Toolboxes) -> None:
    said: list[str] = []

    both = await asyncio.gather(store.get("words", said.append), store.get("words", said.append))
    again = await store.get("words", said.append)

    assert set(both) == {again}
    assert len(said) == 1


async def test_without_a_name_there_is_no_toolbox(store: Toolboxes) -> None:
    assert await store.get("", lambda _: None) == BARE


async def test_a_distribution_that_is_not_installed_is_named(store: Toolboxes) -> None:
    with pytest.raises(toolboxes.ToolboxError, match="no-such-distribution"):
        await store.get("missing", lambda _: None)


@pytest.mark.parametrize("name", toolboxes.CONTENTS)
def test_every_toolbox_can_be_named_here(name: str) -> None:
    assert Toolboxes(Path("/nowhere")).find(name) is None  # every distribution of it is installed


async def test_the_worker_reaches_what_a_cell_listens_on(box: Sandbox) -> None:
    bench = Bench(box, Profile(environment=Environment(), listens=True))
    cell = await bench.ready()
    code = (
        "import socket\n"
        "def main():\n"
        "    server = socket.create_server(('127.0.0.1', 8501))\n"
        "    print('listening', flush=True)\n"
        "    connection, _ = server.accept()\n"
        "    text = connection.recv(100).decode()\n"
        "    connection.sendall(text.upper().encode())\n"
        "    return text"
    )
    sink = Remembering()
    with pytest.raises(ConnectionRefusedError):
        await cell.connect(8501)

    running = asyncio.create_task(cell.run(job(code), sink))
    async with asyncio.timeout(10):
        while "listening" not in sink.text():
            await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    connection = await cell.connect(8501)
    await loop.sock_sendall(connection, b"hello")
    answer = await loop.sock_recv(connection, 100)
    outcome = await running
    connection.close()
    await bench.close()

    assert answer == b"HELLO"
    assert outcome.output_json == b'"hello"'


async def test_a_cell_that_does_not_listen_takes_no_connections(python: Bench) -> None:
    cell = await python.ready()

    with pytest.raises(ConnectionRefusedError, match="takes no connections"):
        await cell.connect(8501)
