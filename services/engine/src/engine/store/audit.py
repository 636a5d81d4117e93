"""Which run events audit does not have yet. A run's events are numbered without gaps in the order of their commits, so
one number a run says it all, and nothing that is committed late can be skipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from chassis.database import Transaction


@dataclass(frozen=True, slots=True)
class Unaudited:
    """An event, and what a record of it names of its run."""

    run_id: str
    seq: int
    time: datetime
    body: bytes
    workflow_name: str
    started_by: str
    started_by_kind: str
    started_by_name: str
    started_through: Mapping[str, str]
    trace_id: str


_UNAUDITED: Final = text("""
SELECT r.id::text AS run_id, e.seq, e.time, e.body, r.workflow_name, r.started_by, r.started_by_kind,
    r.started_by_name, r.started_through, r.trace_id
FROM (SELECT * FROM runs WHERE unaudited ORDER BY id LIMIT 200) r
JOIN LATERAL (
    SELECT seq, time, body FROM run_events
    WHERE run_id = r.id AND seq > r.audited_seq AND kind = ANY(:kinds) ORDER BY seq LIMIT :most) e ON true
ORDER BY r.id, e.seq LIMIT :most""")
_AUDITED: Final = text("""
WITH mine AS (
    SELECT r.id, x.seq FROM runs r JOIN unnest(CAST(:ids AS uuid[]), CAST(:seqs AS int[])) AS x(id, seq) ON r.id = x.id
    ORDER BY r.id FOR UPDATE OF r SKIP LOCKED)
UPDATE runs r SET audited_seq = greatest(r.audited_seq, mine.seq),
    unaudited = r.status_seq > greatest(r.audited_seq, mine.seq)
FROM mine WHERE r.id = mine.id""")


async def unaudited(tx: Transaction, kinds: tuple[str, ...], limit: int) -> list[Unaudited]:
    """At most `limit` events of these kinds that audit was not told of, run by run and in order."""
    rows = await tx.execute(_UNAUDITED, {"kinds": list(kinds), "most": limit})
    return [Unaudited(**row._mapping) for row in rows]


async def audited(tx: Transaction, seqs: Mapping[str, int]) -> None:
    """Audit has each run's events up to this number. A run somebody has locked is left for the next time."""
    await tx.execute(_AUDITED, {"ids": list(seqs), "seqs": list(seqs.values())})
