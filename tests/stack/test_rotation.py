"""Replacing keys; that it works is shown by `tests/system/test_docs.py`, which runs docs/keys.md."""

from pathlib import Path

import pytest

from stack import rotation
from stack.errors import StackError
from stack.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a key, and no database."""
    found = Home(tmp_path / "home")
    found.keys.mkdir(parents=True)
    (found.keys / "registry.key").write_text("mcp_known\n")
    return found


def test_a_key_that_cannot_be_replaced_stays(home: Home) -> None:
    with pytest.raises(StackError, match=r"the key was not replaced: .*MCPANEL_DATABASE_URL"):
        rotation.rotate(home, "registry")

    assert {one.name: one.read_text() for one in home.keys.iterdir()} == {"registry.key": "mcp_known\n"}


def test_a_key_that_is_not_there_is_named(home: Home) -> None:
    with pytest.raises(StackError, match=r"engine\.key is missing: `make up` makes it"):
        rotation.rotate(home, "engine")


@pytest.mark.parametrize("name", rotation.COMMANDS)
def test_what_a_command_says_when_it_fails_is_said(home: Home, name: str) -> None:
    (home.keys / "audit.signing.key").write_text("damaged")
    (home.keys / "datasources.master.key").write_text("damaged")
    (home.keys / "engine.master.key").write_text("damaged")

    with pytest.raises(StackError, match=r"the key was not replaced: ."):
        rotation.rotate(home, name)
