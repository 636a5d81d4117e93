"""Generated passwords, each in a file that only its owner can read."""

import os
import secrets
from pathlib import Path


def password(path: Path) -> str:
    """The password kept in `path`; made on first use, mode 0600, 256 bits, safe in a URL."""
    if path.exists():
        return path.read_text().strip()
    value = secrets.token_urlsafe(32)
    write_private(path, value + "\n")
    return value


def write_private(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file of mode 0600 in one step: readers see the old content or the new, never a part.

    `durable` makes it survive a power cut.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
