"""The messages of the work stream."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from google.protobuf import duration_pb2

from chassis import jsonvalue
from chassis.ids import is_uuid
from engine import visits
from engine.domain import Budget, CalledUsage, Failure, Payload, Ref, RunStatus, Usage
from engine.plan import DEFAULT_TIMEOUT, PlannedStep
from engine.records import RunInfo, RunRecord, WorkerRecord, to_failure
from engine.wire import events
from engine.wire.plans import kind
from mcpanel.engine.v1 import run_pb2, worker_pb2
from mcpanel.registry.v1 import component_pb2

EngineMessage = worker_pb2.EngineMessage


def ref(message: worker_pb2.AttemptRef) -> Ref:
    """The attempt a message names."""
    return Ref(message.run_id, message.step_id, message.attempt, message.epoch)


def refs(messages: Iterable[worker_pb2.AttemptRef]) -> list[Ref]:
    """The attempts the messages name; those of runs that cannot exist are left out."""
    return [ref(message) for message in messages if is_uuid(message.run_id)]


def _ref(one: Ref) -> worker_pb2.AttemptRef:
    return worker_pb2.AttemptRef(run_id=one.run_id, step_id=one.step_id, attempt=one.attempt, epoch=one.epoch)


def worker(hello: worker_pb2.WorkerMessage.Hello) -> WorkerRecord:
    """The worker that introduces itself."""
    kinds = tuple(sorted({kind(number) for number in hello.types}))
    return WorkerRecord(
        hello.worker_id,
        kinds,
        hello.slots,
        hello.isolation or "cell",
        hello.host,
        pool=hello.pool,
        labels=frozenset(hello.labels),
        cpus=hello.cpus,
        memory_bytes=hello.memory_bytes,
        version=hello.version,
    )


def output(result: worker_pb2.WorkerMessage.Result) -> Payload:
    """The output of a result that has one."""
    return Payload(result.output_json)


def limits(result: worker_pb2.WorkerMessage.Result) -> bytes:
    """What the attempt was held to, as it is stored; empty when its worker does not say."""
    return result.limits.SerializeToString(deterministic=True) if result.HasField("limits") else b""


def usage(result: worker_pb2.WorkerMessage.Result) -> Usage | None:
    """What a result says was used of a language model."""
    if not result.HasField("usage"):
        return None
    used = result.usage
    called = None
    if used.HasField("called"):
        inner = used.called
        called = CalledUsage(inner.input_tokens, inner.output_tokens, _cost(inner))
    return Usage(used.model, used.input_tokens, used.output_tokens, _cost(used), called)


def _cost(used: run_pb2.ModelUsage | run_pb2.CalledUsage) -> float | None:
    return used.cost_usd if used.HasField("cost_usd") else None


def failure(error: run_pb2.RunError) -> Failure:
    """The failure of a result that has one."""
    return events.failure(error)


def welcome(
    lease: timedelta, heartbeat: timedelta, lost: Iterable[Ref], max_output_bytes: int
) -> EngineMessage:
    """Answers hello."""
    body = EngineMessage.Welcome(
        lease=duration(lease),
        heartbeat_interval=duration(heartbeat),
        lost=[_ref(one) for one in lost],
        max_output_bytes=max_output_bytes,
    )
    return EngineMessage(welcome=body)


def component(version: component_pb2.Version) -> EngineMessage:
    """A component the worker has not seen."""
    return EngineMessage(component=EngineMessage.Component(version=version))


def assignment(
    info: RunInfo, step: PlannedStep, one: Ref, inputs: Payload, *, token: str, lease_expires_at: datetime
) -> EngineMessage:
    """An attempt to run."""
    body = EngineMessage.Assignment(
        ref=_ref(one),
        component_version_id=step.version_id,
        inputs_json=inputs.raw if inputs.is_inline else jsonvalue.canonical(inputs.skeleton),
        large_inputs=[
            EngineMessage.LargeInput(
                path=[str(key) for key in path],
                sha256=reference.sha256,
                size_bytes=reference.size_bytes,
                pointer=reference.pointer,
            )
            for path, reference in inputs.references
        ],
        timeout=duration(step.timeout or DEFAULT_TIMEOUT),
        heartbeat_timeout=None if step.heartbeat_timeout is None else duration(step.heartbeat_timeout),
        started_by=info.started_by,
        data_source_token=token,
        idempotency_key=f"{info.id}/{one.step_id}",
        lease_expires_at=events.timestamp(lease_expires_at),
        trace_id=info.trace_id,
        app=visits.name(info.id, one.step_id) if step.kind == visits.KIND else "",
        budget=None
        if info.budget is None
        else worker_pb2.Budget(tokens=info.budget["tokens"], cost_usd=info.budget["cost"]),
    )
    return EngineMessage(assignment=body)


def cancel(one: Ref, reason: str) -> EngineMessage:
    """An attempt to stop."""
    return EngineMessage(cancel=EngineMessage.CancelAttempt(ref=_ref(one), reason=reason))


def ack(one: Ref, accepted: bool, reason: str = "") -> EngineMessage:
    """Answers a result."""
    return EngineMessage(result_ack=EngineMessage.ResultAck(ref=_ref(one), accepted=accepted, reason=reason))


def lines_ack(one: Ref, number: int) -> EngineMessage:
    """Answers lines."""
    return EngineMessage(logs_ack=EngineMessage.LogsAck(ref=_ref(one), number=number))


def budget(request: worker_pb2.CallComponentRequest) -> Budget | None:
    """What a call may use of language models; None where nobody says."""
    if not request.HasField("budget"):
        return None
    cost = request.budget.cost_usd if request.budget.HasField("cost_usd") else None
    return Budget(request.budget.tokens, cost)


def call_end(record: RunRecord, used: CalledUsage | None) -> worker_pb2.CallComponentResponse.End:
    """How a call's run ended, what its component's output is, and what it used of language models."""
    end = worker_pb2.CallComponentResponse.End(
        status=record.status, error=events.error(to_failure(record.error))
    )
    if record.status == RunStatus.SUCCESS and record.outputs is not None:
        found = Payload(record.outputs).value
        payload = Payload.of(found["output"] if isinstance(found, dict) else None)
        end.truncated = not payload.is_inline
        end.output_json = payload.raw if payload.is_inline else _beginning(payload)
    if used is not None:
        end.usage.CopyFrom(
            run_pb2.CalledUsage(
                input_tokens=used.input_tokens, output_tokens=used.output_tokens, cost_usd=used.cost
            )
        )
    return end


def _beginning(payload: Payload) -> bytes:
    """What is here of a value with large parts, as JSON: how it begins, or the value with null for those parts."""
    path, reference = payload.references[0]
    return jsonvalue.canonical(payload.skeleton if path else reference.preview)


def open_tunnel(one: Ref, token: str) -> EngineMessage:
    """Somebody wants to reach the app of an attempt."""
    return EngineMessage(open_tunnel=EngineMessage.OpenTunnel(ref=_ref(one), tunnel_token=token))


def duration(delta: timedelta) -> duration_pb2.Duration:
    """The delta as a Duration."""
    message = duration_pb2.Duration()
    message.FromTimedelta(delta)
    return message
