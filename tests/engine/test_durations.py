"""Durations in words."""

from datetime import timedelta

import pytest

from engine.durations import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.3, "300 ms"),
        (1, "1 s"),
        (1.5, "1.5 s"),
        (59.9996, "1 min"),
        (120, "2 min"),
        (5400, "1 h 30 min"),
        (86_400 + 1, "1 d 1 s"),
        (365 * 86_400, "365 d"),
    ],
)
def test_a_duration_is_told_in_its_units(seconds: float, words: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == words
