"""Files that hold a secret: mode 0600, written whole or not at all."""

import os
import secrets
from pathlib import Path


def read(path: Path) -> str | None:
    """The file's text without surrounding space; None when there is no file."""
    try:
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return None


def write(path: Path, content: str) -> None:
    """Writes the file with mode 0600, on disk when this returns; whoever reads sees all of it or the one before."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
