"""Where the contents of artifacts lie, by the SHA-256 of their content: a folder, or a bucket.

A folder is written by this package itself: a content there is on the disk before anything says that it exists (the
file and its folder are flushed), and a running upload holds a lock that keeps the sweep away. obstore, which speaks to
buckets, does neither for local files.
"""

from pathlib import Path

from engine.artifacts.contents import CHUNK, MAX_BYTES, ArtifactStore, PlaceError, Stored, Upload
from engine.artifacts.folder import Folder

__all__ = ["CHUNK", "MAX_BYTES", "ArtifactStore", "Folder", "PlaceError", "Stored", "Upload", "open_store"]


def open_store(url: str, folder: Path) -> ArtifactStore:
    """The store at a URL: `file:///…`, `s3://bucket/prefix`, `gs://…` or `az://…`; without one, the folder.

    Raises PlaceError when the URL is none of these.
    """
    if not url:
        return Folder(folder)
    if url.startswith("file://"):
        return Folder(Path(url.removeprefix("file://")))
    from engine.artifacts.bucket import Bucket  # noqa: PLC0415 - a tenth of a second and 10 MB, for those who need it

    return Bucket(url)
