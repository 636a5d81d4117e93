"""Brings every database to its service's newest revision, in one child process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from stack.child import base_environment, spawn
from stack.errors import StackError


def migrate(urls: Mapping[str, str]) -> None:
    """Migrate each service's database (`{"registry": "postgresql://…"}`).

    The URLs travel by standard input, because they hold passwords. Raises StackError with the child's own
    last words when a migration fails.
    """
    child = spawn(
        [sys.executable, "-m", "chassis.migrations"],
        env={**base_environment(), "MCPANEL_ENV_FILE": os.devnull},
        stdin=subprocess.PIPE,
        log=subprocess.PIPE,
    )
    output, _ = child.communicate(json.dumps(dict(urls)).encode())
    if child.returncode != 0:
        lines = output.decode(errors="replace").strip().splitlines() or ["no message"]
        raise StackError(f"the databases could not be migrated: {lines[-1]}")
