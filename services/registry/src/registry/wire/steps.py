"""Steps."""

from datetime import timedelta
from typing import Any

from chassis import jsonvalue
from mcpanel.registry.v1 import workflow_pb2
from registry.domain.content import ABSENT, Absent, Approval, Cache, RateLimit, Resources, Retry, Step
from registry.wire.values import delta, duration, value_json


def step(message: workflow_pb2.Step, path: str) -> Step:
    """What the caller says of a step; `path` is where it lies in the request."""
    inputs = getattr(message, "with")
    return Step(
        id=message.id,
        component=message.component,
        workflow=message.workflow,
        with_={name: value_json(one, f"{path}.with.{name}") for name, one in sorted(inputs.items())},
        if_=getattr(message, "if"),
        needs=tuple(message.needs),
        join=message.join,
        for_each=value_json(message.for_each, f"{path}.for_each") if message.HasField("for_each") else ABSENT,
        max_parallel=message.max_parallel,
        on_failure=message.on_failure,
        approval=_approval(message.approval) if message.HasField("approval") else None,
        retry=_retry(message.retry) if message.HasField("retry") else None,
        timeout=delta(message, "timeout"),
        waiting_timeout=delta(message, "waiting_timeout"),
        heartbeat_timeout=delta(message, "heartbeat_timeout"),
        cache=Cache(message.cache.key, delta(message.cache, "ttl")) if message.HasField("cache") else None,
        rate_limit=_rate_limit(message.rate_limit) if message.HasField("rate_limit") else None,
        effect=message.effect,
        pool=message.pool,
        labels=tuple(message.labels),
        resources=Resources(message.resources.cpu, message.resources.memory)
        if message.HasField("resources")
        else None,
    )


def _approval(message: workflow_pb2.Approval) -> Approval:
    return Approval(message.message, delta(message, "timeout"), tuple(message.approvers))


def _retry(message: workflow_pb2.Retry) -> Retry:
    return Retry(
        max_attempts=message.max_attempts,
        backoff=delta(message, "backoff"),
        factor=message.factor,
        max_backoff=delta(message, "max_backoff"),
        jitter=message.jitter,
        on=tuple(message.on),
    )


def _rate_limit(message: workflow_pb2.RateLimit) -> RateLimit:
    return RateLimit(message.limit, delta(message, "period"), message.key)


def message(one: Step) -> workflow_pb2.Step:
    """The message of a step."""
    made = workflow_pb2.Step(
        id=one.id,
        component=one.component,
        workflow=one.workflow,
        needs=one.needs,
        join=one.join,
        max_parallel=one.max_parallel,
        on_failure=one.on_failure,
        effect=one.effect,
        pool=one.pool,
        labels=one.labels,
        component_type=None if one.pin is None else one.pin.type,
    )
    setattr(made, "if", one.if_)  # keywords of Python, so not to be written as such
    for name, value in one.with_.items():
        getattr(made, "with")[name].CopyFrom(jsonvalue.to_value(value))
    if not isinstance(one.for_each, Absent):
        made.for_each.CopyFrom(jsonvalue.to_value(one.for_each))
    for field in ("timeout", "waiting_timeout", "heartbeat_timeout"):
        _put_duration(made, field, getattr(one, field))
    _put_parts(made, one)
    _put_pins(made, one)
    return made


def _put_parts(made: workflow_pb2.Step, one: Step) -> None:
    if one.approval is not None:
        made.approval.CopyFrom(
            workflow_pb2.Approval(message=one.approval.message, approvers=one.approval.approvers)
        )
        _put_duration(made.approval, "timeout", one.approval.timeout)
    if one.retry is not None:
        made.retry.CopyFrom(_retry_message(one.retry))
    if one.cache is not None:
        made.cache.CopyFrom(workflow_pb2.Cache(key=one.cache.key))
        _put_duration(made.cache, "ttl", one.cache.ttl)
    if one.rate_limit is not None:
        made.rate_limit.CopyFrom(workflow_pb2.RateLimit(limit=one.rate_limit.limit, key=one.rate_limit.key))
        _put_duration(made.rate_limit, "period", one.rate_limit.period)
    if one.resources is not None:
        made.resources.CopyFrom(workflow_pb2.Resources(cpu=one.resources.cpu, memory=one.resources.memory))


def _retry_message(one: Retry) -> workflow_pb2.Retry:
    made = workflow_pb2.Retry(max_attempts=one.max_attempts, factor=one.factor, jitter=one.jitter, on=one.on)
    _put_duration(made, "backoff", one.backoff)
    _put_duration(made, "max_backoff", one.max_backoff)
    return made


def _put_pins(made: workflow_pb2.Step, one: Step) -> None:
    if one.pin is not None:
        made.component_version_id = one.pin.version_id
        made.component_version = one.pin.version
    if one.workflow_pin is not None:
        made.workflow_id = one.workflow_pin.workflow_id
        made.workflow_version = one.workflow_pin.version


def _put_duration(made: Any, field: str, length: timedelta | None) -> None:
    if length is not None:
        getattr(made, field).CopyFrom(duration(length))
