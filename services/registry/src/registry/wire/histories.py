"""Histories."""

from collections.abc import Iterable

from chassis import jsonvalue
from mcpanel.registry.v1 import history_pb2
from registry.domain.histories import Change
from registry.wire.values import timestamp


def entries(changes: Iterable[Change]) -> list[history_pb2.HistoryEntry]:
    """The messages of changes."""
    return [_entry(one) for one in changes]


def _entry(one: Change) -> history_pb2.HistoryEntry:
    message = history_pb2.HistoryEntry(
        id=one.id,
        time=timestamp(one.time),
        action=one.action,
        actor_id=one.actor_id,
        actor_name=one.actor_name,
        actor_kind=one.actor_kind,
        entity_type=one.entity[0],
        entity_id=one.entity[1],
        changed=one.changed,
    )
    if one.old is not None:
        message.old.CopyFrom(jsonvalue.to_struct(one.old))
    if one.new is not None:
        message.new.CopyFrom(jsonvalue.to_struct(one.new))
    if one.details:
        message.details.CopyFrom(jsonvalue.to_struct(one.details))
    return message
