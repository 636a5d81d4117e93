"""What a watcher reads first: how far the run is, and its events so far. Prepared: it happens at least once a run."""

from typing import Final

from engine.records import EventRecord
from engine.store.pipeline import Command, Rows
from engine.store.runs import Reader

_POSITION: Final = """
SELECT status, last_seq FROM runs
WHERE id = %s::uuid AND (%s = '' OR id::text = %s)
    AND (%s::boolean OR is_public OR started_by = %s OR owner_id = %s OR workflow_id = ANY(%s))"""
_EVENTS: Final = """
SELECT run_id::text, seq, time, kind, body FROM run_events
WHERE run_id = %s::uuid AND seq > %s::int ORDER BY seq LIMIT %s::int"""


def position_sql(run_id: str, reader: Reader) -> Command:
    """Status and newest event's number of a run the reader may see; a row, or none."""
    caller_id = reader.caller_id or ""
    sees = (reader.caller_id is None, caller_id, caller_id, sorted(reader.given.seen))
    return _POSITION, (run_id, reader.only, reader.only, *sees)


def events_sql(run_id: str, after_seq: int, limit: int) -> Command:
    """At most `limit` of the run's events after `after_seq`, in order; rows for `to_events`."""
    return _EVENTS, (run_id, after_seq, limit)


def to_events(rows: Rows) -> list[EventRecord]:
    """The events that rows hold."""
    return [EventRecord(*row) for row in rows]
