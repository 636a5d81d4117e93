"""The SQL of transitions: statements that are prepared once and sent in pipelines, a round trip for many.

Functions named `…_sql` only say what to send. Whoever runs them holds the row locks of the runs they are about.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from engine.domain import Failure, Payload, Usage
from engine.effects import ApprovalAsked, AttemptClosed, AttemptOpened, Cached, Effect, Touched
from engine.lanes import lane_of
from engine.records import RunInfo, to_decision_document, to_document
from engine.state import NEVER_RUN, RunState, StepState
from engine.store.pipeline import Command, Connection, Rows, run

BEGIN: Final[Command] = ("BEGIN", ())
COMMIT: Final[Command] = ("COMMIT", ())
ROLLBACK: Final[Command] = ("ROLLBACK", ())
NOW: Final[Command] = ("SELECT now()", ())
"""The transaction's time."""
_FEW: Final = 8
Line: TypeAlias = tuple[str, int, int, str, str]
"""What a line is found by: its step's path, attempt, level, stream, text."""
_NO_LINE: Final = (None,) * 5
_INSERT_PLAN = "INSERT INTO plans (digest, body) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_INSERT_VERSION = "INSERT INTO component_versions (id, body) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_INSERT_RUN = """
INSERT INTO runs (id, workflow_id, workflow_name, workflow_version, is_public, owner_id, plan, started_by,
    started_by_kind, started_by_name, started_through, trace_id, inputs, step_count, created_at, priority,
    status, cause, outputs, error, started_at, ended_at, cancel_requested_at, steps_ended, last_seq, status_seq,
    unaudited)
VALUES (%s::uuid, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s,
    %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, true)"""
_ORIGIN = """
UPDATE runs SET run_key = %s, rerun_of = %s::uuid, rerun_from = %s::text[], triggered_by = %s, limit_key = %s,
    limit_count = %s, budget = %s::jsonb
WHERE id = %s::uuid"""
_UPDATE_WAITING = """
UPDATE runs SET begun = %s, start_at = %s, deadline_at = %s, wake_at = %s, admitted = %s,
    pauses = %s::timestamptz[]
WHERE id = %s::uuid"""
_UPDATE_RUN = """
UPDATE runs SET status = %s, cause = %s, outputs = %s, error = %s, started_at = %s, ended_at = %s,
    cancel_requested_at = %s, steps_ended = %s, last_seq = %s, status_seq = coalesce(%s, status_seq),
    unaudited = true, version = version + 1
WHERE id = %s::uuid"""
_INSERT_END = """
INSERT INTO run_ends (workflow_id, workflow_name, is_public, owner_id, started_by, status, ended_at, milliseconds)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
_MOVE_SEQ = "UPDATE runs SET last_seq = %s, version = version + %s WHERE id = %s::uuid"
_COUNT_LINES = "UPDATE run_steps SET lines = %s, version = %s WHERE run_id = %s::uuid AND step_id = %s"
_INSERT_STEP = """
INSERT INTO run_steps (status, attempt, epoch, error, started_at, ended_at, due_at, worker_id, deadline_at, stopping,
    lines, version, run_id, step_id, kind, lane, priority, inputs, output)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::uuid, %s, %s, %s, %s, %s, %s)"""
_UPDATE_STEP = """
UPDATE run_steps SET status = %s, attempt = %s, epoch = %s, error = %s, started_at = %s, ended_at = %s, due_at = %s,
    worker_id = %s, deadline_at = %s, stopping = %s, lines = %s, version = %s
WHERE run_id = %s::uuid AND step_id = %s"""
_UPDATE_STEP_WAITING = """
UPDATE run_steps SET inputs = %s, expires_at = %s, gate = %s, not_before = %s, cache_digest = %s, copied_from = %s,
    decision = %s
WHERE run_id = %s::uuid AND step_id = %s"""
_ASK = "UPDATE run_steps SET message = %s, approvers = %s::text[] WHERE run_id = %s::uuid AND step_id = %s"
_UPDATE_STEP_OUTPUT = _UPDATE_STEP.replace("\nWHERE", ", output = %s\nWHERE")
_INSERT_ATTEMPT = """
INSERT INTO attempts (run_id, step_id, number, epoch, worker_id, isolation, status, error, started_at, ended_at,
    lease_expires_at, deadline_at, queued_at, limits)
