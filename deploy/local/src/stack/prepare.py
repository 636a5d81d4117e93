"""What a start prepares: databases at their newest revision, and the service accounts with their key files.

Both take a second or two, so a start skips them when neither the code nor the cluster has changed since.
A service checks its own revision all the same.
"""

import hashlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from stack.child import base_environment, spawn
from stack.errors import StackError
from stack.postgres import ROLES, SERVICES, Postgres, last_line

ACCOUNTS = ("admin", "worker", "gateway", *SERVICES)
_MARK = "mcpanel.prepared"  # in the cluster's own folder: another cluster is not prepared


def is_prepared(postgres: Postgres, keys: Path) -> bool:
    """Whether this cluster was prepared by this code and every key file is there."""
    mark = postgres.data / _MARK
    return (
        mark.exists()
        and mark.read_text() == fingerprint()
        and all((keys / f"{name}.key").exists() for name in ACCOUNTS)
    )


def mark_prepared(postgres: Postgres) -> None:
    """Remember that this cluster is prepared."""
    (postgres.data / _MARK).write_text(fingerprint())


def fingerprint() -> str:
    """Changes when a migration, the chassis's tables, the roles or identity's accounts change."""
    digest = hashlib.sha256(repr(ROLES).encode())
    parts = [(name, "migrations") for name in SERVICES] + [("identity", ""), ("chassis", "tables.py")]
    for package, part in parts:
        found = importlib.util.find_spec(package)
        for location in (found.submodule_search_locations or ()) if found else ():
            root = Path(location) / part
            for file in [root] if root.is_file() else sorted(root.rglob("*.py")):
                digest.update(f"{package}/{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def migrate(urls: Mapping[str, str]) -> None:
    """Migrate each service's database (`{"registry": "postgresql://…"}`) in one child process.

    The URLs travel by standard input, because they hold passwords. Raises StackError with the child's own
    last words when a migration fails.
    """
    child = spawn(
        [sys.executable, "-m", "chassis.migrations"],
        env={**base_environment(), "MCPANEL_ENV_FILE": os.devnull, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.PIPE,
        log=subprocess.PIPE,
    )
    output, _ = child.communicate(json.dumps(dict(urls)).encode())
    if child.returncode != 0:
        lines = output.decode(errors="replace").strip().splitlines() or ["no message"]
        raise StackError(f"the databases could not be migrated: {lines[-1]}")


def make_accounts(environment: Mapping[str, str], log: Path) -> None:
    """Create the service accounts, and write the key files that are missing."""
    child = spawn([sys.executable, "-m", "identity", "bootstrap"], env=environment, log=log, cwd=log.parent)
    if child.wait() != 0:
        raise StackError(f"the service accounts could not be made: {last_line(log)}")
