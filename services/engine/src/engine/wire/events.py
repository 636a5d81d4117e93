"""Run events. Stored and published as bytes: the event's body, and before it who, where and when."""

from datetime import UTC, datetime
from typing import Final

from google.protobuf import duration_pb2, timestamp_pb2

from chassis import jsonvalue
from engine.domain import LEVELS, ErrorKind, Failure, Payload
from engine.effects import ApprovalAsked, RunChanged, StepChanged
from engine.records import EventRecord
from engine.state import Decision, RunState
from mcpanel.engine.v1 import run_pb2

Event = run_pb2.RunEvent

RUN_STATUS: Final = "run_status_change"
STEP_STATUS: Final = "step_status_change"
LOG: Final = "log"
PREVIEW: Final = "result_preview"
PROGRESS: Final = "progress"
TOOL_CALL: Final = "tool_call"
APPROVAL: Final = "approval_request"
END: Final = "end"
STATUS_KINDS: Final = (RUN_STATUS, STEP_STATUS, APPROVAL)
"""The kinds of event that audit is told of."""
SHOWN_KINDS: Final = frozenset({*STATUS_KINDS, END})
"""The kinds of event that change what lists show of a run."""


def timestamp(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """The moment as a Timestamp."""
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment)
    return message


def moment(message: timestamp_pb2.Timestamp) -> datetime:
    """The Timestamp as a moment."""
    return message.ToDatetime(UTC)


def error(failure: Failure | None) -> run_pb2.RunError | None:
    """The failure as the contract's RunError."""
    if failure is None:
        return None
    return run_pb2.RunError(
        kind=failure.kind.value,
        message=failure.message,
        traceback=failure.traceback,
        step_id=failure.step_id,
    )


def failure(message: run_pb2.RunError) -> Failure:
    """The contract's RunError as a failure; a kind that is not known here is INTERNAL."""
    try:
        kind = ErrorKind(run_pb2.RunError.Kind.Name(message.kind))
    except ValueError:
        kind = ErrorKind.INTERNAL
    return Failure(kind, message.message, message.traceback)


def run_changed(effect: RunChanged) -> bytes:
    """The body of a change of the run."""
    change = run_pb2.RunStatusChange(
        status=effect.status.value,
        error=error(effect.failure),
        waiting_for=effect.waiting_for,
    )
    return Event(run_status_change=change).SerializeToString()


def step_changed(effect: StepChanged) -> bytes:
    """The body of a change of a step."""
    change = run_pb2.StepStatusChange(
        step_id=effect.step_id,
        status=effect.status.value,
        attempt=effect.attempt,
        error=error(effect.failure),
        next_attempt_at=timestamp(effect.next_attempt_at),
        copied_from=effect.copied_from,
    )
    return Event(step_status_change=change).SerializeToString()


def approval(effect: ApprovalAsked) -> bytes:
    """The body of a question, or of its answer."""
    asked = run_pb2.ApprovalRequest(
        step_id=effect.step_id,
        message=effect.message,
        approvers=effect.approvers,
        expires_at=timestamp(effect.expires_at),
        decision=decision(effect.decision),
    )
    return Event(approval_request=asked).SerializeToString()


def decision(made: Decision | None) -> run_pb2.Decision | None:
    """The decision as the contract's."""
    if made is None:
        return None
    return run_pb2.Decision(
        approved=made.approved,
        decided_by=made.by,
        decided_by_name=made.by_name,
        decided_at=timestamp(made.at),
        comment=made.comment,
    )


def log(step_id: str, attempt: int, stream: str, level: str, message: str) -> bytes:
    """The body of a line."""
    line = run_pb2.LogLine(step_id=step_id, attempt=attempt, stream=stream, level=level, message=message)
    return Event(log=line).SerializeToString()


def line(step_id: str, attempt: int, stream: str, level: str, text: str) -> tuple[str, int, int, str, str]:
    """What a line is found by: step, attempt, level, stream and text, in which no NUL is left."""
    number = LEVELS.get(level, LEVELS["INFO"])
    return step_id, attempt, number, stream, text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def preview(step_id: str, attempt: int, value: Payload) -> bytes:
    """The body of an intermediate value. Raises ValueError when it is not JSON."""
    shown = run_pb2.ResultPreview(step_id=step_id, attempt=attempt, value=jsonvalue.to_value(value.value))
    return Event(result_preview=shown).SerializeToString()


def progress(step_id: str, attempt: int, fraction: float, message: str) -> bytes:
    """The body of how far a step is."""
    how_far = run_pb2.Progress(step_id=step_id, attempt=attempt, fraction=fraction, message=message)
    return Event(progress=how_far).SerializeToString()


def tool_call(call: run_pb2.ToolCall) -> bytes:
    """The body of what was decided about a call of a tool, or of how it ended."""
    return Event(tool_call=call).SerializeToString()


def end(state: RunState, event_count: int) -> bytes:
    """The body of a run's last event."""
    duration = duration_pb2.Duration()
    if state.ended_at is not None and state.created_at is not None:
        duration.FromTimedelta(state.ended_at - state.created_at)
    ending = run_pb2.RunEnd(status=state.status.value, event_count=event_count, duration=duration)
    return Event(end=ending).SerializeToString()


def whole(run_id: str, seq: int, time: datetime, body: bytes) -> bytes:
    """The serialized RunEvent. (Serialized messages may be concatenated: that merges them.)"""
    return Event(run_id=run_id, seq=seq, time=timestamp(time)).SerializeToString() + body


def event(record: EventRecord) -> run_pb2.RunEvent:
    """The stored event."""
    return Event.FromString(whole(record.run_id, record.seq, record.time, record.body))
