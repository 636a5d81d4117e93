"""Which run events audit does not have yet. A run's events are numbered without gaps in the order of their commits, so
one number a run says it all, and nothing that is committed late can be skipped."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, Integer, Uuid, cast, func, select, text, true, update

from chassis.database import Transaction
from engine.tables import run_events, runs

_RUNS: Final = 200


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
    trace_id: str


async def unaudited(tx: Transaction, kinds: tuple[str, ...], limit: int) -> list[Unaudited]:
    """At most `limit` events of these kinds that audit was not told of, run by run and in order."""
    columns = ("workflow_name", "started_by", "started_by_kind", "started_by_name", "trace_id")
    waiting = select(runs.c.id, runs.c.audited_seq, *(runs.c[name] for name in columns))
    found = waiting.where(text("unaudited")).order_by(runs.c.id).limit(_RUNS).subquery()
    events = (
        select(run_events.c.seq, run_events.c.time, run_events.c.body)
        .where(run_events.c.run_id == found.c.id, run_events.c.seq > found.c.audited_seq)
        .where(run_events.c.kind.in_(kinds))
        .order_by(run_events.c.seq)
        .limit(limit)
        .lateral()
    )
    query = select(found.c.id.label("run_id"), events, *(found.c[name] for name in columns))
    query = query.select_from(found.join(events, true())).order_by(found.c.id, events.c.seq).limit(limit)
    return [Unaudited(**row._mapping) for row in await tx.execute(query)]


async def audited(tx: Transaction, seqs: Mapping[str, int]) -> None:
    """Audit has each run's events up to this number. A run somebody has locked is left for the next time."""
    ids = cast(list(seqs), ARRAY(Uuid(as_uuid=False)))
    numbers = cast(list(seqs.values()), ARRAY(Integer))
    given = func.unnest(ids, numbers).table_valued("run_id", "seq").render_derived()
    mine = (
        select(runs.c.id, given.c.seq)
        .join(given, runs.c.id == given.c.run_id)
        .order_by(runs.c.id)
        .with_for_update(of=runs, skip_locked=True)
        .cte("mine")
    )
    reached = func.greatest(runs.c.audited_seq, mine.c.seq)
    await tx.execute(
        update(runs)
        .where(runs.c.id == mine.c.id)
        .values(audited_seq=reached, unaudited=runs.c.status_seq > reached)
    )
