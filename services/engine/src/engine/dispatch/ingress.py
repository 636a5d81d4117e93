"""What a worker sends, checked before it may become part of a run: what is wrong with it fails its attempt, no more."""

from collections.abc import Iterator
from typing import Final

from chassis import jsonvalue
from chassis.jsonvalue import Json
from engine.dispatch.committer import Utterance
from engine.domain import MAX_PAYLOAD, ErrorKind, Failure, Payload, Ref
from engine.state import Failed, Succeeded
from engine.wire import events as wire
from engine.wire import work
from mcpanel.engine.v1 import worker_pb2

MAX_DEPTH: Final = 30
"""How deep a JSON value may be nested: protobuf readers give up at 100 messages, three of which make a level."""
_MAX_LINE: Final = 64 * 1024
_LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "ERROR"})
_STREAMS: Final = frozenset({"stdout", "stderr", "log"})


def result(message: worker_pb2.WorkerMessage.Result) -> Succeeded | Failed:
    """The outcome a worker reports; an output that is no acceptable JSON becomes a failure."""
    ref, limits, usage = work.ref(message.ref), work.limits(message), work.usage(message)
    if message.WhichOneof("outcome") == "output_json":
        payload = work.output(message)
        problem = refusal(payload)
        if problem:
            return Failed(
                ref, Failure(ErrorKind.INVALID_OUTPUT, f"its output {problem}"), limits=limits, usage=usage
            )
        return Succeeded(ref, payload, limits, usage)
    if message.WhichOneof("outcome") == "error":
        return Failed(ref, work.failure(message.error), limits=limits, usage=usage)
    return Failed(
        ref, Failure(ErrorKind.INTERNAL, "its worker reported no outcome"), limits=limits, usage=usage
    )


def refusal(payload: Payload) -> str:
    """Why a payload cannot be taken; empty when it can."""
    if len(payload.raw) > MAX_PAYLOAD:
        return f"has {len(payload.raw)} bytes of JSON, more than {MAX_PAYLOAD}"
    try:
        value = payload.value
        if b"\\ud" in payload.raw or b"\\uD" in payload.raw:
            jsonvalue.canonical(value)  # raises for lone surrogates, which no UTF-8 text can hold
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"
    if payload.raw.count(b"[") + payload.raw.count(b"{") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        return f"is nested deeper than {MAX_DEPTH} levels"
    return ""


def depth(value: Json) -> int:
    """How deep a value is nested; 0 for a scalar."""
    deepest, waiting = 0, [(value, 0)]
    while waiting:
        one, level = waiting.pop()
        if isinstance(one, (dict, list)):
            level += 1
            deepest = max(deepest, level)
            waiting += [(item, level) for item in (one.values() if isinstance(one, dict) else one)]
    return deepest


def logs(message: worker_pb2.WorkerMessage.Logs) -> Iterator[Utterance]:
    """The lines, in order."""
    for line in message.lines:
        ref = work.ref(line.ref)
        text = line.message if len(line.message) <= _MAX_LINE else f"{line.message[:_MAX_LINE]}… (cut)"
        stream = line.stream if line.stream in _STREAMS else "log"
        level = line.level if line.level in _LEVELS else "INFO"
        yield _said(ref, wire.LOG, wire.log(ref.step_id, ref.attempt, stream, level, text), line.number)


def progress(message: worker_pb2.WorkerMessage.ProgressReport) -> Utterance:
    """How far the step is; the fraction is brought between 0 and 1."""
    ref = work.ref(message.ref)
    fraction = min(1.0, max(0.0, message.fraction)) if message.fraction == message.fraction else 0.0
    return _said(
        ref, wire.PROGRESS, wire.progress(ref.step_id, ref.attempt, fraction, message.message[:1000])
    )


def preview(message: worker_pb2.WorkerMessage.PreviewReport) -> Utterance:
    """An intermediate value; one that cannot be taken becomes a line that says so."""
    ref = work.ref(message.ref)
    payload = Payload(message.value_json)
    problem = refusal(payload)
    if not problem:
        return _said(ref, wire.PREVIEW, wire.preview(ref.step_id, ref.attempt, payload))
    text = f"a preview was left out: it {problem}"
    return _said(ref, wire.LOG, wire.log(ref.step_id, ref.attempt, "log", "WARNING", text))


def _said(ref: Ref, kind: str, body: bytes, line: int = 0) -> Utterance:
    return Utterance(ref.run_id, ref, kind, body, line)
