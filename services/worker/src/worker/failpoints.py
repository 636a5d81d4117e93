"""Where a test lets the worker die: around what it takes, starts and sends.

`tests/worker/test_failpoints.py` kills it at each of these, and fails for a place that it knows no story for.
"""

from typing import Final

from chassis.failpoints import Failpoints

PLACES: Final = (
    "receive",  # an assignment
    "spawn",  # a cell for it
    "send",  # any message
    "result",  # an outcome: kept, queued
    "upload",  # an artifact
)

_points: Final = Failpoints(PLACES)
NAMES: Final = _points.names
arm = _points.arm
reach = _points.reach
