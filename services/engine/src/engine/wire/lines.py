"""Lines of logs as the contract shows them, and what is asked of them."""

from engine.domain import LEVELS
from engine.records import EventRecord, LinesWanted
from engine.wire import events
from mcpanel.engine.v1 import engine_pb2


def wanted(request: engine_pb2.ListLogsRequest) -> LinesWanted:
    """Which lines are asked for."""
    return LinesWanted(
        step_id=request.step_id,
        attempt=request.attempt,
        min_level=LEVELS.get(request.min_level, 0),
        stream=request.stream,
        text=request.text,
        since=events.moment(request.since) if request.HasField("since") else None,
        until=events.moment(request.until) if request.HasField("until") else None,
        newest_first=request.newest_first,
    )


def line(record: EventRecord) -> engine_pb2.ListLogsResponse.Line:
    """A line, as it was written."""
    said = events.event(record).log
    return engine_pb2.ListLogsResponse.Line(
        seq=record.seq,
        time=events.timestamp(record.time),
        step_id=said.step_id,
        attempt=said.attempt,
        stream=said.stream,
        level=said.level,
        message=said.message,
    )
