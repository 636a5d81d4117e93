"""What a worker sends, checked before it may become part of a run: what is wrong with it fails its attempt, no more."""

from typing import Final

from google.protobuf import struct_pb2

from chassis import jsonvalue
from chassis.ids import is_uuid
from chassis.jsonvalue import Json
from engine.dispatch.items import Utterance
from engine.dispatch.unit import Word
from engine.domain import MAX_PAYLOAD, ErrorKind, Failure, Payload, Ref
from engine.state import Failed, Succeeded
from engine.wire import events as wire
from engine.wire import work
from mcpanel.engine.v1 import run_pb2, worker_pb2

MAX_DEPTH: Final = 30
"""How deep a JSON value may be nested: protobuf readers give up at 100 messages, three of which make a level."""
_MAX_LINE: Final = 64 * 1024
_TOGETHER: Final = 128
"""How many lines of an attempt are handled as one thing, at most."""
_MAX_TOOL: Final = 100
_MAX_MESSAGE: Final = 1000
_MAX_ARGUMENTS: Final = 16 * 1024
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


def logs(message: worker_pb2.WorkerMessage.Logs) -> list[Utterance]:
    """The lines and the calls of tools among them, in order: those of one attempt together."""
    found: list[Utterance] = []
    whose, ref, said = worker_pb2.AttemptRef(), Ref("", "", 0, 0), list[Word]()
    for line in message.lines:
        if not said or len(said) == _TOGETHER or line.ref != whose:
            whose, said = line.ref, []
            ref = work.ref(whose)
            found.append(Utterance(ref.run_id, ref, said))
        if line.HasField("tool_call"):
            said.append(Word(wire.TOOL_CALL, wire.tool_call(_tool_call(ref, line.tool_call)), line.number))
        else:
            said.append(_line(ref, line.stream, line.level, line.message, line.number))
    return found


def _line(ref: Ref, stream: str, level: str, message: str, number: int = 0) -> Word:
    text = message if len(message) <= _MAX_LINE else f"{message[:_MAX_LINE]}… (cut)"
    stream = stream if stream in _STREAMS else "log"
    level = level if level in _LEVELS else "INFO"
    about = ref.step_id, ref.attempt, stream, level, text
    return Word(wire.LOG, wire.log(*about), number, wire.line(*about))


def _tool_call(ref: Ref, said: run_pb2.ToolCall) -> run_pb2.ToolCall:
    """A call of a tool in what watchers can be shown of it; arguments that cannot be taken are left out."""
    call = run_pb2.ToolCall(
        step_id=ref.step_id,
        attempt=ref.attempt,
        call=max(0, said.call),
        tool=said.tool[:_MAX_TOOL],
        status=said.status,
        arguments_omitted=said.arguments_omitted,
        message=said.message[:_MAX_MESSAGE],
        started_run_id=said.started_run_id if is_uuid(said.started_run_id) else "",
    )
    if said.HasField("duration") and said.duration.seconds >= 0 and said.duration.nanos >= 0:
        call.duration.CopyFrom(said.duration)
    if said.HasField("arguments"):
        arguments = _arguments(said.arguments)
        if arguments is None:
            call.arguments_omitted = True
        else:
            call.arguments.CopyFrom(arguments)
    return call


def _arguments(said: struct_pb2.Value) -> struct_pb2.Value | None:
    """The arguments as JSON has them; None when they cannot be taken."""
    try:
        payload = Payload(jsonvalue.canonical(jsonvalue.from_value(said)))
    except ValueError:
        return None
    if len(payload.raw) > _MAX_ARGUMENTS or refusal(payload):
        return None
    return jsonvalue.to_value(payload.value)


def progress(message: worker_pb2.WorkerMessage.ProgressReport) -> Utterance:
    """How far the step is; the fraction is brought between 0 and 1."""
    ref = work.ref(message.ref)
    fraction = min(1.0, max(0.0, message.fraction)) if message.fraction == message.fraction else 0.0
    body = wire.progress(ref.step_id, ref.attempt, fraction, message.message[:1000])
    return Utterance(ref.run_id, ref, [Word(wire.PROGRESS, body)])


def preview(message: worker_pb2.WorkerMessage.PreviewReport) -> Utterance:
    """An intermediate value; one that cannot be taken becomes a line that says so."""
    ref = work.ref(message.ref)
    payload = Payload(message.value_json)
    problem = refusal(payload)
    if not problem:
        said = Word(wire.PREVIEW, wire.preview(ref.step_id, ref.attempt, payload))
    else:
        said = _line(ref, "log", "WARNING", f"a preview was left out: it {problem}")
    return Utterance(ref.run_id, ref, [said])
