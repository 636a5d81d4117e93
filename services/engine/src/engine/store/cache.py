"""Outputs that may be used again, and who computes one that is not there yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, select, text

from chassis.database import Transaction
from engine.tables import run_steps, step_cache

_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """A known output and the run that computed it, or (`output` None) the step that is computing it."""

    run_id: str
    step_id: str
    output: bytes | None


_TAKE: Final = text("""
INSERT INTO step_cache AS c (digest, run_id, step_id, created_at) VALUES (:digest, :run_id, :step_id, now())
ON CONFLICT (digest) DO UPDATE
SET run_id = :run_id, step_id = :step_id, output = NULL, expires_at = NULL, created_at = now()
WHERE c.expires_at <= now()
    OR (c.output IS NULL AND NOT EXISTS (
        SELECT FROM run_steps s WHERE s.run_id = c.run_id AND s.step_id = c.step_id
            AND (s.cache_digest = c.digest OR s.gate = 'cache:' || c.digest)))
RETURNING run_id""")

_AT_A_GATE: Final = (run_steps.c.gate != "", run_steps.c.due_at.is_(None))
"""What a step is that no gate has let through; a rate limit's gate stays with the moment that it gave."""


async def waiting(tx: Transaction, gate: str) -> Sequence[tuple[str, str]]:
    """The steps (run, path) that wait at a gate, the oldest runs first."""
    query = select(run_steps.c.run_id, run_steps.c.step_id).where(run_steps.c.gate == gate, *_AT_A_GATE)
    query = query.order_by(run_steps.c.run_id, run_steps.c.step_id).limit(_MOST)
    return [(row.run_id, row.step_id) for row in await tx.execute(query)]


async def find(tx: Transaction, digest: str) -> Entry | None:
    """What is known of an output that has not expired."""
    alive = step_cache.c.expires_at.is_(None) | (step_cache.c.expires_at > func.now())
    columns = (step_cache.c.run_id, step_cache.c.step_id, step_cache.c.output)
    row = (await tx.execute(select(*columns).where(step_cache.c.digest == digest, alive))).one_or_none()
    return None if row is None else Entry(row.run_id, row.step_id, row.output)


async def take(tx: Transaction, digest: str, run_id: str, step_id: str) -> bool:
    """Makes the step the one that computes the output, unless it is known or another one does."""
    values = {"digest": digest, "run_id": run_id, "step_id": step_id}
    return (await tx.execute(_TAKE, values)).one_or_none() is not None


async def forget_expired(tx: Transaction) -> None:
    """Deletes outputs that may not be used any more."""
    await tx.execute(delete(step_cache).where(step_cache.c.expires_at <= func.now()))
