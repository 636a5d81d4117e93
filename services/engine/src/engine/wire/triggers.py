"""Triggers as the contract shows them."""

from collections.abc import Collection
from typing import Any

from chassis import jsonvalue
from chassis.fieldmask import paths
from engine.triggers import CHANGEABLE, Trigger
from engine.wire.events import timestamp
from engine.wire.schedules import read_time
from mcpanel.engine.v1 import run_pb2, trigger_pb2

_Signature = trigger_pb2.Trigger.Webhook.Signature


def trigger(one: Trigger) -> trigger_pb2.Trigger:
    """A trigger; never its secret."""
    message = trigger_pb2.Trigger(
        id=one.id,
        name=one.name,
        description=one.description,
        workflow=one.workflow_name,
        workflow_id=one.workflow_id,
        workflow_version=one.workflow_version,
        inputs=jsonvalue.to_struct(jsonvalue.parse_object(one.inputs)),
        paused=one.paused,
        owner_id=one.owner_id,
        etag=one.etag,
        created_at=timestamp(one.created_at),
        updated_at=timestamp(one.updated_at),
    )
    if one.is_webhook:
        webhook = trigger_pb2.Trigger.Webhook(
            signature=one.signature,
            path=f"/api/v1/webhooks/{one.id}",
            old_secret_until=timestamp(one.old_until),
        )
        message.webhook.CopyFrom(webhook)
    else:
        run_end = trigger_pb2.Trigger.RunEnd(
            workflow=one.source_workflow_name,
            workflow_id=one.source_workflow_id,
            statuses=one.source_statuses,
        )
        message.run_end.CopyFrom(run_end)
    if one.last is not None:
        message.last_start.CopyFrom(_start(one.last))
    return message


def sent(message: trigger_pb2.Trigger) -> dict[str, dict[str, Any]]:
    """What a caller sent: for each field the columns it sets. The workflows' are found out later."""
    statuses = [run_pb2.Run.Status.Name(one) for one in message.run_end.statuses] or ["SUCCESS"]
    return {
        "description": {"description": message.description},
        "workflow_version": {"workflow_version": message.workflow_version},
        "inputs": {"inputs": jsonvalue.canonical(jsonvalue.from_struct(message.inputs))},
        "paused": {"paused": message.paused},
        "run_end": {"source_statuses": tuple(statuses)},
    }


def signature(message: trigger_pb2.Trigger) -> str:
    """How a new webhook's messages are signed; empty for what is no webhook."""
    if not message.HasField("webhook"):
        return ""
    return _Signature.Name(message.webhook.signature or _Signature.STANDARD)


def fields(request: trigger_pb2.UpdateTriggerRequest) -> Collection[str]:
    """The fields an update changes. Raises Invalid INVALID_UPDATE_MASK."""
    return paths(request.update_mask, request.trigger, CHANGEABLE)


def _start(last: dict[str, Any]) -> trigger_pb2.Trigger.Start:
    return trigger_pb2.Trigger.Start(
        time=timestamp(read_time(last["time"])),
        cause=last["cause"],
        run_id=last["run_id"],
        error=last["error"],
    )
