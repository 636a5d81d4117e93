"""Contents as objects in a bucket (S3, Google Cloud Storage, Azure), through obstore.

Credentials, region and endpoint come from the provider's own variables, such as `AWS_ACCESS_KEY_ID`. An upload lies
under `incoming/` until its content is known, and is then copied to its name. Parts of uploads that were never
completed are the bucket's to remove: a lifecycle rule does.
"""

import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from chassis.errors import Unavailable
from engine.artifacts.contents import (
    CHUNK,
    MAX_BYTES,
    PlaceError,
    Stored,
    UnreachableError,
    missing,
    too_large,
)

_PART: Final = 8 * 1024 * 1024
"""How much of an upload is in memory."""
_LENGTH: Final = 64
_REFUSED: Final = (BaseError, OSError)
_RETRY: Final[Any] = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}
"""How long a bucket that does not answer is waited for: who asks is told, and asks again."""


class ObjectUpload:
    """An object that is being written."""

    def __init__(self, store: Any, path: str, limit: int) -> None:
        self.path = path
        self._store = store
        self._limit = limit
        self._digest = hashlib.sha256()
        self._size = 0
        self._writer = obstore.open_writer_async(store, path, buffer_size=_PART, max_concurrency=2)

    async def write(self, chunk: bytes) -> None:
        """Adds bytes. Raises TooLarge ARTIFACT_INVALID, Unavailable."""
        self._size += len(chunk)
        if self._size > self._limit:
            raise too_large(self._limit)
        self._digest.update(chunk)
        with _reachable():
            await self._writer.write(chunk)

    async def finish(self) -> Stored:
        """Makes the object visible under its content's name. Raises Unavailable."""
        stored = Stored(self._digest.hexdigest(), self._size)
        with _reachable():
            await self._writer.close()
            await obstore.copy_async(self._store, self.path, _path(stored.sha256))
        return stored


class Bucket:
    """Objects under one prefix of a bucket."""

    def __init__(self, url: str) -> None:
        """Raises PlaceError when the URL names no bucket."""
        try:
            self._store: Any = from_url(url, retry_config=_RETRY)
        except (BaseError, ValueError) as error:
            raise PlaceError(
                f"MCPANEL_ARTIFACTS_URL: {url!r} is no place for artifacts: {_first_line(error)}"
            ) from None

    @asynccontextmanager
    async def upload(self, limit: int = MAX_BYTES) -> AsyncIterator[ObjectUpload]:
        """A new object; gone at the end of the block unless it was finished."""
        upload = ObjectUpload(self._store, f"incoming/{uuid.uuid4().hex}", limit)
        try:
            yield upload
        finally:
            with contextlib.suppress(*_REFUSED):
                await obstore.delete_async(self._store, upload.path)

    async def read(
        self, sha256: str, offset: int = 0, length: int | None = None, size: int = CHUNK
    ) -> AsyncIterator[bytes]:
        """`length` bytes of a content from `offset` on, about `size` at a time. Raises DataLoss, Unavailable."""
        try:
            with _reachable():
                found = await obstore.head_async(self._store, _path(sha256))
                end = found["size"] if length is None else min(found["size"], offset + length)
                if offset >= end:
                    return
                answer = await obstore.get_async(self._store, _path(sha256), options={"range": (offset, end)})
        except FileNotFoundError:
            raise missing() from None
        with _reachable():
            async for part in answer.stream(min_chunk_size=size):
                view = memoryview(part)
                for start in range(0, len(view), size):
                    yield bytes(view[start : start + size])

    async def discard_broken_off(self, age: float, most: int) -> int:
        """Removes at most `most` objects of uploads that were completed and not copied, and counts them."""
        removed = 0
        async for one in self._list("incoming/", "", most):
            if _is_old(one, age):
                await self._delete(one["path"])
                removed += 1
        return removed

    async def contents(self, after: str, most: int) -> list[str]:
        """The SHA-256 of at most `most` stored contents, in order, that come after `after`."""
        found: list[str] = []
        offset = _path(after) if after else ""
        async for one in self._list("", offset, 2 * most):
            name = str(one["path"]).rpartition("/")[2]
            if len(name) == _LENGTH and len(found) < most:
                found.append(name)
        return sorted(found)

    async def discard(self, sha256: str, age: float) -> bool:
        """Removes a content that was stored more than `age` seconds ago; whether it did."""
        try:
            found = await obstore.head_async(self._store, _path(sha256))
            if not _is_old(found, age):
                return False
        except FileNotFoundError:
            return False
        except _REFUSED as error:
            raise UnreachableError(_first_line(error)) from None
        await self._delete(_path(sha256))
        return True

    async def _list(self, prefix: str, offset: str, most: int) -> AsyncIterator[Any]:
        listed = 0
        try:
            stream = obstore.list(self._store, prefix or None, offset=offset or None, chunk_size=1000)
            async for page in stream:
                for one in page:
                    yield one
                listed += len(page)
                if listed >= most:
                    return
        except _REFUSED as error:
            raise UnreachableError(_first_line(error)) from None

    async def _delete(self, path: str) -> None:
        try:
            await obstore.delete_async(self._store, path)
        except FileNotFoundError:
            pass  # another replica was first
        except _REFUSED as error:
            raise UnreachableError(_first_line(error)) from None


@contextlib.contextmanager
def _reachable() -> Any:
    """Says UNAVAILABLE where the store does not answer."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _REFUSED as error:
        raise Unavailable(
            "DEPENDENCY_UNAVAILABLE", "the store of artifacts does not answer; try again"
        ) from error


def _is_old(found: Any, age: float) -> bool:
    modified: datetime = found["last_modified"]
    return datetime.now(UTC) - modified > timedelta(seconds=age)


def _path(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def _first_line(error: Exception) -> str:
    """What went wrong, without the pages that follow."""
    return next(iter(str(error).splitlines()), type(error).__name__)
