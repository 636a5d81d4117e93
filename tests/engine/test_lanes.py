"""Lanes in words."""

import pytest

from engine import lanes
from engine.plan import Place


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(), "PYTHON_SCRIPT"),
        (Place("gpu", ("cuda",)), "PYTHON_SCRIPT in pool 'gpu' with label 'cuda'"),
        (Place(labels=("big", "cuda")), "PYTHON_SCRIPT with labels 'big' and 'cuda'"),
        (Place(cpus=2.0, memory_bytes=2**30), "PYTHON_SCRIPT with 2 processors and 1 GiB of memory"),
        (
            Place("gpu", ("a", "b"), 1.0, 3 * 2**19),
            "PYTHON_SCRIPT in pool 'gpu' with labels 'a' and 'b', 1 processor and 1.5 MiB of memory",
        ),
        (Place(cpus=0.5, memory_bytes=1000), "PYTHON_SCRIPT with 0.5 processors and 1000 bytes of memory"),
    ],
)
def test_a_lane_is_told_in_words(place: Place, words: str) -> None:
    lane = lanes.name("PYTHON_SCRIPT", place)

    assert lanes.in_words(lane) == words
