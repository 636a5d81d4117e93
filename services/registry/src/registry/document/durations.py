"""Durations as people write them."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

_UNITS: Final = (
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
)
_WRITTEN: Final = re.compile("".join(rf"(?:([0-9]{{1,12}}(?:\.[0-9]{{1,9}})?){unit})?" for unit, _ in _UNITS))
_LONGEST: Final = timedelta(days=3_650_000)
"""About what a Duration message may hold."""


def parse(text: str) -> timedelta:
    """The length of time that `text` names: `90s`, `1.5s`, `250ms`, `1h30m`, `7d`; larger units first, each once.

    Finer than a microsecond is cut off. Raises ValueError with a sentence.
    """
    match = _WRITTEN.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{text[:100]!r} is not a duration")
    given = zip(match.groups(), _UNITS, strict=True)
    microseconds = sum(int(Decimal(amount) * size) for amount, (_, size) in given if amount is not None)
    if microseconds > _LONGEST // timedelta(microseconds=1):
        raise ValueError(f"{text[:100]} is too long for a duration")
    return timedelta(microseconds=microseconds)
