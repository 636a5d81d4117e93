"""Runs, steps, attempts and artifacts as the contract shows them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from google.protobuf import struct_pb2

from chassis import jsonvalue
from chassis.jsonvalue import Json
from engine.domain import Payload, StepStatus, put
from engine.outline import Entry
from engine.plan import PlannedStep
from engine.records import (
    ArtifactRecord,
    AttemptRecord,
    RunInfo,
    RunRecord,
    StepRecord,
    Waiting,
    to_decision,
    to_document,
    to_failure,
)
from engine.state import RunState
from engine.waiting import named
from engine.wire.events import decision, error, timestamp
from mcpanel.engine.v1 import engine_pb2, run_pb2

Ids: TypeAlias = Mapping[str, str]
"""The ids of a run's artifacts, by the SHA-256 of their contents: what references are shown with."""
_NONE: Final[Ids] = {}


def run(record: RunRecord, waiting_for: str = "", ids: Ids = _NONE, cost: float | None = None) -> run_pb2.Run:
    """A run, with inputs and outputs where the record has them."""
    failure = to_failure(record.error)
    return run_pb2.Run(
        id=record.id,
        workflow_id=record.workflow_id,
        workflow_name=record.workflow_name,
        workflow_version=record.workflow_version,
        status=record.status,
        inputs=_struct(record.inputs, ids),
        outputs=_struct(record.outputs, ids),
        error_message="" if failure is None else _sentence(failure.step_id, failure.message),
        error=error(failure),
        waiting_for=waiting_for,
        created_at=timestamp(record.created_at),
        started_at=timestamp(record.started_at),
        ended_at=timestamp(record.ended_at),
        cancel_requested_at=timestamp(record.cancel_requested_at),
        started_by=record.started_by,
        last_seq=record.last_seq,
        step_count=record.step_count,
        steps_ended=record.steps_ended,
        start_at=timestamp(record.start_at),
        deadline_at=timestamp(record.deadline_at),
        priority=record.priority,
        concurrency_key=record.limit_key,
        rerun_of=record.rerun_of or "",
        rerun_from=record.rerun_from,
        triggered_by=record.triggered_by,
        run_key=record.run_key,
        cost=dollars(cost),
    )


def record_of(info: RunInfo, state: RunState, last_seq: int, now: datetime) -> RunRecord:
    """The record of a run that is being written."""
    return RunRecord(
        id=info.id,
        workflow_id=info.workflow_id,
        workflow_name=info.workflow_name,
        workflow_version=info.workflow_version,
        plan=state.plan.digest,
        started_by=info.started_by,
        status=state.status.value,
        inputs=state.inputs.raw,
        outputs=None if state.outputs is None else state.outputs.raw,
        error=to_document(state.failure if state.status.ended else None),
        created_at=state.created_at or now,
        started_at=state.started_at,
        ended_at=state.ended_at,
        cancel_requested_at=state.cancel_requested_at,
        step_count=len(state.plan.steps),
        steps_ended=state.ended,
        last_seq=last_seq,
        start_at=state.start_at,
        deadline_at=state.deadline_at,
        priority=info.priority,
        limit_key=state.limit_key,
        admitted=state.admitted,
        begun=state.begun,
        rerun_of=info.rerun_of,
        rerun_from=info.rerun_from,
        triggered_by=info.triggered_by,
        run_key=info.run_key,
    )


def step_executions(
    run_id: str,
    entries: Iterable[Entry],
    steps: Mapping[str, StepRecord],
    attempts: Mapping[str, Sequence[AttemptRecord]],
    ids: Ids = _NONE,
) -> list[run_pb2.StepExecution]:
    """The steps; one without a record is PENDING."""
    return [
        step(
            run_id,
            one.planned,
            one.path,
            needs=one.needs,
            record=steps.get(one.path),
            attempts=attempts.get(one.path, ()),
            ids=ids,
        )
        for one in entries
    ]


def step(
    run_id: str,
    planned: PlannedStep,
    path: str,
    *,
    needs: Sequence[str] = (),
    record: StepRecord | None = None,
    attempts: Sequence[AttemptRecord] = (),
    ids: Ids = _NONE,
) -> run_pb2.StepExecution:
    """One step; without a record it is PENDING."""
    message = run_pb2.StepExecution(
        run_id=run_id,
        step_id=path,
        component=planned.component,
        component_version_id=planned.version_id,
        kind=planned.kind,
        status="PENDING" if record is None else record.status,
        needs=needs,
        attempts=[attempt(one) for one in attempts],
        usage=_usage(attempts),
    )
    if record is None:
        return message
    waits = record.status == StepStatus.READY and record.attempt > 0
    more = run_pb2.StepExecution(
        attempt=record.attempt,
        inputs=_struct(record.inputs, ids) if record.started_at else None,
        output=None if record.output is None else jsonvalue.to_value(_shown(record.output, ids)),
        error=error(to_failure(record.error)),
        started_at=timestamp(record.started_at),
        ended_at=timestamp(record.ended_at),
        next_attempt_at=timestamp(record.due_at or record.not_before) if waits else None,
        copied_from=record.copied_from,
        approval_message=record.message,
        decision=decision(to_decision(record.decision)),
        expires_at=timestamp(record.expires_at),
        gate=named(record.gate),
    )
    message.MergeFrom(more)
    return message


