"""Keyset paging: opaque tokens that say where the last page ended and belong to one filter and order."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from chassis import errors, jsonvalue
from chassis.jsonvalue import Json

T = TypeVar("T")
Key: TypeAlias = "str | int | float | bool | datetime | None"

DEFAULT_SIZE: Final = 50
MAX_SIZE: Final = 1000
_VERSION: Final = 1


class ListRequest(Protocol):
    """What every list request has."""

    @property
    def page_size(self) -> int: ...
    @property
    def page_token(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Page:
    """Which page is wanted."""

    size: int
    """How many items at most."""
    after: tuple[Key, ...] | None
    """The order keys of the last item of the page before, or None for the first page."""
    bound: str
    """The digest of what the token is bound to."""

    @property
    def limit(self) -> int:
        """How many rows to read: one more than the page holds, which tells whether another page follows."""
        return self.size + 1

    def cut(self, rows: Sequence[T], key: Callable[[T], tuple[Key, ...]]) -> tuple[list[T], str]:
        """The page's items and the next page's token (empty on the last), from at most `limit` rows."""
        items = list(rows[: self.size])
        if len(rows) <= self.size:
            return items, ""
        return items, token(key(items[-1]), self.bound)


def parse(request: ListRequest, *, bound: object = "") -> Page:
    """The page a list request asks for.

    `bound` is whatever must not change between pages (filter, order, parent); a token made under another one
    is refused. `page_size` 0 means 50 and more than 1000 means 1000. Raises Invalid naming the field.
    """
    if request.page_size < 0:
        raise errors.Invalid(
            "INVALID_FIELD",
            "page_size must not be negative",
            fields=[errors.FieldViolation("page_size", "must not be negative")],
        )
    digest = _digest(bound)
    after = _decode(request.page_token, digest) if request.page_token else None
    return Page(min(request.page_size or DEFAULT_SIZE, MAX_SIZE), after, digest)


def token(keys: tuple[Key, ...], bound: str) -> str:
    """The token of the page after the item with these order keys; `bound` is `Page.bound`."""
    body: dict[str, Json] = {"v": _VERSION, "b": bound, "k": [_encode(key) for key in keys]}
    body["c"] = _checksum(body)
    return base64.urlsafe_b64encode(jsonvalue.canonical(body)).rstrip(b"=").decode()


def _digest(bound: object) -> str:
    return hashlib.sha256(repr(bound).encode()).hexdigest()[:16]


def _checksum(body: dict[str, Json]) -> str:
    return hashlib.sha256(b"page token" + jsonvalue.canonical(body)).hexdigest()[:16]


def _decode(text: str, bound: str) -> tuple[Key, ...]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        body = jsonvalue.parse_object(raw)
        checksum = body.pop("c")
        keys = body["k"]
        damaged = body.get("v") != _VERSION or checksum != _checksum(body) or not isinstance(keys, list)
        if damaged or not isinstance(keys, list):
            raise _refused("is damaged")
        if body.get("b") != bound:
            raise _refused("belongs to another filter, order or list")
        return tuple(_decoded(key) for key in keys)
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise _refused("is damaged") from None


def _refused(why: str) -> errors.Invalid:
    return errors.Invalid(
        "INVALID_PAGE_TOKEN",
        f"page_token {why}; start again without it",
        fields=[errors.FieldViolation("page_token", why)],
    )


def _encode(key: Any) -> Json:
    if isinstance(key, datetime):
        return {"t": key.astimezone(UTC).isoformat()}
    if key is None or isinstance(key, (str, int, float, bool)):
        return key
    raise TypeError(f"a {type(key).__name__} cannot be an order key")


def _decoded(key: Json) -> Key:
    if isinstance(key, dict):
        return datetime.fromisoformat(str(key["t"]))
    if isinstance(key, list):
        raise TypeError("an order key is no list")
    return key
