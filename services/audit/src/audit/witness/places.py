"""What a witness is, and how its address is read."""

import re
import tempfile
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:")
_CREDENTIALS: Final = re.compile(r"://[^/@\s]*@")


class PlaceInvalid(ValueError):
    """The text names no place; the message says why, without a password that may be in it."""


class PlaceUnreachable(Exception):
    """The place does not answer, or refuses."""


class Place(Protocol):
    """Somewhere checkpoints are kept. Its methods raise PlaceUnreachable."""

    @property
    def name(self) -> str:
        """What people call it, without credentials."""
        ...

    async def newest(self) -> str | None:
        """The note of the largest tree that is kept there."""
        ...

    async def keep(self, tree_size: int, note: str) -> str:
        """Keeps a note; returns the one that is there afterwards, an earlier one of the same size if there was one."""
        ...


def addresses(text: str) -> list[str]:
    """The places of a setting, which are divided by commas."""
    return [part for one in text.split(",") if (part := one.strip())]


def folder(text: str) -> Path:
    """The folder at a path, made if there is none. Raises OSError, and ValueError for what is no path."""
    if _SCHEME.match(text):
        raise ValueError("an address needs two slashes behind its colon, as in s3://bucket")
    path = Path(text).expanduser().resolve()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=path).close()  # whether it can be written
    return path


def shown(url: str) -> str:
    """The place's address without user, password and query."""
    parts = urlsplit(url)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return bare.geturl() if "://" in url else url


def first_line(error: BaseException) -> str:
    """What went wrong, for people, without credentials of an address."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return _CREDENTIALS.sub("://", line)[:300]
