"""Workflows, their steps and problems."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from chassis import jsonvalue
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from registry.domain.workflows import ABSENT, Absent, Content, Draft, Input, Problem, Retry, Step, Workflow
from registry.wire.values import enum_name, timestamp, value_json

_Visibility: Final = component_pb2.Definition.Visibility


def draft(message: workflow_pb2.Workflow) -> Draft:
    """What the caller says of a workflow."""
    return Draft(
        name=message.name,
        display_name=message.display_name,
        description=message.description,
        inputs={name: _input(one, f"workflow.inputs.{name}") for name, one in sorted(message.inputs.items())},
        steps=tuple(_step(one, f"workflow.steps[{index}]") for index, one in enumerate(message.steps)),
        outputs={
            name: value_json(one, f"workflow.outputs.{name}") for name, one in sorted(message.outputs.items())
        },
        tags=tuple(message.tags),
        visibility=enum_name(_Visibility, message.visibility),
        etag=message.etag,
    )


def _input(message: workflow_pb2.WorkflowInput, path: str) -> Input:
    default = value_json(message.default, f"{path}.default") if message.HasField("default") else ABSENT
    return Input(message.type, default, message.description)


def _step(message: workflow_pb2.Step, path: str) -> Step:
    return Step(
        id=message.id,
        component=message.component,
        with_={
            name: value_json(one, f"{path}.with.{name}")
            for name, one in sorted(getattr(message, "with").items())
        },
        if_=getattr(message, "if"),
        needs=tuple(message.needs),
        retry=_retry(message.retry) if message.HasField("retry") else None,
        timeout=message.timeout.ToTimedelta() if message.HasField("timeout") else None,
    )


def _retry(message: workflow_pb2.Retry) -> Retry:
    return Retry(
        max_attempts=message.max_attempts,
        backoff=message.backoff.ToTimedelta() if message.HasField("backoff") else None,
        factor=message.factor,
        max_backoff=message.max_backoff.ToTimedelta() if message.HasField("max_backoff") else None,
    )


def drafted(one: Draft, content: Content | None = None) -> workflow_pb2.Workflow:
    """The message that a caller would have sent for a draft; with `content` in place of its own."""
    message = workflow_pb2.Workflow(
        name=one.name,
        display_name=one.display_name,
        description=one.description,
        tags=one.tags,
        visibility=one.visibility or None,
    )
    _put_content(message, one.content if content is None else content)
    return message


def workflow(one: Workflow) -> workflow_pb2.Workflow:
    """The message of a workflow."""
    message = workflow_pb2.Workflow(
        id=one.id,
        name=one.name,
        display_name=one.display_name,
        description=one.description,
        tags=one.tags,
        visibility=one.visibility,
        owner_id=one.owner_id,
        version=one.version,
        etag=one.etag,
        created_at=timestamp(one.created_at),
        updated_at=timestamp(one.updated_at),
    )
    _put_content(message, one.content)
    return message


def workflows(found: Iterable[Workflow]) -> list[workflow_pb2.Workflow]:
    """The messages of many."""
    return [workflow(one) for one in found]


def problems(found: Iterable[Problem]) -> list[workflow_pb2.WorkflowProblem]:
    """The messages of problems."""
    return [
        workflow_pb2.WorkflowProblem(
            step=one.step, field=one.field, line=one.line, column=one.column, message=one.message, fix=one.fix
        )
        for one in found
    ]


def _put_content(message: workflow_pb2.Workflow, content: Content) -> None:
    for name, declared in content.inputs.items():
        one = message.inputs[name]
        one.type, one.description = declared.type, declared.description
        if not isinstance(declared.default, Absent):
            one.default.CopyFrom(jsonvalue.to_value(declared.default))
    message.steps.extend(_step_message(step) for step in content.steps)
    for name, value in content.outputs.items():
        message.outputs[name].CopyFrom(jsonvalue.to_value(value))


def _step_message(step: Step) -> workflow_pb2.Step:
    words: dict[str, Any] = {
        "if": step.if_,
        "with": {},
    }  # keywords of Python, so not to be written as arguments
    if step.pin is not None:
        words["component_type"] = step.pin.type
    message = workflow_pb2.Step(id=step.id, component=step.component, needs=step.needs, **words)
    for name, value in step.with_.items():
        getattr(message, "with")[name].CopyFrom(jsonvalue.to_value(value))
    if step.retry is not None:
        message.retry.CopyFrom(_retry_message(step.retry))
    if step.timeout is not None:
        message.timeout.CopyFrom(_duration(step.timeout))
    if step.pin is not None:
        message.component_version_id = step.pin.version_id
        message.component_version = step.pin.version
    return message


def _retry_message(retry: Retry) -> workflow_pb2.Retry:
    message = workflow_pb2.Retry(max_attempts=retry.max_attempts, factor=retry.factor)
    if retry.backoff is not None:
        message.backoff.CopyFrom(_duration(retry.backoff))
    if retry.max_backoff is not None:
        message.max_backoff.CopyFrom(_duration(retry.max_backoff))
    return message


def _duration(delta: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(delta)
    return message
