"""EngineService: starts runs, steers them, and tells what they do.

`starts`, `steers`, `bulk`, `reads` and `streams` hold the methods, by what they are about; `common` what they share.
"""

from engine.api.bulk import Bulk
from engine.api.reads import Reads
from engine.api.steers import Steers
from engine.api.streams import Streams
from mcpanel.engine.v1 import engine_pb2_grpc


class Engine(Bulk, Steers, Reads, Streams, engine_pb2_grpc.EngineServiceServicer):
    """The servicer."""
