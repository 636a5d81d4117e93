"""A folder or a bucket as a witness: one file a checkpoint, never written twice."""

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeVar
from urllib.parse import quote

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from audit.witness.places import PlaceInvalid, PlaceUnreachable, first_line, folder, shown

T = TypeVar("T")
_NAME: Final = re.compile(r"(\d{1,19})\.note", re.ASCII)
_LARGEST: Final = 64 * 1024
_RETRY: Final[Any] = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}


class Bucket:
    """Notes as objects under `<origin>/` of a bucket or a folder."""

    def __init__(self, url: str, origin: str) -> None:
        """`url` as obstore takes it (`s3://…`, `gs://…`, `az://…`, `file:///…`), or a folder's path.

        Raises PlaceInvalid.
        """
        self.name = shown(url)
        self._folder = f"{quote(origin, safe='')}/"
        self._largest: int | None = None
        try:
            if "://" not in url:
                url = folder(url).as_uri()
            retry = {} if url.startswith("file:") else {"retry_config": _RETRY}
            self._store: Any = from_url(url, **retry)
        except (BaseError, ValueError, OSError) as error:
            raise PlaceInvalid(f"{self.name} is no place for checkpoints: {first_line(error)}") from None

    async def newest(self) -> str | None:
        """The note of the largest tree that is kept there."""
        return await _reached(self._newest)

    async def keep(self, tree_size: int, note: str) -> str:
        """Keeps a note, unless there is one of that size; returns the one that is there."""
        return await _reached(lambda: self._keep(tree_size, note))

    async def _newest(self) -> str | None:
        """Lists only what is larger than what was found before: there may be a note for each minute of years."""
        for known in dict.fromkeys((self._largest, None)):
            largest = await self._largest_after(known)
            if largest is None:
                return None
            with suppress(FileNotFoundError):  # the one that was known is gone
                note = await self._read(largest)
                self._largest = largest
                return note
        return None

    async def _largest_after(self, known: int | None) -> int | None:
        largest = known
        offset = self._path(known) if known is not None else None
        async for chunk in obstore.list(self._store, self._folder, offset=offset):
            for one in chunk:
                if match := _NAME.fullmatch(str(one["path"]).rpartition("/")[2]):
                    largest = max(largest or 0, int(match[1]))
        return largest

    async def _keep(self, tree_size: int, note: str) -> str:
        try:
            await obstore.put_async(self._store, self._path(tree_size), note.encode(), mode="create")
        except AlreadyExistsError:
            return await self._read(tree_size)
        return note

    async def _read(self, tree_size: int) -> str:
        answer = await obstore.get_async(self._store, self._path(tree_size))
        return bytes(await answer.bytes_async())[:_LARGEST].decode(errors="replace")

    def _path(self, tree_size: int) -> str:
        return f"{self._folder}{tree_size:012d}.note"


async def _reached(question: Callable[[], Awaitable[T]]) -> T:
    try:
        return await question()
    except (BaseError, OSError) as error:
        raise PlaceUnreachable(first_line(error)) from None
