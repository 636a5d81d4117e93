"""Where a test lets the engine die: before and after each commit, publish and send.

`tests/engine/test_failpoints.py` kills it at each of these, and fails for a place that it knows no story for.
"""

from typing import Final

from chassis.failpoints import Failpoints

PLACES: Final = (
    # Commits of calls.
    "start",
    "rerun",
    "cancel",
    "pause",
    "resume",
    "approve",
    "cancel_many",
    "rerun_many",
    # Commits of what starts runs by itself: schedules, and triggers after runs.
    "fire",
    "follow",
    # Commits of what attempts call.
    "call",
    # Commits of the dispatch.
    "attach",
    "commit",
    "bear",
    "renew",
    "admit",
    "cache",
    "rate",
    "recover",
    # A file under its name, and the commit of its row.
    "store",
    "upload",
    # What leaves the process: records to audit, events to NATS, messages to a worker.
    "relay",
    "publish",
    "send",
    "ack",
    "stop",
)

_points: Final = Failpoints(PLACES)
NAMES: Final = _points.names
arm = _points.arm
reach = _points.reach
