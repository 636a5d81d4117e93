"""Programs beside an example: they listen while it runs, and are gone afterwards."""

import socket
from pathlib import Path

import pytest

from stack.errors import StackError
from stack.examples import Example
from stack.home import Home
from stack.serving import serving

SERVER = """
import socket, sys
host, _, port = sys.argv[1].rpartition(":")
server = socket.create_server((host, int(port)))
while True:
    connection, _ = server.accept()
    connection.sendall(b"hello")
    connection.close()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with its folders."""
    one = Home(tmp_path / "home")
    one.logs.mkdir(parents=True)
    return one


def example(folder: Path, code: str, listens: str) -> Example:
    """An example with one program."""
    (folder / "server.py").write_text(code)
    return Example("mine", folder, "", serve=[{"file": "server.py", "listens": listens}])


def free() -> str:
    """An address that nobody uses."""
    with socket.create_server(("127.77.0.1", 0)) as one:
        return f"127.77.0.1:{one.getsockname()[1]}"


def heard(address: str) -> bytes:
    """What is heard there; nothing where nobody listens."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            return connection.recv(100)
    except ConnectionRefusedError:
        return b""


def test_a_program_listens_while_the_example_runs_and_no_longer(tmp_path: Path, home: Home) -> None:
    address = free()

    with serving(example(tmp_path, SERVER, address), home):
        during = heard(address)

    assert (during, heard(address)) == (b"hello", b"")


def test_a_program_is_stopped_when_the_example_fails(tmp_path: Path, home: Home) -> None:
    address = free()

    with pytest.raises(ValueError, match="it broke"), serving(example(tmp_path, SERVER, address), home):
        raise ValueError("it broke")

    assert heard(address) == b""


def test_a_program_that_ends_without_listening_says_where_to_look(tmp_path: Path, home: Home) -> None:
    broken = example(tmp_path, "raise SystemExit('no model here')", free())

    with (
        pytest.raises(StackError, match=r"does not listen; see .*example-mine-server.log"),
        serving(broken, home),
    ):
        pass

    assert "no model here" in (home.logs / "example-mine-server.log").read_text()


@pytest.mark.parametrize(
    "listens", ["127.0.0.1:7710", "0.0.0.0:7710", "127.77.0.1", "127.77.0.1:0", "localhost:1"]
)
def test_a_program_listens_only_where_components_may_reach_it(
    tmp_path: Path, home: Home, listens: str
) -> None:
    with (
        pytest.raises(StackError, match="no address for an example's server"),
        serving(example(tmp_path, SERVER, listens), home),
    ):
        pass
