"""Reads an export: the lines of `ExportActionLogs` over REST, each as one plain value. Pure.

Strict on purpose: what is read here is shown to people as proved, so nothing may be in a line that its hash does not
cover, and nothing may be there twice.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar, cast

from audit import canonical, merkle, personal
from audit.domain import Entry, Json
from audit.merkle import HASH_BYTES

T = TypeVar("T")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?0*Z", re.ASCII)
_HEADER: Final = frozenset({"origin", "verifierKey", "start", "checkpoint", "filter", "exportedAt"})
_CHECKPOINT: Final = frozenset({"origin", "treeSize", "rootHash", "note", "signedAt", "verifierKey"})
_ENTRY: Final = {
    "id": "record_id",
    "index": "index",
    "time": "time",
    "recordedAt": "recorded_at",
    "service": "service",
    "action": "action",
    "outcome": "outcome",
    "entityType": "entity_type",
    "entityId": "entity_id",
    "details": "details",
    "traceId": "trace_id",
    "method": "method",
    "requestId": "request_id",
}
_ACTOR: Final = {
    "id": "actor_id",
    "kind": "actor_kind",
    "name": "actor_name",
    "onBehalfOfId": "on_behalf_of_id",
    "onBehalfOfName": "on_behalf_of_name",
    "clientAddress": "client_address",
    "apiKeyId": "api_key_id",
    "sessionId": "session_id",
    "userAgent": "user_agent",
    "runId": "run_id",
}


class LineInvalid(ValueError):
    """The line is not one of an export; the message says why."""


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint's signed note, and what stands beside it."""

    tree_size: int
    root_hash: bytes
    text: str
    origin: str
    verifier_key: str
    signed_at: datetime | None
    """When it is said to have been signed, which no signature is about; None where nothing is said."""
    frontier: tuple[bytes, ...] = ()
    """The complete subtrees it is said to consist of, where they were sent."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the export says it is."""

    origin: str
    verifier_key: str
    start: Note | None
    checkpoint: Note
    filter: str
    exported_at: datetime | None
    """When it is said to have been made."""


@dataclass(frozen=True, slots=True)
class Line:
    """An entry's line."""

    index: int
    record_id: str
    recorded_at: datetime | None
    content: bytes
    """The leaf hash of what it shows; empty where that has none, and `flaw` says why."""
    claim: bytes
    """The leaf hash it says it has; empty where it says none."""
    proof: tuple[bytes, ...] = ()
    flaw: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What a commitment is said to be about."""

    fits: bool


@dataclass(frozen=True, slots=True)
class End:
    """Says how many entries were sent."""

    entries: int


Piece = Header | Line | Note | Value | End


def parse(line: str) -> Piece:
    """The value of a line. Raises LineInvalid."""
    try:
        piece = json.loads(line, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise LineInvalid("it is nested too deeply") from None
    except ValueError as error:
        raise LineInvalid(f"it is not JSON: {error}") from None
    if not isinstance(piece, dict) or len(piece) != 1:
        raise LineInvalid("it is not an object with one field")
    ((kind, body),) = piece.items()
    readers: dict[str, Callable[[dict[str, Any]], Piece]] = {
        "header": _header,
        "entry": _line,
        "signed": _signed,
        "personal": _value,
        "end": _end,
    }
    if kind not in readers or not isinstance(body, dict):
        raise LineInvalid("it is neither header, entry, signed, personal nor end")
    return readers[kind](body)


def _header(body: dict[str, Any]) -> Header:
    _known(body, _HEADER, "the header")
    start = body.get("start")
    return Header(
        _get(body, "origin", str),
        _get(body, "verifierKey", str),
        _signed(_get(body, "start", dict)) if start is not None else None,
        _note(_get(body, "checkpoint", dict)),
        _get(body, "filter", str),
        _said(body, "exportedAt"),
    )


def _signed(body: dict[str, Any]) -> Note:
    _known(body, {"checkpoint", "frontier"}, "the checkpoint")
    return _note(_get(body, "checkpoint", dict), _hashes(_get(body, "frontier", list)))


def _note(body: dict[str, Any], frontier: tuple[bytes, ...] = ()) -> Note:
    _known(body, _CHECKPOINT, "the checkpoint")
    return Note(
        _number(body, "treeSize"),
        _hash(body.get("rootHash")),
        _get(body, "note", str),
        _get(body, "origin", str),
        _get(body, "verifierKey", str),
        _said(body, "signedAt"),
        frontier,
    )


def _end(body: dict[str, Any]) -> End:
    _known(body, {"entries"}, "the end")
    return End(_number(body, "entries"))


def _value(body: dict[str, Any]) -> Value:
    _known(body, {"commitment", "salt", "value"}, "the personal value")
    commitment, value = _get(body, "commitment", str), _get(body, "value", str)
    try:
        return Value(personal.commit(_hash(body.get("salt")), value) == commitment)
    except UnicodeEncodeError:
        return Value(fits=False)


def _line(body: dict[str, Any]) -> Line:
    """An entry's line. Only where its place is unknown does it raise: what else is wrong becomes its `flaw`."""
    shown = _get(body, "actionLog", dict)
    index = _number(shown, "index")
    entry, content, flaw, leaf, proof = None, b"", "", b"", tuple[bytes, ...]()
    try:
        leaf = _hash(shown.get("leafHash"))
        proof = _hashes(_get(body, "hashes", list))
        _known(body, {"actionLog", "format", "hashes"}, "the entry")
        entry = _entry(shown, _number(body, "format"))
        content = merkle.leaf_hash(canonical.encode(entry))
    except RecursionError:
        flaw = "it is nested too deeply"
    except (ValueError, OverflowError) as error:
        flaw = str(error)
    name = shown.get("id")
    recorded_at = entry.recorded_at if entry is not None else None
    return Line(index, name if isinstance(name, str) else "", recorded_at, content, leaf, proof, flaw)


