"""Workflows and their problems."""

from collections.abc import Iterable
from typing import Final

from chassis import jsonvalue
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from registry.domain.content import ABSENT, Absent, Concurrency, Content, Input
from registry.domain.problems import Problem
from registry.domain.workflows import Draft, Workflow
from registry.wire import steps
from registry.wire.values import delta, duration, enum_name, timestamp, value_json

_Visibility: Final = component_pb2.Definition.Visibility
_Status: Final = workflow_pb2.Workflow.Status


def draft(message: workflow_pb2.Workflow) -> Draft:
    """What the caller says of a workflow."""
    return Draft(
        name=message.name,
        display_name=message.display_name,
        description=message.description,
        tags=tuple(message.tags),
        visibility=enum_name(_Visibility, message.visibility),
        status=enum_name(_Status, message.status),
        etag=message.etag,
        content=_content(message),
    )


def _content(message: workflow_pb2.Workflow) -> Content:
    return Content(
        inputs={name: _input(one, f"workflow.inputs.{name}") for name, one in sorted(message.inputs.items())},
        steps=tuple(steps.step(one, f"workflow.steps[{index}]") for index, one in enumerate(message.steps)),
        outputs={
            name: value_json(one, f"workflow.outputs.{name}") for name, one in sorted(message.outputs.items())
        },
        timeout=delta(message, "timeout"),
        concurrency=_concurrency(message.concurrency) if message.HasField("concurrency") else None,
        priority=message.priority,
    )


def _input(message: workflow_pb2.WorkflowInput, path: str) -> Input:
    default = value_json(message.default, f"{path}.default") if message.HasField("default") else ABSENT
    return Input(message.type, default, message.description)


def _concurrency(message: workflow_pb2.Concurrency) -> Concurrency:
    return Concurrency(message.key, message.limit, message.policy)


def drafted(one: Draft, content: Content | None = None) -> workflow_pb2.Workflow:
    """The message that a caller would have sent for a draft; with `content` in place of its own."""
    message = workflow_pb2.Workflow(
        name=one.name,
        display_name=one.display_name,
        description=one.description,
        tags=one.tags,
        visibility=one.visibility or None,
        status=one.status or None,
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
        status=one.status,
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
    message.steps.extend(steps.message(step) for step in content.steps)
    for name, value in content.outputs.items():
        message.outputs[name].CopyFrom(jsonvalue.to_value(value))
    if content.timeout is not None:
        message.timeout.CopyFrom(duration(content.timeout))
    if (limits := content.concurrency) is not None:
        message.concurrency.CopyFrom(
            workflow_pb2.Concurrency(key=limits.key, limit=limits.limit, policy=limits.policy)
        )
    message.priority = content.priority
