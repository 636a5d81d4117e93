"""Schedules as the contract shows them."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import duration_pb2

from chassis import jsonvalue
from chassis.fieldmask import paths
from engine.schedules import CHANGEABLE, Schedule
from engine.wire.events import moment, timestamp
from mcpanel.engine.v1 import schedule_pb2

_CatchUp = schedule_pb2.Schedule.CatchUp


def schedule(one: Schedule, upcoming: Sequence[datetime]) -> schedule_pb2.Schedule:
    """A schedule, with its next fire times."""
    message = schedule_pb2.Schedule(
        id=one.id,
        name=one.name,
        description=one.description,
        workflow=one.workflow_name,
        workflow_id=one.workflow_id,
        workflow_version=one.workflow_version,
        inputs=jsonvalue.to_struct(jsonvalue.parse_object(one.inputs)),
        start_at=timestamp(one.start_at),
        end_at=timestamp(one.end_at),
        catch_up=one.catch_up,
        paused=one.paused,
        next_fire_times=[found for at in upcoming if (found := timestamp(at)) is not None],
        skipped_count=one.skipped_count,
        waiting_for=one.waiting_for,
        owner_id=one.owner_id,
        etag=one.etag,
        created_at=timestamp(one.created_at),
        updated_at=timestamp(one.updated_at),
    )
    if one.every is None:
        message.cron.expression, message.cron.time_zone = one.cron, one.time_zone
    else:
        message.interval.every.FromTimedelta(one.every)
        if one.anchor_at is not None:
            message.interval.anchor_at.FromDatetime(one.anchor_at)
    if one.last is not None:
        message.last_fire.CopyFrom(_fire(one.last))
    return message


def sent(message: schedule_pb2.Schedule) -> dict[str, dict[str, Any]]:
    """What a caller sent: for each field the columns it sets. The workflow's are found out later."""
    cron = {
        "cron": message.cron.expression,
        "time_zone": message.cron.time_zone,
        "every": None,
        "anchor_at": None,
    }
    interval = {
        "cron": "",
        "time_zone": "",
        "every": _timedelta(message.interval.every) if message.HasField("interval") else None,
        "anchor_at": moment(message.interval.anchor_at) if message.interval.HasField("anchor_at") else None,
    }
    return {
        "description": {"description": message.description},
        "workflow_version": {"workflow_version": message.workflow_version},
        "inputs": {"inputs": jsonvalue.canonical(jsonvalue.from_struct(message.inputs))},
        message.WhichOneof("times") or "cron": interval if message.HasField("interval") else cron,
        "start_at": {"start_at": moment(message.start_at) if message.HasField("start_at") else None},
        "end_at": {"end_at": moment(message.end_at) if message.HasField("end_at") else None},
        "catch_up": {"catch_up": _CatchUp.Name(message.catch_up or _CatchUp.LATEST)},
    }


def fields(request: schedule_pb2.UpdateScheduleRequest) -> Collection[str]:
    """The fields an update changes. Raises Invalid INVALID_UPDATE_MASK."""
    return paths(request.update_mask, request.schedule, CHANGEABLE)


def _fire(last: dict[str, Any]) -> schedule_pb2.Schedule.Fire:
    return schedule_pb2.Schedule.Fire(
        fire_time=timestamp(read_time(last["fire_time"])),
        time=timestamp(read_time(last["time"])),
        run_id=last["run_id"],
        error=last["error"],
    )


def read_time(text: str) -> datetime:
    """A moment as it is stored inside a document."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _timedelta(message: duration_pb2.Duration) -> timedelta:
    return message.ToTimedelta()