def _entry(shown: dict[str, Any], number: int) -> Entry:
    _known(shown, {*_ENTRY, "actor", "leafHash"}, "the entry")
    actor = _get(shown, "actor", dict)
    _known(actor, _ACTOR, "the actor")
    values: dict[str, Any] = {
        name: _get(shown, key, str) for key, name in _ENTRY.items() if key not in _OTHERS
    }
    values |= {name: _get(actor, key, str) for key, name in _ACTOR.items()}
    values |= {name: _time(shown, key) for key, name in _ENTRY.items() if key in _TIMES}
    details = cast("dict[str, Json]", _get(shown, "details", dict))
    return Entry(
        **values,
        index=_number(shown, "index"),
        details={key: canonical.normal(value) for key, value in details.items()},
        format=number,
    )


_TIMES: Final = frozenset({"time", "recordedAt"})
_OTHERS: Final = _TIMES | {"index", "details"}


def _time(body: dict[str, Any], key: str) -> datetime:
    text = _get(body, key, str)
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise LineInvalid(f"{key} {text[:40]!r} is not a time in UTC, to the microsecond")


def _said(body: dict[str, Any], key: str) -> datetime | None:
    """A time that may be left out."""
    return _time(body, key) if body.get(key) is not None else None


def _get(body: dict[str, Any], key: str, kind: type[T]) -> T:
    """A field's value; left out or null, the empty one."""
    value = body.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise LineInvalid(f"{key} is not what it should be, {kind.__name__}")
    return value


def _number(body: dict[str, Any], key: str) -> int:
    value = body.get(key, 0)
    if type(value) is not int or value < 0:
        raise LineInvalid(f"{key} is not a whole number")
    return value


def _hash(value: object) -> bytes:
    try:
        found = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES or found.hex() != value:
        raise LineInvalid("a hash is not 64 lower-case hex digits")
    return found


def _hashes(values: list[Any]) -> tuple[bytes, ...]:
    return tuple(_hash(value) for value in values)


def _known(body: dict[str, Any], names: Iterable[str], what: str) -> None:
    if strange := body.keys() - set(names):
        raise LineInvalid(f"{what} has {sorted(strange)[0]!r}, which no signature covers")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise LineInvalid("a field is there twice")
    return found


def _no_constant(name: str) -> None:
    raise LineInvalid(f"{name} is not JSON")
