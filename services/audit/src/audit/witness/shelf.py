"""A folder or a bucket for files that are written once."""

from typing import Any
from urllib.parse import quote

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from audit.witness.places import PlaceInvalid, PlaceUnreachable, first_line, folder, shown


class Shelf:
    """Files under `<origin>/segments/` of a bucket or a folder."""

    def __init__(self, url: str, origin: str) -> None:
        """`url` as obstore takes it (`s3://…`, `gs://…`, `az://…`, `file:///…`), or a folder's path.

        Raises PlaceInvalid.
        """
        self._folder = f"{quote(origin, safe='')}/segments"
        self.name = f"{shown(url).rstrip('/')}/{self._folder}"
        try:
            if "://" not in url:
                url = folder(url).as_uri()
            self._store: Any = from_url(url)
        except (BaseError, ValueError, OSError) as error:
            raise PlaceInvalid(f"{shown(url)} is no place for segments: {first_line(error)}") from None

    async def put(self, name: str, data: bytes) -> None:
        """Writes a file, unless there is one of that name. Raises PlaceUnreachable."""
        try:
            await obstore.put_async(self._store, f"{self._folder}/{name}", data, mode="create")
        except AlreadyExistsError:
            return
        except (BaseError, OSError) as error:
            raise PlaceUnreachable(first_line(error)) from None

    async def get(self, name: str) -> bytes:
        """A file's content. Raises PlaceUnreachable."""
        try:
            answer = await obstore.get_async(self._store, f"{self._folder}/{name}")
            return bytes(await answer.bytes_async())
        except (BaseError, OSError) as error:
            raise PlaceUnreachable(first_line(error)) from None
