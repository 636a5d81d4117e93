"""The steps that wait for somebody's decision."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ARRAY, Text, cast, func, select, tuple_
from sqlalchemy.dialects.postgresql import array

from chassis.database import Transaction
from engine.records import Waiting
from engine.store.runs import Reader
from engine.tables import run_steps, runs

_COLUMNS = (
    run_steps.c.run_id,
    runs.c.workflow_name,
    run_steps.c.step_id,
    run_steps.c.message,
    run_steps.c.approvers,
    runs.c.started_by,
    run_steps.c.started_at,
    run_steps.c.expires_at,
)


def _waiting() -> Any:
    joined = run_steps.join(runs, runs.c.id == run_steps.c.run_id)
    return select(*_COLUMNS).select_from(joined).where(run_steps.c.status == "WAITING_APPROVAL")


async def find(tx: Transaction, run_id: str, step_id: str) -> Waiting | None:
    """The step, if it waits for a decision."""
    query = _waiting().where(run_steps.c.run_id == run_id, run_steps.c.step_id == step_id)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else Waiting(**row._mapping)


async def page_after(
    tx: Transaction, reader: Reader, names: Sequence[str] | None, after: Sequence[Any] | None, limit: int
) -> list[Waiting]:
    """At most `limit` steps that wait for one of `names` (None: for anybody), the oldest runs first."""
    query = _waiting().where(reader.sees())
    if names is not None:
        mine = run_steps.c.approvers.op("&&")(cast(array(list(names)), ARRAY(Text)))
        query = query.where((func.cardinality(run_steps.c.approvers) == 0) | mine)
    if after is not None:
        query = query.where(tuple_(run_steps.c.run_id, run_steps.c.step_id) > tuple_(after[0], after[1]))
    query = query.order_by(run_steps.c.run_id, run_steps.c.step_id).limit(limit)
    return [Waiting(**row._mapping) for row in await tx.execute(query)]
