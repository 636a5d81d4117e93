"""Rate limits: who waits under a key, and the next moment that nobody has (as in the generic cell rate algorithm, ITU-T
I.371). Whoever hands moments out holds the lock of the limit's name; whoever uses or returns one holds its run's.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import text

from chassis.database import Transaction
from engine.effects import GivenBack, Taken
from engine.state import RATE
from engine.store.pipeline import Command

AHEAD: Final = timedelta(seconds=0.25)
"""So long before it comes a moment is given to somebody: who leaves the queue earlier has none to return."""

_FREE: Final = text("SELECT next_at FROM rate_limits WHERE key = :key")
_GIVEN: Final = text("""
SELECT lane, priority, count(*) AS steps FROM run_steps
WHERE gate = :gate AND gate <> '' AND due_at IS NOT NULL
GROUP BY lane, priority""")
_QUEUE: Final = text("""
SELECT run_id::text, step_id, lane, priority, not_before FROM run_steps
WHERE gate = :gate AND gate <> '' AND due_at IS NULL AND lane <> ALL(CAST(:lanes AS text[]))
    AND (not_before IS NULL OR not_before <= now() + CAST(:ahead AS interval))
ORDER BY priority DESC, not_before NULLS FIRST, run_id, step_id LIMIT :most""")
_PLACES: Final = text("""
SELECT step_id, place FROM (
    SELECT run_id, step_id, row_number() OVER () AS place FROM (
        SELECT run_id, step_id FROM run_steps WHERE gate = :gate AND gate <> '' AND due_at IS NULL
        ORDER BY priority DESC, not_before NULLS FIRST, run_id, step_id LIMIT :most) AS queue) AS places
WHERE run_id = CAST(:run_id AS uuid)""")
_FORGET: Final = text("DELETE FROM rate_limits WHERE next_at < now() - interval '1 day'")

_TAKE: Final = """
INSERT INTO rate_limits AS r (key, next_at) VALUES (%s, %s::timestamptz)
ON CONFLICT (key) DO UPDATE SET next_at = greatest(r.next_at, excluded.next_at)"""
_TAKE_ANOTHER: Final = """
INSERT INTO rate_limits AS r (key, next_at) VALUES (%s, %s::timestamptz + %s::interval)
ON CONFLICT (key) DO UPDATE SET next_at = greatest(r.next_at, %s::timestamptz) + %s::interval"""
_RETURN: Final = """
UPDATE rate_limits SET next_at = %s::timestamptz WHERE key = %s AND next_at = %s::timestamptz"""


class Waiting(NamedTuple):
    """A step in the queue of a rate limit."""

    run_id: str
    step_id: str
    lane: str
    priority: int
    not_before: datetime | None


async def next_free(tx: Transaction, key: str) -> datetime:
    """The next moment under the key that nobody has. When it is past, nobody wanted it, or nobody could be given it."""
    next_at: datetime | None = (await tx.execute(_FREE, {"key": key})).scalar_one_or_none()
    return next_at or tx.now


async def given(tx: Transaction, key: str) -> dict[tuple[str, int], int]:
    """How many steps have a moment and have not begun, by lane and priority."""
    rows = await tx.execute(_GIVEN, {"gate": RATE + key})
    return {(row.lane, row.priority): row.steps for row in rows}


async def queue(tx: Transaction, key: str, without: Collection[str], most: int) -> list[Waiting]:
    """The first steps that may be let through within AHEAD, those of some lanes left out: by priority, then by time."""
    values = {"gate": RATE + key, "lanes": list(without), "ahead": AHEAD, "most": most}
    return [Waiting(**row._mapping) for row in await tx.execute(_QUEUE, values)]


async def places(tx: Transaction, key: str, run_id: str, most: int) -> Mapping[str, int]:
    """By path of the run's steps among the first `most` in the queue: how many go before it."""
    rows = await tx.execute(_PLACES, {"gate": RATE + key, "run_id": run_id, "most": most})
    return {row.step_id: row.place - 1 for row in rows}


def moments_sql(changes: Sequence[Taken | GivenBack]) -> list[Command]:
    """Stores what became of moments. Keys are locked in their order, and the last moment is returned first."""
    latest_first = sorted(changes, key=lambda one: one.at, reverse=True)
    in_order = sorted(latest_first, key=lambda one: (one.gate, isinstance(one, Taken)))
    return [_moment_sql(one) for one in in_order]


def _moment_sql(one: Taken | GivenBack) -> Command:
    key, after = one.gate.removeprefix(RATE), one.at + one.interval
    if isinstance(one, GivenBack):
        return _RETURN, (one.at, key, after)
    if one.used_at is None:
        return _TAKE, (key, after)
    if one.used_at < after:
        return _TAKE, (key, one.used_at + one.interval)
    return _TAKE_ANOTHER, (key, one.used_at, one.interval, one.used_at, one.interval)


async def forget_old(tx: Transaction) -> None:
    """Deletes keys that were not used for a day."""
    await tx.execute(_FORGET)
