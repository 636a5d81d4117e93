"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.document import durations


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2s", timedelta(seconds=2)),
        ("1.5s", timedelta(seconds=1.5)),
        ("250ms", timedelta(milliseconds=250)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("0.5h", timedelta(minutes=30)),
        ("7d", timedelta(days=7)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("0s", timedelta()),
        ("3600s", timedelta(hours=1)),
        ("0.0000019s", timedelta(microseconds=1)),
    ],
)
def test_a_duration_is_numbers_with_units(written: str, meant: timedelta) -> None:
    assert durations.parse(written) == meant


@pytest.mark.parametrize(
    "written", ["", "2", "2 s", "-1s", "s", "1m2h", "1s1s", "1e3s", ".5s", "1.s", "2weeks", "٣s", "2S"]
)
def test_anything_else_is_none(written: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        durations.parse(written)


@pytest.mark.parametrize("written", ["999999999999d", "4000000d"])
def test_ten_thousand_years_are_enough(written: str) -> None:
    with pytest.raises(ValueError, match="too long"):
        durations.parse(written)


@given(st.timedeltas(timedelta(), timedelta(days=3_000_000)))
def test_what_an_answer_writes_is_read_as_what_it_was(length: timedelta) -> None:
    seconds, rest = divmod(length, timedelta(seconds=1))

    assert durations.parse(f"{seconds}.{rest.microseconds:06}s") == length
