"""Keeps signed checkpoints where whoever rewrites the log cannot reach, and compares the log with them.

`places` and `git` are where they are kept; `keeper` carries them there and refuses a log that contradicts them.
"""

from pathlib import Path

from audit.witness.keeper import Keeper
from audit.witness.places import Place, PlaceInvalid, PlaceUnreachable, addresses

__all__ = ["Keeper", "Place", "PlaceInvalid", "PlaceUnreachable", "places"]


def places(setting: str, origin: str, cache: Path) -> list[Place]:
    """The places that a setting names; `cache` is a folder for copies of repositories. Raises PlaceInvalid."""
    return [_place(address, origin, cache) for address in addresses(setting)]


def _place(address: str, origin: str, cache: Path) -> Place:
    """The place at an address. What speaks to it is imported only where it is used."""
    if address.startswith("git+"):
        from audit.witness.git import Git  # noqa: PLC0415  # as said above

        return Git(address.removeprefix("git+"), origin, cache)
    from audit.witness.bucket import Bucket  # noqa: PLC0415  # as said above

    return Bucket(address, origin)
