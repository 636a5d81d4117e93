"""The SQL of workers' leases, sent in pipelines like that of transitions."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from engine.domain import Ref
from engine.store.pipeline import Command, Rows

_RENEW: Final = """
WITH held AS (
    SELECT a.run_id, a.step_id, a.number
    FROM attempts a JOIN unnest(%s::uuid[], %s::text[], %s::int[], %s::int[]) AS x(run_id, step_id, number, epoch)
        ON a.run_id = x.run_id AND a.step_id = x.step_id AND a.number = x.number AND a.epoch = x.epoch
    WHERE a.ended_at IS NULL AND a.worker_id = %s
    FOR UPDATE OF a SKIP LOCKED)
UPDATE attempts a SET lease_expires_at = now() + %s::interval FROM held
WHERE a.run_id = held.run_id AND a.step_id = held.step_id AND a.number = held.number"""
_GONE: Final = """
SELECT x.run_id::text, x.step_id, x.number, x.epoch
FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::int[]) AS x(run_id, step_id, number, epoch)
LEFT JOIN attempts a ON a.run_id = x.run_id AND a.step_id = x.step_id AND a.number = x.number AND a.epoch = x.epoch
    AND a.worker_id = %s
WHERE a.run_id IS NULL OR a.ended_at IS NOT NULL"""
_OVER: Final = """
SELECT a.run_id::text, a.step_id, a.number, a.epoch
FROM attempts a JOIN unnest(%s::uuid[], %s::text[], %s::int[], %s::int[]) AS x(run_id, step_id, number, epoch)
    ON a.run_id = x.run_id AND a.step_id = x.step_id AND a.number = x.number AND a.epoch = x.epoch
WHERE a.ended_at IS NULL AND a.lease_expires_at < now() FOR UPDATE OF a SKIP LOCKED"""
_SEEN: Final = "UPDATE workers SET last_seen_at = now(), draining = %s WHERE id = %s"


def renew_sql(worker_id: str, refs: Sequence[Ref], lease: timedelta) -> Command:
    """Renews the leases of the attempts that are this worker's still."""
    return _RENEW, (*_columns(refs), worker_id, lease)


def gone_sql(worker_id: str, refs: Sequence[Ref]) -> Command:
    """Which of the attempts are this worker's no more; rows for `to_refs`."""
    return _GONE, (*_columns(refs), worker_id)


def over_sql(refs: Sequence[Ref]) -> Command:
    """Which of the attempts have leases that are over, and now stay so; rows for `to_refs`."""
    return _OVER, _columns(refs)


def seen_sql(worker_id: str, *, draining: bool) -> Command:
    """Notes a sign of life."""
    return _SEEN, (draining, worker_id)


def to_refs(rows: Rows) -> list[Ref]:
    """The attempts that rows name."""
    return [Ref(*row) for row in rows]


def _columns(refs: Sequence[Ref]) -> tuple[list[str], list[str], list[int], list[int]]:
    return (
        [ref.run_id for ref in refs],
        [ref.step_id for ref in refs],
        [ref.attempt for ref in refs],
        [ref.epoch for ref in refs],
    )
