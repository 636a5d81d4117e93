"""Two runs beside each other."""

from collections.abc import Sequence

from google.protobuf import duration_pb2, struct_pb2

from mcpanel.engine.v1 import engine_pb2, run_pb2

_Response = engine_pb2.CompareRunsResponse


def response(
    one: run_pb2.Run,
    other: run_pb2.Run,
    steps: Sequence[run_pb2.StepExecution],
    other_steps: Sequence[run_pb2.StepExecution],
) -> engine_pb2.CompareRunsResponse:
    """The answer."""
    mine = {step.step_id: step for step in steps}
    theirs = {step.step_id: step for step in other_steps}
    return _Response(
        run=one,
        other=other,
        inputs=_values(one.inputs, other.inputs),
        outputs=_values(one.outputs, other.outputs),
        steps=[
            _step(path, mine.get(path), theirs.get(path), only_in=one.id if path in mine else other.id)
            for path in dict.fromkeys([*mine, *theirs])
        ],
    )


def _values(
    one: struct_pb2.Struct, other: struct_pb2.Struct
) -> list[engine_pb2.CompareRunsResponse.ValueDifference]:
    return [
        _Response.ValueDifference(name=name, value=one.fields.get(name), other=other.fields.get(name))
        for name in sorted({*one.fields, *other.fields})
        if one.fields.get(name) != other.fields.get(name)
    ]


def _step(
    path: str, one: run_pb2.StepExecution | None, other: run_pb2.StepExecution | None, *, only_in: str
) -> engine_pb2.CompareRunsResponse.StepDifference:
    difference = _Response.StepDifference(step_id=path, step=one, other=other)
    if one is None or other is None:
        difference.differs.append("existence")
        difference.only_in = only_in
        return difference
    fields = ("component", "status", "inputs", "output", "error")
    difference.differs.extend(name for name in fields if getattr(one, name) != getattr(other, name))
    if all(step.HasField("started_at") and step.HasField("ended_at") for step in (one, other)):
        difference.longer.CopyFrom(_took(one, other))
    return difference


def _took(one: run_pb2.StepExecution, other: run_pb2.StepExecution) -> duration_pb2.Duration:
    def nanos(step: run_pb2.StepExecution) -> int:
        return step.ended_at.ToNanoseconds() - step.started_at.ToNanoseconds()

    duration = duration_pb2.Duration()
    duration.FromNanoseconds(nanos(one) - nanos(other))
    return duration