VALUES (%s::uuid, %s, %s, %s, %s, %s, %s, %s, %s, %s, now() + %s::interval, %s, %s, %s)"""
_CLOSE_ATTEMPT = """
UPDATE attempts SET status = %s, error = %s, ended_at = %s, limits = %s
WHERE run_id = %s::uuid AND step_id = %s AND number = %s"""
_COUNT_USAGE = """
UPDATE attempts SET usage = %s WHERE run_id = %s::uuid AND step_id = %s AND number = %s"""
_INSERT_EVENT = "INSERT INTO run_events (run_id, seq, time, kind, body) VALUES (%s::uuid, %s, %s, %s, %s)"
_INSERT_LINE = """
INSERT INTO run_events (run_id, seq, time, kind, body, step_id, attempt, level, stream, line)
VALUES (%s::uuid, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
_INSERT_EVENTS = """
INSERT INTO run_events (run_id, seq, time, kind, body, step_id, attempt, level, stream, line)
SELECT x.run_id, x.seq, CAST(%s AS timestamptz), x.kind, x.body, x.step_id, x.attempt, x.level, x.stream, x.line
FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::bytea[], %s::text[], %s::int[], %s::int[], %s::text[], %s::text[])
    AS x(run_id, seq, kind, body, step_id, attempt, level, stream, line)"""
_PUT_CACHED = """
UPDATE step_cache SET output = %s, expires_at = now() + %s::interval, contents = %s::text[]
WHERE digest = %s AND run_id = %s::uuid AND step_id = %s"""
_ADOPT = """
INSERT INTO artifacts (id, run_id, step_id, attempt, name, media_type, size_bytes, sha256, created_at)
VALUES (uuidv7(), %s::uuid, %s, %s, %s, 'application/json', %s, %s, now()) ON CONFLICT DO NOTHING"""
_FORGET_OUTPUT = "DELETE FROM artifacts WHERE run_id = %s::uuid AND step_id = %s AND starts_with(name, '$')"
_DROP_CACHED = "DELETE FROM step_cache WHERE digest = %s AND run_id = %s::uuid AND step_id = %s"
_FOLLOW = """
INSERT INTO follow_ups (trigger_id, run_id, ended_at, retry_at)
SELECT t.id, x.run_id, CAST(%s AS timestamptz), CAST(%s AS timestamptz)
FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS x(run_id, workflow_id, status)
JOIN triggers t ON t.source_workflow_id = x.workflow_id AND t.source_workflow_id <> ''
WHERE x.status = ANY(t.source_statuses) AND NOT t.paused
ON CONFLICT DO NOTHING"""
_INSERT_OUTBOX = "INSERT INTO outbox (record_id, record) VALUES (%s, %s)"


def plan_sql(digest: bytes, body: bytes) -> Command:
    """Stores a plan that may be there already."""
    return _INSERT_PLAN, (digest, body)


def version_sql(version_id: str, body: bytes) -> Command:
    """Stores a component's version that may be there already."""
    return _INSERT_VERSION, (version_id, body)


def insert_run_sql(info: RunInfo, state: RunState, last_seq: int, status_seq: int) -> list[Command]:
    """Stores a new run."""
    fixed = (
        info.id,
        info.workflow_id,
        info.workflow_name,
        info.workflow_version,
        info.is_public,
        info.owner_id,
        state.plan.digest,
        info.started_by,
        info.started_by_kind,
        info.started_by_name,
        json.dumps(dict(info.started_through)),
        info.trace_id,
        state.inputs.raw,
        len(state.plan.steps),
        state.created_at,
        info.priority,
    )
    commands: list[Command] = [(_INSERT_RUN, (*fixed, *_run_values(state, last_seq, status_seq)))]
    origin = (
        info.run_key,
        info.rerun_of,
        info.rerun_from,
        info.triggered_by,
        state.limit_key,
        info.limit_count,
        None if info.budget is None else json.dumps(info.budget),
    )
    if any(origin):
        commands.append((_ORIGIN, (*origin[:2], list(info.rerun_from), *origin[3:], info.id)))
    if not state.begun or state.wake_at or state.deadline_at:
        commands.append(_waiting_sql(state))
    return commands


def update_run_sql(old: RunState, new: RunState, last_seq: int, status_seq: int | None) -> list[Command]:
    """Stores what changes of a run."""
    commands: list[Command] = [(_UPDATE_RUN, (*_run_values(new, last_seq, status_seq), new.id))]
    if _waits(old) != _waits(new):
        commands.append(_waiting_sql(new))
    return commands


def ended_sql(info: RunInfo, state: RunState, now: datetime) -> Command:
    """Stores that a run ended, to be counted."""
    took = now - (state.created_at or now)
    return _INSERT_END, (
        info.workflow_id,
        info.workflow_name,
        info.is_public,
        info.owner_id,
        info.started_by,
        state.status.value,
        now,
        took // timedelta(milliseconds=1),
    )


def _waits(state: RunState) -> tuple[Any, ...]:
    moments = state.start_at, state.deadline_at, state.wake_at
    return state.begun, *moments, state.admitted, list(state.pauses)


def _waiting_sql(state: RunState) -> Command:
    return _UPDATE_WAITING, (*_waits(state), state.id)


def speak_sql(run_id: str, lines: Mapping[str, int], last_seq: int, version: int | None) -> list[Command]:
    """Stores that events were appended which change nothing but how many lines the steps have written."""
    return [(_MOVE_SEQ, (last_seq, int(bool(lines)), run_id)), *lines_sql(run_id, lines, version)]


def lines_sql(run_id: str, lines: Mapping[str, int], version: int | None) -> list[Command]:
    """Stores how many lines steps have written; `version` as for `steps_sql`."""
    return [(_COUNT_LINES, (count, version, run_id, path)) for path, count in lines.items()]


def _run_values(state: RunState, last_seq: int, status_seq: int | None) -> tuple[Any, ...]:
    return (
        state.status.value,
        state.cause,
        None if state.outputs is None else state.outputs.raw,
        _error(state.failure),
        state.started_at,
        state.ended_at,
        state.cancel_requested_at,
        state.ended,
        last_seq,
        status_seq,
    )


def steps_sql(info: RunInfo, written: Iterable[Touched], version: int | None) -> list[Command]:
    """Stores the steps that changed. A step has a row from the moment it leaves PENDING.

    `version` is the run's, for rows of which what changed is read by itself.
    """
    commands: list[Command] = []
    for one in written:
        before, after, key = one.before, one.after, (info.id, one.step_id)
        values = (
            after.status.value,
            after.attempt,
            after.epoch,
            _error(after.failure),
            after.started_at,
            after.ended_at,
            after.due_at,
            after.worker_id,
            after.deadline_at,
            after.stopping,
            after.lines,
            version,
        )
        if before is None:
            lane = lane_of(one.planned)
            rest = (*key, one.planned.kind, lane, info.priority, _raw(after.inputs), _raw(after.output))
            commands.append((_INSERT_STEP, (*values, *rest)))
        elif after.output is not before.output:
            commands.append((_UPDATE_STEP_OUTPUT, (*values, _raw(after.output), *key)))
        else:
            commands.append((_UPDATE_STEP, (*values, *key)))
        known = NEVER_RUN if before is None else before
        inputs_are_new = before is not None and after.inputs is not before.inputs
        if inputs_are_new or _rare(known) != _rare(after):
            rare = (*_rare(after)[:-1], to_decision_document(after.decision))
            commands.append((_UPDATE_STEP_WAITING, (_raw(after.inputs), *rare, *key)))
    return commands


def _rare(state: StepState) -> tuple[Any, ...]:
    waits = state.expires_at, state.gate, state.not_before
    return *waits, state.cache_digest, state.copied_from, state.decision


def asked_sql(run_id: str, asked: ApprovalAsked) -> Command:
    """Stores what whoever decides about a step is told, and who may."""
    return _ASK, (asked.message, list(asked.approvers), run_id, asked.step_id)


def cached_sql(run_id: str, one: Cached) -> Command:
    """Stores what came of a computation that others wait for."""
    if one.output is None:
        return _DROP_CACHED, (one.digest, run_id, one.step_id)
    contents = [reference.sha256 for _, reference in one.output.references]
    return _PUT_CACHED, (one.output.raw, one.ttl, contents, one.digest, run_id, one.step_id)


def outputs_sql(run_id: str, written: Iterable[Touched]) -> list[Command]:
    """Gives the run artifacts of its own for the large outputs that it takes over from others, so that they are kept
    as long as it is and its readers may read them; and forgets those that attempts made which did not succeed.
    """
    commands: list[Command] = []
    for one in written:
        output = one.after.output
        had = None if one.before is None else one.before.output
        if output is None or output is had:
            continue
        if output.is_inline:
            if one.after.attempt > 1:
                commands.append((_FORGET_OUTPUT, (run_id, one.step_id)))
            continue
        if not one.after.copied_from:
            continue
        contents = {reference.sha256: reference.size_bytes for _, reference in output.references}
        for number, (sha256, size) in enumerate(contents.items(), 1):
            name = output_name("output.json" if number == 1 else f"output-{number}.json")
            commands.append((_ADOPT, (run_id, one.step_id, one.after.attempt, name, size, sha256)))
    return commands


def output_name(name: str) -> str:
    """What the artifact of an output is called. No file that a step makes can have such a name."""
    return f"${name}"


def attempts_sql(run_id: str, effects: Sequence[Effect], now: datetime, lease: timedelta) -> list[Command]:
    """Stores the attempts that the effects open and close."""
    closed = {(one.step_id, one.attempt): one for one in effects if isinstance(one, AttemptClosed)}
    used = [one for one in closed.values() if one.usage is not None]
    commands: list[Command] = []
    for one in effects:
        if not isinstance(one, AttemptOpened):
            continue
        end = closed.pop((one.step_id, one.attempt), None)
        values = (
            run_id,
            one.step_id,
            one.attempt,
            one.epoch,
            one.worker_id,
            one.isolation,
            None if end is None else end.status.value,
            None if end is None else _error(end.failure),
            now,
            None if end is None else now,
            lease,
            one.deadline_at,
            one.queued_at,
            None if end is None else end.limits or None,
        )
        commands.append((_INSERT_ATTEMPT, values))
    for end in closed.values():
        key = (run_id, end.step_id, end.attempt)
        commands.append(
            (_CLOSE_ATTEMPT, (end.status.value, _error(end.failure), now, end.limits or None, *key))
        )
    commands += [(_COUNT_USAGE, (_usage(one.usage), run_id, one.step_id, one.attempt)) for one in used]
    return commands


def events_sql(events: Sequence[tuple[str, int, str, bytes, Line | None]], now: datetime) -> list[Command]:
    """Stores events, each (run_id, seq, kind, body) and what to find it by if it is a line: few one by one, many
    (lines, mostly) in one statement.
    """
    if len(events) > _FEW:
        rows = [(*event, *(line or _NO_LINE)) for *event, line in events]
        return [(_INSERT_EVENTS, (now, *(list(column) for column in zip(*rows, strict=True))))]
    return [
        (_INSERT_EVENT, (run_id, seq, now, kind, body))
        if line is None
        else (_INSERT_LINE, (run_id, seq, now, kind, body, *line))
        for run_id, seq, kind, body, line in events
    ]


def follow_sql(ended: Sequence[tuple[str, str, str]], now: datetime) -> Command:
    """Notes which triggers have to act upon the runs that end, each (run_id, workflow_id, status)."""
    return _FOLLOW, (now, now, *(list(column) for column in zip(*ended, strict=True)))


def outbox_sql(record: dict[str, Any]) -> Command:
    """Stores an audit record made by `chassis.outbox.record`."""
    return _INSERT_OUTBOX, (record["record_id"], record)


def _raw(payload: Payload | None) -> bytes | None:
    return None if payload is None else payload.raw


def _usage(used: Usage | None) -> dict[str, Any] | None:
    return None if used is None else dataclasses.asdict(used)


def _error(failure: Failure | None) -> dict[str, Any] | None:
    return to_document(failure)


__all__ = ["BEGIN", "COMMIT", "ROLLBACK", "Command", "Connection", "Rows", "run"]
