"""EngineService: starts runs, steers them, and tells what they do.

`starts`, `steers`, `bulk`, `reads`, `steps`, `counts`, `workers`, `streams`, `schedules` and `triggers` hold the
methods, by what they are about; `common` what they share.
"""

from engine.api.bulk import Bulk
from engine.api.counts import Counts
from engine.api.reads import Reads
from engine.api.schedules import Schedules
from engine.api.steers import Steers
from engine.api.steps import Steps
from engine.api.streams import Streams
from engine.api.triggers import Triggers
from engine.api.workers import Fleet
from mcpanel.engine.v1 import engine_pb2_grpc


class Engine(
    Bulk,
    Steers,
    Reads,
    Steps,
    Counts,
    Fleet,
    Streams,
    Schedules,
    Triggers,
    engine_pb2_grpc.EngineServiceServicer,
):
    """The servicer."""
