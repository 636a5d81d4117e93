"""Time axes as the contract shows them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from engine.timeline import StepTimes, Wait
from engine.wire.events import timestamp
from mcpanel.engine.v1 import engine_pb2


def response(
    steps: Iterable[StepTimes], token: str, waits: Iterable[Wait], path: Sequence[str], now: datetime
) -> engine_pb2.GetRunTimelineResponse:
    """A page of a run's timeline."""
    return engine_pb2.GetRunTimelineResponse(
        steps=[step(one) for one in steps],
        next_page_token=token,
        waits=[_wait(one) for one in waits],
        critical_path=path,
        now=timestamp(now),
    )


def step(times: StepTimes) -> engine_pb2.StepTimeline:
    """One step."""
    return engine_pb2.StepTimeline(
        step_id=times.step_id,
        status=times.status,
        ready_at=timestamp(times.ready_at),
        started_at=timestamp(times.started_at),
        ended_at=timestamp(times.ended_at),
        attempts=[
            engine_pb2.StepTimeline.AttemptTimeline(
                number=one.number,
                status=one.status or "RUNNING",
                queued_at=timestamp(one.queued_at or one.started_at),
                started_at=timestamp(one.started_at),
                ended_at=timestamp(one.ended_at),
                worker_id=one.worker_id,
            )
            for one in times.attempts
        ],
        waits=[_wait(one) for one in times.waits],
    )


def _wait(wait: Wait) -> engine_pb2.Wait:
    return engine_pb2.Wait(
        reason=wait.reason, started_at=timestamp(wait.started_at), ended_at=timestamp(wait.ended_at)
    )
