"""Replacing a key while everything runs: `python -m stack rotate signing`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from stack.child import base_environment
from stack.errors import StackError
from stack.home import Home
from stack.prepare import ACCOUNTS

COMMANDS: Final = {
    "signing": ("identity", "rotate"),
    "datasources-master": ("datasources", "rotate"),
    "engine-master": ("engine", "rotate"),
    "audit-signing": ("audit", "rotate"),
}
"""The module that replaces a key, and its command. Each lets the old key go on as long as something needs it."""
NAMES: Final = (*COMMANDS, *ACCOUNTS)
"""What can be replaced: the keys of COMMANDS, and the API key of every account."""
_DATABASE_URL: Final = "MCPANEL_DATABASE_URL"


def rotate(home: Home, name: str) -> str:
    """Replace a key; what was done, for people. The stack is up. Raises StackError with what is wrong."""
    if name not in COMMANDS:
        return _renew(home, name)
    module, command = COMMANDS[name]
    file = [str(home.keys / "audit.signing.key")] if module == "audit" else []
    return _run(home, module, command, *file)


def _renew(home: Home, account: str) -> str:
    """Make an account's API key anew. The old one is revoked when the new one is in its file."""
    file = home.keys / f"{account}.key"
    if not file.exists():
        raise StackError(f"{file} is missing: `make up` makes it")
    aside = file.with_suffix(".old")
    file.replace(aside)
    try:
        done = _run(home, "identity", "bootstrap")
    except StackError:
        if not file.exists():
            aside.replace(file)
        raise
    aside.unlink()
    return done


def _run(home: Home, module: str, *arguments: str) -> str:
    environment = {
        **base_environment(),
        "MCPANEL_ENV_FILE": os.devnull,
        "MCPANEL_HOME": str(home.path),
        "MCPANEL_KEYS_DIR": str(home.keys),
    }
    if (url := _database_url(home, module)).exists():
        environment[f"{_DATABASE_URL}_FILE"] = str(url)
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise StackError(f"the key was not replaced: {lines[-1]}")
    return done.stdout.strip()


def _database_url(home: Home, module: str) -> Path:
    return home.path / "settings" / f"{module}.mcpanel_database_url"
