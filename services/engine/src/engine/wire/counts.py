"""Counts of runs as the contract shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from google.protobuf import duration_pb2

from engine.counting import Summary
from engine.wire.events import timestamp
from mcpanel.engine.v1 import engine_pb2


def response(
    total: Summary, workflows: Sequence[tuple[str, Summary]], names: Mapping[str, str], since: datetime
) -> engine_pb2.CountRunsResponse:
    """The answer."""
    return engine_pb2.CountRunsResponse(
        total=_counts("", "", total),
        workflows=[_counts(id_, names.get(id_, ""), one) for id_, one in workflows],
        since=timestamp(since),
    )


def _counts(workflow_id: str, name: str, summary: Summary) -> engine_pb2.RunCounts:
    return engine_pb2.RunCounts(
        workflow_id=workflow_id,
        workflow_name=name,
        statuses=summary.statuses,
        ended=summary.ended,
        succeeded=summary.succeeded,
        success_rate=summary.succeeded / summary.ended if summary.ended else None,
        p50=_duration(summary.percentile(0.5)),
        p95=_duration(summary.percentile(0.95)),
    )


def _duration(time: timedelta | None) -> duration_pb2.Duration | None:
    if time is None:
        return None
    duration = duration_pb2.Duration()
    duration.FromTimedelta(time)
    return duration
