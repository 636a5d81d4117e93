"""Reads of runs, steps, attempts and events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, or_, select, true

from chassis.database import Transaction
from chassis.errors import NotFound
from chassis.filtering import Filter
from chassis.filtering.sql import where
from engine.records import AttemptRecord, EventRecord, RunRecord, StepRecord
from engine.tables import attempts, plans, run_events, run_steps, runs

_BASIC: Final = (
    "id",
    "workflow_id",
    "workflow_name",
    "workflow_version",
    "plan",
    "started_by",
    "status",
    "error",
    "created_at",
    "started_at",
    "ended_at",
    "cancel_requested_at",
    "step_count",
    "steps_ended",
    "last_seq",
)
FILTERED: Final = {
    "status": runs.c.status,
    "workflow_id": runs.c.workflow_id,
    "workflow_name": runs.c.workflow_name,
    "started_by": runs.c.started_by,
    "created_at": runs.c.created_at,
}
"""What lists of runs may be filtered by."""


class Reader:
    """Who reads: what they may see is decided in SQL. `None` for everything."""

    def __init__(self, caller_id: str | None) -> None:
        self.caller_id = caller_id

    def sees(self) -> ColumnElement[bool]:
        """The condition for a run to be visible: public, owned or started by the reader."""
        if self.caller_id is None:
            return true()
        mine = or_(runs.c.started_by == self.caller_id, runs.c.owner_id == self.caller_id)
        return or_(runs.c.is_public, mine) if self.caller_id else false()


async def get(tx: Transaction, run_id: str, reader: Reader, *, full: bool = True) -> RunRecord:
    """The run, with inputs and outputs when `full`. Raises NotFound RUN_NOT_FOUND."""
    columns = [runs.c[name] for name in _BASIC]
    if full:
        columns += [runs.c.inputs, runs.c.outputs]
    row = (await tx.execute(select(*columns).where(runs.c.id == run_id, reader.sees()))).one_or_none()
    if row is None:
        raise not_found(run_id)
    return _run(row)


def not_found(run_id: str) -> NotFound:
    """There is no such run, or the caller may not know of it."""
    return NotFound("RUN_NOT_FOUND", f"run '{run_id}' does not exist", resource=("run", run_id))


async def page_after(
    tx: Transaction, wanted: Filter | None, reader: Reader, after: Sequence[Any] | None, limit: int
) -> list[RunRecord]:
    """At most `limit` runs, newest first, that come after the run `after` (its id)."""
    query = select(*(runs.c[name] for name in _BASIC)).where(reader.sees())
    if wanted is not None:
        query = query.where(where(wanted, FILTERED))
    if after is not None:
        query = query.where(runs.c.id < after[0])
    return [_run(row) for row in await tx.execute(query.order_by(runs.c.id.desc()).limit(limit))]


async def steps(tx: Transaction, run_id: str, *, full: bool = True) -> dict[str, StepRecord]:
    """The run's steps that have left PENDING, by id; with inputs and outputs when `full`."""
    columns = [column for column in run_steps.c if column.name != "kind"]
    if not full:
        columns = [column for column in columns if column.name not in ("inputs", "output")]
    rows = (await tx.execute(select(*columns).where(run_steps.c.run_id == run_id))).all()
    return {row.step_id: StepRecord(**{"inputs": None, "output": None, **row._mapping}) for row in rows}


async def live_steps(tx: Transaction, run_ids: Sequence[str]) -> dict[str, dict[str, StepRecord]]:
    """The READY and RUNNING steps of the runs, without inputs, by run and step: what runs wait for."""
    if not run_ids:
        return {}
    columns = [column for column in run_steps.c if column.name not in ("kind", "inputs", "output")]
    live = run_steps.c.status.in_(["READY", "RUNNING"])
    found: dict[str, dict[str, StepRecord]] = {run_id: {} for run_id in run_ids}
    for row in await tx.execute(select(*columns).where(run_steps.c.run_id.in_(run_ids), live)):
        found[row.run_id][row.step_id] = StepRecord(inputs=None, output=None, **row._mapping)
    return found


async def attempts_of(tx: Transaction, run_id: str) -> dict[str, list[AttemptRecord]]:
    """The run's attempts by step, oldest first."""
    columns = [attempts.c[name] for name in AttemptRecord.__dataclass_fields__]
    query = (
        select(*columns).where(attempts.c.run_id == run_id).order_by(attempts.c.step_id, attempts.c.number)
    )
    found: dict[str, list[AttemptRecord]] = {}
    for row in await tx.execute(query):
        found.setdefault(row.step_id, []).append(AttemptRecord(**row._mapping))
    return found


async def plan_body(tx: Transaction, digest: bytes) -> bytes:
    """The plan's document."""
    return bytes((await tx.execute(select(plans.c.body).where(plans.c.digest == digest))).scalar_one())


async def events_after(tx: Transaction, run_id: str, after_seq: int, limit: int) -> list[EventRecord]:
    """At most `limit` of the run's events after `after_seq`, in order."""
    query = select(run_events).where(run_events.c.run_id == run_id, run_events.c.seq > after_seq)
    return [
        EventRecord(**row._mapping) for row in await tx.execute(query.order_by(run_events.c.seq).limit(limit))
    ]


async def last_seqs(tx: Transaction, run_ids: Sequence[str]) -> dict[str, int]:
    """The newest event's number of each run."""
    rows = await tx.execute(select(runs.c.id, runs.c.last_seq).where(runs.c.id.in_(run_ids)))
    return {row.id: row.last_seq for row in rows}


async def step_epoch(tx: Transaction, run_id: str, step_id: str) -> tuple[int, int, str] | None:
    """The step's present (attempt, epoch, status); None when it has not left PENDING or does not exist."""
    query = select(run_steps.c.attempt, run_steps.c.epoch, run_steps.c.status)
    row = (
        await tx.execute(query.where(and_(run_steps.c.run_id == run_id, run_steps.c.step_id == step_id)))
    ).one_or_none()
    return None if row is None else (row.attempt, row.epoch, row.status)


async def is_cancelled(tx: Transaction, run_id: str) -> datetime | None:
    """When the run's cancel was requested."""
    found: datetime | None = await tx.scalar(select(runs.c.cancel_requested_at).where(runs.c.id == run_id))
    return found


def _run(row: Any) -> RunRecord:
    return RunRecord(**{"inputs": None, "outputs": None, **row._mapping})
