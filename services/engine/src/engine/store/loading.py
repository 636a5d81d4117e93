"""The SQL that comes before transitions: runs are locked, and their states read.

Functions named `…_sql` only say what to send, as in `hot`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from engine.domain import Payload, RunStatus, StepStatus
from engine.machine import rebuild
from engine.plan import Plan
from engine.records import RunInfo, to_decision, to_failure
from engine.state import RunState, StepState, StopCause
from engine.store.pipeline import Command, Rows

_LOCK = """
SELECT id::text, version, last_seq, now() FROM runs
WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE SKIP LOCKED"""
_LOCK_READY = """
SELECT r.id::text, r.version, r.last_seq, now()
FROM unnest(%s::uuid[], %s::text[]) AS x(run_id, step_id)
JOIN run_steps s ON s.run_id = x.run_id AND s.step_id = x.step_id
JOIN runs r ON r.id = s.run_id
WHERE s.status = 'READY' ORDER BY r.id FOR UPDATE OF r SKIP LOCKED"""
_LOCK_ONE = "SELECT id::text, version, last_seq, now() FROM runs WHERE id = %s::uuid FOR UPDATE"
_LOAD_RUNS = """
SELECT id::text, workflow_id, workflow_name, workflow_version, is_public, owner_id, started_by, started_by_kind,
    started_by_name, trace_id, priority, limit_count, rerun_of::text, to_jsonb(rerun_from), triggered_by, run_key,
    budget, started_through, plan, status, cause, inputs, outputs, error, created_at, started_at, ended_at,
    cancel_requested_at, begun, start_at, deadline_at, limit_key, admitted, to_jsonb(pauses)
FROM runs WHERE id = ANY(%s::uuid[])"""
_LOAD_STEPS = """
SELECT run_id::text, step_id, status, attempt, epoch, inputs, output, error, started_at, ended_at, due_at, worker_id,
    deadline_at, stopping, lines, expires_at, gate, not_before, cache_digest, copied_from, decision
FROM run_steps WHERE run_id = ANY(%s::uuid[])"""
_LOAD_CHANGES = _LOAD_STEPS.replace("run_id = ANY(%s::uuid[])", "run_id = %s::uuid AND version > %s::int")
_LOAD_PLANS = "SELECT digest, body FROM plans WHERE digest = ANY(%s::bytea[])"
_EXIST = "SELECT id::text FROM runs WHERE id = ANY(%s::uuid[])"
_CLAIM = """
SELECT s.run_id::text, s.step_id, r.version, r.last_seq, now()
FROM run_steps s JOIN runs r ON r.id = s.run_id
WHERE s.status = 'READY' AND s.lane = %s AND s.due_at <= now()
ORDER BY s.priority DESC, s.due_at LIMIT %s FOR UPDATE OF r SKIP LOCKED"""


def lock_sql(run_ids: Sequence[str]) -> Command:
    """Locks the runs that nobody else has locked; rows of (id, version, last_seq, now)."""
    return _LOCK, (list(run_ids),)


def lock_ready_sql(steps: Sequence[tuple[str, str]]) -> Command:
    """Locks the runs of those steps (run id, path) that are READY; rows as above, one for each of the steps."""
    return _LOCK_READY, ([run_id for run_id, _ in steps], [path for _, path in steps])


def lock_one_sql(run_id: str) -> Command:
    """Locks one run, waiting for whoever holds it; a row as above, or none when there is no such run."""
    return _LOCK_ONE, (run_id,)


def exist_sql(run_ids: Sequence[str]) -> Command:
    """Which of the runs there are."""
    return _EXIST, (list(run_ids),)


def claim_sql(lane: str, limit: int) -> Command:
    """Locks the runs of the first due READY steps of a lane; rows of (run_id, step_id, version, last_seq, now)."""
    return _CLAIM, (lane, limit)


def load_sql(run_ids: Sequence[str], older: Mapping[str, int]) -> list[Command]:
    """Reads for `to_states`: one of runs, the others of steps. Of runs known at an `older` version, of what changed."""
    whole = [one for one in run_ids if one not in older]
    changes: list[Command] = [(_LOAD_CHANGES, (one, version)) for one, version in older.items()]
    return [(_LOAD_RUNS, (list(run_ids),)), (_LOAD_STEPS, (whole,)), *changes]


def load_plans_sql(digests: Sequence[bytes]) -> Command:
    """Rows of (digest, body)."""
    return _LOAD_PLANS, (list(digests),)


def digests_in(runs: Rows) -> set[bytes]:
    """The plans that rows of `load_sql`'s first read name."""
    return {row[_PLAN] for row in runs}


def to_states(
    runs: Rows, steps: Rows, plans: Mapping[bytes, Plan], older: Mapping[str, RunState]
) -> dict[str, tuple[RunInfo, RunState]]:
    """What `load_sql` read, by run id; `older` are the states of those of which it read what changed."""
    by_run: dict[str, dict[str, StepState]] = {row[0]: {} for row in runs}
    for row in steps:
        by_run[row[0]][row[1]] = _step_state(row)
    found = {}
    for row in runs:
        info = RunInfo(*row[:_PLAN])
        known, base = by_run[info.id], older.get(info.id)
        rest = row[_PLAN:]
        state = RunState(
            id=info.id,
            owner_id=info.owner_id,
            root=rebuild.root(plans[rest[0]], Payload(rest[3]), known, None if base is None else base.root),
            status=RunStatus(rest[1]),
            cause=_cause(rest[2]),
            outputs=None if rest[4] is None else Payload(rest[4]),
            failure=to_failure(rest[5]),
            created_at=rest[6],
            started_at=rest[7],
            ended_at=rest[8],
            cancel_requested_at=rest[9],
            begun=rest[10],
            start_at=rest[11],
            deadline_at=rest[12],
            limit_key=rest[13],
            admitted=rest[14],
            pauses=tuple(datetime.fromisoformat(one) for one in rest[15]),
        )
        found[info.id] = (info, rebuild.waits(state, known, base))
    return found


_PLAN: Final = len(RunInfo.__dataclass_fields__)
"""Where, in rows of `_LOAD_RUNS`, the plan stands: after what never changes."""


def _cause(text: str) -> StopCause:
    return "failure" if text == "failure" else "cancel" if text == "cancel" else ""


def _step_state(row: tuple[Any, ...]) -> StepState:
    return StepState(
        status=StepStatus(row[2]),
        attempt=row[3],
        epoch=row[4],
        inputs=None if row[5] is None else Payload(row[5]),
        output=None if row[6] is None else Payload(row[6]),
        failure=to_failure(row[7]),
        started_at=row[8],
        ended_at=row[9],
        due_at=row[10],
        worker_id=row[11],
        deadline_at=row[12],
        stopping=row[13],
        lines=row[14],
        expires_at=row[15],
        gate=row[16],
        not_before=row[17],
        cache_digest=row[18],
        copied_from=row[19],
        decision=to_decision(row[20]),
    )
