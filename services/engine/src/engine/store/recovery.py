"""What the recovery loop asks for: attempts whose time is over, cancels nobody confirmed, runs that stand still."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import and_, exists, func, select

from chassis.database import Transaction
from engine.domain import Ref
from engine.store import rates
from engine.store.pipeline import Command, Rows
from engine.tables import run_steps, runs

_LIMIT: Final = 500
_EXPIRED: Final = """
SELECT worker_id, run_id::text, step_id, number, epoch FROM attempts
WHERE ended_at IS NULL AND lease_expires_at < now() LIMIT %s::int"""
_OVERDUE: Final = """
(SELECT DISTINCT run_id::text FROM attempts WHERE ended_at IS NULL AND deadline_at < now() LIMIT %s::int)
UNION (SELECT id::text FROM runs WHERE wake_at <= now() AND wake_at IS NOT NULL LIMIT %s::int)"""
_STOPPING: Final = """
SELECT worker_id, run_id::text, step_id, attempt, epoch FROM run_steps
WHERE stopping AND worker_id = ANY(%s::text[]) LIMIT %s::int"""
_HELD: Final = """
SELECT worker_id, run_id::text, step_id, number, epoch FROM attempts
WHERE ended_at IS NULL AND worker_id = ANY(%s::text[]) AND started_at < now() - interval '2 seconds'"""
_DRAINED: Final = "SELECT id FROM workers WHERE id = ANY(%s::text[]) AND drained"
_READY_LANES: Final = """
WITH RECURSIVE lanes AS (
    (SELECT lane FROM run_steps WHERE status = 'READY' AND due_at IS NOT NULL ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (SELECT lane FROM run_steps
            WHERE status = 'READY' AND due_at IS NOT NULL AND lane > lanes.lane ORDER BY lane LIMIT 1)
    FROM lanes WHERE lanes.lane IS NOT NULL)
SELECT lane FROM lanes WHERE lane IS NOT NULL"""
_GATES: Final = """
WITH RECURSIVE gates AS (
    (SELECT gate FROM run_steps WHERE gate <> '' AND due_at IS NULL ORDER BY gate LIMIT 1)
    UNION ALL
    SELECT (SELECT gate FROM run_steps
            WHERE gate <> '' AND due_at IS NULL AND gate > gates.gate ORDER BY gate LIMIT 1)
    FROM gates WHERE gates.gate IS NOT NULL)
SELECT gate FROM gates LEFT JOIN rate_limits r ON starts_with(gate, 'rate:') AND r.key = substr(gate, 6)
WHERE gate IS NOT NULL AND (r.next_at IS NULL OR r.next_at <= now() + %s::interval) LIMIT %s::int"""
_KEYS: Final = """
SELECT DISTINCT limit_key FROM runs
WHERE limit_key <> '' AND status IN ('PENDING', 'RUNNING', 'PAUSED') AND NOT admitted LIMIT %s::int"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look around found."""

    expired: Sequence[tuple[str, Ref]]
    """Running attempts whose lease has ended, by the database's clock, each with its worker."""
    overdue: Sequence[str]
    """Runs with an attempt that is far past its timeout, and those that time alone moves on."""
    stopping: Sequence[tuple[str, Ref]]
    """Attempts on the workers that were told to stop and run on, each with its worker."""
    held: Sequence[tuple[str, Ref]]
    """Attempts that run on the workers as far as is recorded, begun at least two seconds ago."""
    drained: Collection[str]
    """Those of the workers that are drained."""
    lanes: Collection[str]
    """The lanes in which a step is READY. One look into the index for each, however many steps there are."""
    gates: Collection[str]
    """The gates at which steps wait that may be let through now."""
    keys: Collection[str]
    """The keys under whose limits runs wait for a place."""


def look_sql(worker_ids: Sequence[str]) -> list[Command]:
    """A look around on behalf of the workers connected here, for `seen`; prepared, as it happens every second."""
    ids = list(worker_ids)
    return [
        (_EXPIRED, (_LIMIT,)),
        (_OVERDUE, (_LIMIT, _LIMIT)),
        (_STOPPING, (ids, _LIMIT)),
        (_HELD, (ids,)),
        (_DRAINED, (ids,)),
        (_READY_LANES, ()),
        (_GATES, (rates.AHEAD, _LIMIT)),
        (_KEYS, (_LIMIT,)),
    ]


def seen(answers: Sequence[Rows]) -> Seen:
    """What `look_sql` read."""
    expired, overdue, stopping, held, drained, lanes, gates, keys = answers
    return Seen(
        [(row[0], Ref(*row[1:])) for row in expired],
        [row[0] for row in overdue],
        [(row[0], Ref(*row[1:])) for row in stopping],
        [(row[0], Ref(*row[1:])) for row in held],
        {row[0] for row in drained},
        [row[0] for row in lanes],
        [row[0] for row in gates],
        [row[0] for row in keys],
    )


async def ready_counts(tx: Transaction, lanes: Collection[str]) -> dict[str, int]:
    """How many steps are READY in each of the lanes."""
    query = select(run_steps.c.lane, func.count().label("ready")).where(
        run_steps.c.status == "READY", run_steps.c.due_at <= func.now(), run_steps.c.lane.in_(lanes)
    )
    return {row.lane: row.ready for row in await tx.execute(query.group_by(run_steps.c.lane))}


async def standing_still(tx: Transaction) -> list[str]:
    """Live runs that have begun and have nothing that may move them on. There should be none."""
    moving = exists().where(
        and_(
            run_steps.c.run_id == runs.c.id,
            run_steps.c.status.in_(["READY", "RUNNING", "WAITING_APPROVAL"]),
        )
    )
    live = runs.c.status.in_(["PENDING", "RUNNING", "PAUSED"])
    query = select(runs.c.id).where(live, runs.c.begun, ~moving).limit(_LIMIT)
    return list((await tx.execute(query)).scalars())
