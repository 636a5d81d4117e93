"""Brings every database to its service's newest revision, in one child process."""

import json
import subprocess
import sys
from collections.abc import Mapping

from stack.child import base_environment
from stack.errors import StackError


def migrate(urls: Mapping[str, str]) -> None:
    """Migrate each service's database (`{"registry": "postgresql://…"}`).

    The URLs travel by standard input, because they hold passwords. Raises StackError with the child's own
    last words when a migration fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "chassis.migrations"],
        input=json.dumps(dict(urls)).encode(),
        env=base_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines() or ["no message"]
        raise StackError(f"the databases could not be migrated: {lines[-1]}")