def pending(waiting: Waiting) -> engine_pb2.PendingApproval:
    """A step that waits for a decision."""
    return engine_pb2.PendingApproval(
        run_id=waiting.run_id,
        workflow_name=waiting.workflow_name,
        step_id=waiting.step_id,
        message=waiting.message,
        approvers=waiting.approvers,
        started_by=waiting.started_by,
        waiting_since=timestamp(waiting.started_at),
        expires_at=timestamp(waiting.expires_at),
    )


def inputs_of(record: RunRecord) -> dict[str, Json]:
    """The inputs a run had."""
    value = None if record.inputs is None else Payload(record.inputs).value
    return value if isinstance(value, dict) else {}


def attempt(record: AttemptRecord) -> run_pb2.Attempt:
    """An attempt."""
    limits = None if record.limits is None else run_pb2.Limits.FromString(record.limits)
    return run_pb2.Attempt(
        number=record.number,
        epoch=record.epoch,
        worker_id=record.worker_id,
        isolation=record.isolation,
        status=record.status or "RUNNING",
        error=error(to_failure(record.error)),
        started_at=timestamp(record.started_at),
        ended_at=timestamp(record.ended_at),
        limits=limits,
        usage=_usage([record]),
    )


def _usage(attempts: Sequence[AttemptRecord]) -> run_pb2.ModelUsage | None:
    """What the attempts have used of language models, together; None when they asked none."""
    found = [one.usage for one in attempts if one.usage is not None]
    if not found:
        return None
    called = [one["called"] for one in found if one.get("called") is not None]
    return run_pb2.ModelUsage(
        model=found[-1]["model"],
        input_tokens=sum(one["input_tokens"] for one in found),
        output_tokens=sum(one["output_tokens"] for one in found),
        cost_usd=_cost(found),
        called=run_pb2.CalledUsage(
            input_tokens=sum(one["input_tokens"] for one in called),
            output_tokens=sum(one["output_tokens"] for one in called),
            cost_usd=_cost(called),
        )
        if called
        else None,
    )


def _cost(used: Iterable[Mapping[str, Any]]) -> float | None:
    """What they cost together; None where none has a price."""
    known = [one["cost"] for one in used if one["cost"] is not None]
    return sum(known) if known else None


def dollars(cost: float | None) -> str:
    """An amount as people read it: cents, or two digits of what is less; empty for none."""
    if cost is None:
        return ""
    if cost >= 0.01 or not cost:
        return f"${cost:,.2f}"
    return f"${float(f'{cost:.2g}'):.10f}".rstrip("0")


def artifact(record: ArtifactRecord) -> run_pb2.Artifact:
    """An artifact's record."""
    return run_pb2.Artifact(
        id=record.id,
        run_id=record.run_id,
        step_id=record.step_id,
        name=record.name,
        media_type=record.media_type,
        size_bytes=record.size_bytes,
        sha256=record.sha256,
        created_at=timestamp(record.created_at),
    )


def contents_of(steps: Iterable[StepRecord]) -> set[str]:
    """The SHA-256 of every content that the steps' inputs and outputs refer to."""
    return contents(*(raw for one in steps for raw in (one.inputs, one.output)))


def contents(*raws: bytes | None) -> set[str]:
    """The SHA-256 of every content that payloads refer to, and `ids` are asked for."""
    payloads = [Payload(raw) for raw in raws if raw is not None]
    return {reference.sha256 for payload in payloads for _, reference in payload.references}


def _shown(raw: bytes, ids: Ids) -> Json:
    """The value as it is shown: with an object that says what it is where a large value is."""
    payload = Payload(raw)
    value: Json = payload.skeleton
    for path, one in payload.references:
        shown: dict[str, Json] = {
            "sizeBytes": one.size_bytes,
            "mediaType": "application/json",
            "sha256": one.sha256,
        }
        shown |= {
            name: text
            for name, text in (
                ("$artifact", ids.get(one.sha256, "")),
                ("pointer", one.pointer),
                ("preview", one.preview),
            )
            if text or name == "$artifact"
        }
        value = put(value, path, shown)
    return value


def _struct(raw: bytes | None, ids: Ids = _NONE) -> struct_pb2.Struct | None:
    if raw is None:
        return None
    value = _shown(raw, ids)
    return jsonvalue.to_struct(value if isinstance(value, dict) else {"value": value})


def _sentence(step_id: str, message: str) -> str:
    line = message.strip().splitlines()[0] if message.strip() else "it failed"
    return f"step '{step_id}' failed: {line}" if step_id else line
