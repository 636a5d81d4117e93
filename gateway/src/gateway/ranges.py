"""A single range of bytes, as `Range` asks for it (RFC 9110, section 14)."""

import re
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"bytes=[ \t]*(?:([0-9]{1,30})-([0-9]{0,30})|-([0-9]{1,30}))[ \t]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """From the byte `first` to the byte `last`."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks for: from `first` to `last` (None: to the end), or the last `suffix` bytes."""

    first: int = 0
    last: int | None = None
    suffix: int | None = None

    def within(self, size: int) -> Part | None:
        """The part of something that has `size` bytes; None when it has no such part."""
        first = self.first if self.suffix is None else max(0, size - self.suffix)
        last = size - 1 if self.last is None else min(self.last, size - 1)
        return Part(first, last) if first <= last else None


def parse(header: str) -> Wanted | None:
    """The range, or None when there is none to be honoured: several, another unit, or something malformed."""
    match = _RANGE.fullmatch(header)
    if match is None:
        return None
    if match[3] is not None:
        return Wanted(suffix=int(match[3]))
    first, last = int(match[1]), int(match[2]) if match[2] else None
    return None if last is not None and last < first else Wanted(first, last)
