"""Writes a service's next migration: what its tables say beyond what its migrations make.

Run as `make migration SERVICE=registry MESSAGE="add icons"`. The migrations are applied to a PostgreSQL that
lives as long as this takes. Read the written file before committing it: a rename looks like a drop and an add.
"""

import sys
import tempfile
from pathlib import Path

from chassis import migrations
from stack.errors import StackError
from stack.ports import free_port
from stack.postgres import SERVICES, Postgres


def write(service: str, message: str) -> Path:
    """The path of the new revision. Raises StackError when there is no such service."""
    if service not in SERVICES or not message:
        raise StackError(f'say SERVICE=<one of {", ".join(SERVICES)}> and MESSAGE="what changes"')
    with tempfile.TemporaryDirectory(prefix="migration") as folder:
        postgres = Postgres(Path(folder), free_port(), durable=False)
        postgres.start()
        try:
            postgres.ensure()
            url = postgres.url(service)
            migrations.upgrade(url, service)
            return migrations.revision(url, service, message)
        finally:
            postgres.stop()


def main(arguments: list[str]) -> int:
    """`SERVICE MESSAGE`; the exit code."""
    service, message = (*arguments, "", "")[:2]
    try:
        sys.stdout.write(f"{write(service, message)}\n")
    except (StackError, migrations.RevisionError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
