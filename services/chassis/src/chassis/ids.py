"""Identifiers: UUIDv7 strings, which sort by the time they were made."""

import os
import threading
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

_MAX_COUNTER: Final = (1 << 42) - 1
_lock = threading.Lock()
_last_ms = 0
_counter = 0


def uuid7(now: datetime | None = None) -> str:
    """A new UUIDv7 (RFC 9562) for `now` (default: this machine's clock), as a lower-case string.

    Ids made in one process for the same millisecond ascend: the random part starts a 42-bit counter
    (RFC 9562 §6.2, method 1).
    """
    global _last_ms, _counter  # noqa: PLW0603  # the counter's state is the process's
    moment = datetime.now(UTC) if now is None else now
    if moment.tzinfo is None:
        raise ValueError("uuid7 needs an aware datetime")
    ms = int(moment.timestamp() * 1000)
    with _lock:
        if ms == _last_ms and _counter < _MAX_COUNTER:
            _counter += 1
        else:
            _last_ms, _counter = ms, int.from_bytes(os.urandom(6)) >> 7
        counter = _counter
    tail = int.from_bytes(os.urandom(4))
    value = (ms & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | (counter >> 30) << 64
    value |= 0b10 << 62 | (counter & ((1 << 30) - 1)) << 32 | tail
    return str(UUID(int=value))


def earliest(moment: datetime) -> str:
    """What every UUIDv7 made at `moment` (aware, from 1970 on) or later is not less than. Raises ValueError."""
    ms = int(moment.timestamp() * 1000)
    if not 0 <= ms < 1 << 48:
        raise ValueError("no UUIDv7 has such a time")
    return str(UUID(int=ms << 80))


def is_uuid(text: str) -> bool:
    """Whether `text` is a UUID in the form the services write (lower case, hyphens)."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
