"""What a store of contents does, whatever it is made of."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from chassis.errors import DataLoss, TooLarge

MAX_BYTES: Final = 100 * 1024 * 1024
"""The largest file that a step makes."""
CHUNK: Final = 64 * 1024
"""How much is read at a time, unless told otherwise."""


class PlaceError(Exception):
    """A setting names no place for artifacts; the message says which, and why not."""


class UnreachableError(Exception):
    """The store did not answer, or refused; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored."""

    sha256: str
    size_bytes: int


class Upload(Protocol):
    """A content that is being written. Becomes visible with `finish`, whole or not at all."""

    async def write(self, chunk: bytes) -> None:
        """Adds bytes. Raises TooLarge ARTIFACT_INVALID."""
        ...

    async def finish(self) -> Stored:
        """Makes the content durable under its name."""
        ...


class ArtifactStore(Protocol):
    """Contents by their SHA-256."""

    def upload(self, limit: int = MAX_BYTES) -> AbstractAsyncContextManager[Upload]:
        """A new content of at most `limit` bytes; gone at the end of the block unless it was finished."""
        ...

    def read(
        self, sha256: str, offset: int = 0, length: int | None = None, size: int = CHUNK
    ) -> AsyncIterator[bytes]:
        """`length` bytes of a content from `offset` on, `size` at a time. Raises DataLoss when it is not there."""
        ...

    async def discard_broken_off(self, age: float, most: int) -> int:
        """Removes at most `most` remains of uploads that broke off more than `age` seconds ago, and counts them."""
        ...

    async def contents(self, after: str, most: int) -> list[str]:
        """The SHA-256 of at most `most` stored contents, in order, that come after `after`."""
        ...

    async def discard(self, sha256: str, age: float) -> bool:
        """Removes a content that was stored more than `age` seconds ago; whether it did."""
        ...


def too_large(limit: int) -> TooLarge:
    """The refusal of a content that grows over `limit` bytes."""
    return TooLarge(
        "ARTIFACT_INVALID",
        f"an artifact holds at most {limit} bytes",
        metadata={"limit_bytes": str(limit)},
    )


def missing() -> DataLoss:
    """The refusal to read what is not there."""
    return DataLoss("UNEXPECTED", "the artifact's content is missing from the store")
