"""A workflow's content as the JSON it is stored as: what was not given is left out, durations are seconds.

Versions are immutable, so what any release has stored is read for ever: new fields are optional here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from chassis.jsonvalue import Json, canonical
from registry.domain.content import (
    ABSENT,
    Absent,
    Approval,
    Cache,
    Concurrency,
    Content,
    Input,
    Pin,
    RateLimit,
    Resources,
    Retry,
    Step,
    WorkflowPin,
)


def digest(content: Content) -> str:
    """Equal contents, pins included, have equal digests."""
    return hashlib.sha256(canonical(to_json(content))).hexdigest()


def to_json(content: Content) -> dict[str, Json]:
    """The content as it is stored."""
    inputs: dict[str, Json] = {}
    for name, one in content.inputs.items():
        body: dict[str, Json] = {"type": one.type, "description": one.description}
        inputs[name] = body if isinstance(one.default, Absent) else body | {"default": one.default}
    steps: list[Json] = [_step_to_json(step) for step in content.steps]
    whole: dict[str, Json] = {"inputs": inputs, "steps": steps, "outputs": dict(content.outputs)}
    return whole | _given(
        timeout=_seconds(content.timeout),
        concurrency=None if content.concurrency is None else asdict(content.concurrency),
        priority=content.priority,
    )


def from_json(body: Mapping[str, Any]) -> Content:
    """The content that `to_json` wrote, in this release or before."""
    inputs = {
        name: Input(one["type"], one.get("default", ABSENT), one["description"])
        for name, one in body["inputs"].items()
    }
    concurrency = body.get("concurrency")
    return Content(
        inputs=inputs,
        steps=tuple(_step_from_json(step) for step in body["steps"]),
        outputs=body["outputs"],
        timeout=_delta(body.get("timeout")),
        concurrency=None if concurrency is None else Concurrency(**concurrency),
        priority=body.get("priority", 0),
    )


def _step_to_json(step: Step) -> Json:
    body: dict[str, Json] = {"id": step.id, "component": step.component, "with": dict(step.with_)}
    body |= {"if": step.if_, "needs": list(step.needs)}
    if not isinstance(step.for_each, Absent):
        body["for_each"] = step.for_each
    return body | _given(
        workflow=step.workflow,
        join=step.join,
        max_parallel=step.max_parallel,
        on_failure=step.on_failure,
        approval=_approval(step.approval),
        retry=_retry(step.retry),
        timeout=_seconds(step.timeout),
        waiting_timeout=_seconds(step.waiting_timeout),
        heartbeat_timeout=_seconds(step.heartbeat_timeout),
        cache=None if step.cache is None else {"key": step.cache.key, "ttl": _seconds(step.cache.ttl)},
        rate_limit=_rate_limit(step.rate_limit),
        effect=step.effect,
        pool=step.pool,
        labels=list(step.labels),
        resources=None if step.resources is None else asdict(step.resources),
        pin=None if step.pin is None else asdict(step.pin),
        workflow_pin=None if step.workflow_pin is None else asdict(step.workflow_pin),
    )


def _given(**fields: Json) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value not in (None, "", 0, [])}


def _approval(one: Approval | None) -> Json:
    if one is None:
        return None
    return {"message": one.message, "timeout": _seconds(one.timeout), "approvers": list(one.approvers)}


def _retry(one: Retry | None) -> Json:
    if one is None:
        return None
    return {
        "max_attempts": one.max_attempts,
        "backoff": _seconds(one.backoff),
        "factor": one.factor,
        "max_backoff": _seconds(one.max_backoff),
        **_given(jitter=one.jitter, on=list(one.on)),
    }


def _rate_limit(one: RateLimit | None) -> Json:
    return None if one is None else {"limit": one.limit, "period": _seconds(one.period), "key": one.key}


def _step_from_json(body: Mapping[str, Any]) -> Step:
    approval, retry, cache = body.get("approval"), body.get("retry"), body.get("cache")
    rate_limit, resources = body.get("rate_limit"), body.get("resources")
    return Step(
        id=body["id"],
        component=body["component"],
        workflow=body.get("workflow", ""),
        with_=body["with"],
        if_=body["if"],
        needs=tuple(body["needs"]),
        join=body.get("join", ""),
        for_each=body.get("for_each", ABSENT),
        max_parallel=body.get("max_parallel", 0),
        on_failure=body.get("on_failure", ""),
        approval=None
        if approval is None
        else Approval(approval["message"], _delta(approval["timeout"]), tuple(approval["approvers"])),
        retry=None
        if retry is None
        else Retry(
            max_attempts=retry["max_attempts"],
            backoff=_delta(retry["backoff"]),
            factor=retry["factor"],
            max_backoff=_delta(retry["max_backoff"]),
            jitter=retry.get("jitter", 0.0),
            on=tuple(retry.get("on", ())),
        ),
        timeout=_delta(body.get("timeout")),
        waiting_timeout=_delta(body.get("waiting_timeout")),
        heartbeat_timeout=_delta(body.get("heartbeat_timeout")),
        cache=None if cache is None else Cache(cache["key"], _delta(cache["ttl"])),
        rate_limit=None
        if rate_limit is None
        else RateLimit(rate_limit["limit"], _delta(rate_limit["period"]), rate_limit["key"]),
        effect=body.get("effect", ""),
        pool=body.get("pool", ""),
        labels=tuple(body.get("labels", ())),
        resources=None if resources is None else Resources(**resources),
        pin=Pin(**body["pin"]) if "pin" in body else None,
        workflow_pin=WorkflowPin(**body["workflow_pin"]) if "workflow_pin" in body else None,
    )


def _seconds(delta: timedelta | None) -> float | None:
    return None if delta is None else delta.total_seconds()


def _delta(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
