"""Durations in words."""

from datetime import timedelta
from typing import Final

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))


def in_words(duration: timedelta) -> str:
    """The duration as people write it, to the millisecond: `300 ms`, `1.5 s`, `2 min`, `1 h 30 min`."""
    left = round(duration / timedelta(milliseconds=1))
    if left < 1000:
        return f"{left} ms"
    parts = []
    for unit, size in _UNITS[:-1]:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    if left:
        parts.append(f"{left / 1000:.3f}".rstrip("0").rstrip(".") + " s")
    return " ".join(parts)
