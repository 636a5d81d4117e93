"""Reads of runs, steps, attempts and events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, and_, exists, false, func, literal_column, or_, select, true

from chassis import ids
from chassis.access import Level
from chassis.database import Transaction
from chassis.errors import Denied, NotFound
from chassis.filtering import Filter
from chassis.filtering.sql import Columns, Field, one_of, where
from chassis.filtering.tree import And, Comparison
from engine import lanes, waiting
from engine.domain import RunStatus
from engine.records import (
    NOTHING,
    AttemptRecord,
    EventRecord,
    Given,
    LinesWanted,
    Mark,
    RunRecord,
    StepRecord,
    to_decision,
)
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
    "start_at",
    "deadline_at",
    "priority",
    "limit_key",
    "admitted",
    "begun",
    "rerun_of",
    "rerun_from",
    "triggered_by",
    "run_key",
    "pauses",
)
_SLACK: Final = timedelta(seconds=1)
_SEQ: Final = Struct(">16si")
_EVENT: Final = tuple(run_events.c[name] for name in EventRecord.__dataclass_fields__)
FILTERED: Final[Columns] = {
    "status": Field(runs.c.status, one_of(RunStatus)),
    "workflow_id": runs.c.workflow_id,
    "workflow_name": runs.c.workflow_name,
    "workflow_version": runs.c.workflow_version,
    "started_by": runs.c.started_by,
    "created_at": runs.c.created_at,
    "run_key": runs.c.run_key,
    "concurrency_key": runs.c.limit_key,
    "triggered_by": runs.c.triggered_by,
}
"""What lists of runs may be filtered by."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: what they may see is decided in SQL."""

    caller_id: str | None
    """`None` for whoever sees everything."""
    given: Given = NOTHING
    """The workflows that are shared with them."""
    only: str = ""
    """The one run that their credential is for; empty: it is for all."""

    def sees(self, level: Level = Level.VIEW, table: FromClause = runs) -> ColumnElement[bool]:
        """The condition for a run to be visible (public, owned or started by the reader, or of a workflow that is
        shared with them), or to be steered by them, which that it is public does not allow.

        `table` may be another one that names a run's workflow, its owner and who started it.
        """
        return and_(self._is_meant(table), self._reaches(level, table))

    def _is_meant(self, table: FromClause) -> ColumnElement[bool]:
        if not self.only:
            return true()
        return table.c.id == self.only if table is runs else false()

    def _reaches(self, level: Level, table: FromClause) -> ColumnElement[bool]:
        if self.caller_id is None:
            return true()
        if not self.caller_id:
            return false()
        ways = [table.c.started_by == self.caller_id, table.c.owner_id == self.caller_id]
        shared = self.given.seen if level is Level.VIEW else self.given.steered
        if shared:
            ways.append(table.c.workflow_id.in_(sorted(shared)))
        if level is Level.VIEW:
            ways.append(table.c.is_public)
        return or_(*ways)


def bounds(wanted: Filter | None) -> ColumnElement[bool]:
    """What a filter by `created_at` says about ids, which hold the same time: indexes know them."""
    if isinstance(wanted, And):
        return and_(true(), *(bounds(part) for part in wanted.parts))
    if not isinstance(wanted, Comparison) or wanted.field != "created_at":
        return true()
    try:
        moment = datetime.fromisoformat(wanted.value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        low, high = ids.earliest(moment - _SLACK), ids.earliest(moment + _SLACK)
    except (ValueError, OverflowError):
        return true()
    match wanted.operator:
        case ">" | ">=":
            return runs.c.id >= low
        case "<" | "<=":
            return runs.c.id < high
        case "=":
            return and_(runs.c.id >= low, runs.c.id < high)
    return true()


async def get(tx: Transaction, run_id: str, reader: Reader, *, full: bool = True) -> RunRecord:
    """The run, with inputs and outputs when `full`. Raises NotFound RUN_NOT_FOUND."""
    columns = [runs.c[name] for name in _BASIC]
    if full:
        columns += [runs.c.inputs, runs.c.outputs]
    row = (await tx.execute(select(*columns).where(runs.c.id == run_id, reader.sees()))).one_or_none()
    if row is None:
        raise not_found(run_id)
    return _run(row)


async def require_steered(tx: Transaction, run_id: str, reader: Reader) -> None:
    """Returns when the reader, who sees the run, may steer it, too. Raises Denied NOT_GRANTED."""
    if await tx.scalar(select(runs.c.id).where(runs.c.id == run_id, reader.sees(Level.EDIT))) is None:
        raise Denied(
            "NOT_GRANTED",
            f"you may see run '{run_id}', but not steer it; whoever started it may, and whom its workflow is shared "
            "with for changing",
            metadata={"level": Level.EDIT.name},
            resource=("run", run_id),
        )


def not_found(run_id: str) -> NotFound:
    """There is no such run, or the caller may not know of it."""
    return NotFound("RUN_NOT_FOUND", f"run '{run_id}' does not exist", resource=("run", run_id))


async def page_after(
    tx: Transaction, wanted: Filter | None, reader: Reader, after: Sequence[Any] | None, limit: int
) -> list[RunRecord]:
    """At most `limit` runs, newest first, that come after the run `after` (its id)."""
    query = select(*(runs.c[name] for name in _BASIC)).where(reader.sees())
    if wanted is not None:
        query = query.where(where(wanted, FILTERED), bounds(wanted))
    if after is not None:
        query = query.where(runs.c.id < after[0])
    return [_run(row) for row in await tx.execute(query.order_by(runs.c.id.desc()).limit(limit))]


async def among(
    tx: Transaction, wanted: Filter | None, reader: Reader, run_ids: Sequence[str]
) -> list[RunRecord]:
    """Those of the runs that fit the filter."""
    query = select(*(runs.c[name] for name in _BASIC)).where(runs.c.id.in_(run_ids), reader.sees())
    return [_run(row) for row in await tx.execute(query.where(where(wanted, FILTERED)))]


async def seqs_of_live(tx: Transaction, limit: int) -> dict[bytes, int]:
    """The newest event's number of each live run, at most `limit` of the newest, by the sixteen bytes of its id."""
    live = runs.c.status.in_([literal_column(f"'{one}'") for one in ("PENDING", "RUNNING", "PAUSED")])
    return await _seqs(tx, live, limit)


async def seqs_since(tx: Transaction, moment: datetime, limit: int) -> dict[bytes, int]:
    """The same of each run made since then."""
    return await _seqs(tx, runs.c.id >= ids.earliest(moment), limit)


async def _seqs(tx: Transaction, which: ColumnElement[bool], limit: int) -> dict[bytes, int]:
    """Answered as one value: thousands of rows would take the process a multiple of the time."""
    newest = (
        select(runs.c.id, runs.c.last_seq).where(which).order_by(runs.c.id.desc()).limit(limit).subquery()
    )
    each = func.uuid_send(newest.c.id).op("||")(func.int4send(newest.c.last_seq))
    packed = (await tx.execute(select(func.string_agg(each, literal_column("''::bytea"))))).scalar_one()
    return dict(_SEQ.iter_unpack(packed or b""))


async def live_ids(tx: Transaction, wanted: Filter | None, reader: Reader, limit: int) -> list[str]:
    """At most `limit` runs that fit the filter and have not ended, the oldest first."""
    query = select(runs.c.id).where(
        reader.sees(Level.EDIT), runs.c.status.in_(["PENDING", "RUNNING", "PAUSED"])
    )
    if wanted is not None:
        query = query.where(where(wanted, FILTERED))
    return list((await tx.execute(query.order_by(runs.c.id).limit(limit))).scalars())


async def repeatable_ids(tx: Transaction, wanted: Filter | None, reader: Reader, limit: int) -> list[str]:
    """At most `limit` runs that fit the filter, have ended and were not repeated, the oldest first."""
    ended = runs.c.status.in_(["SUCCESS", "FAILED", "ABORTED"])
    again = runs.alias("again")
    repeated = exists().where(again.c.rerun_of == runs.c.id)
    query = select(runs.c.id).where(reader.sees(), ended, ~repeated)
    if wanted is not None:
        query = query.where(where(wanted, FILTERED))
    return list((await tx.execute(query.order_by(runs.c.id).limit(limit))).scalars())


async def steps(
    tx: Transaction, run_id: str, *, full: bool = True, only: Sequence[str] | None = None
) -> dict[str, StepRecord]:
    """The run's steps that have left PENDING, by path (`only` these); with inputs and outputs when `full`."""
    left_out = {"has_begun"} if full else {"has_begun", "inputs", "output"}
    columns = [run_steps.c[name] for name in StepRecord.__dataclass_fields__ if name not in left_out]
    has_begun = or_(run_steps.c.inputs.is_not(None), run_steps.c.started_at.is_not(None)).label("has_begun")
    query = select(*columns, has_begun).where(run_steps.c.run_id == run_id)
    if only is not None:
        query = query.where(run_steps.c.step_id.in_(only))
    rows = (await tx.execute(query)).all()
    return {row.step_id: StepRecord(**{"inputs": None, "output": None, **row._mapping}) for row in rows}


async def waiting_for(tx: Transaction, live: Sequence[RunRecord]) -> dict[str, str]:
    """What each of the live runs waits for."""
    if not live:
        return {}
    columns = (
        *(
            run_steps.c[name]
            for name in ("run_id", "step_id", "kind", "lane", "status", "due_at", "worker_id", "gate")
        ),
    )
    states = run_steps.c.status.in_(["READY", "RUNNING", "WAITING_APPROVAL"])
    query = select(*columns, run_steps.c.stopping).where(
        run_steps.c.run_id.in_([one.id for one in live]), states
    )
    by_run: dict[str, list[Any]] = {one.id: [] for one in live}
    for row in await tx.execute(query.order_by(run_steps.c.run_id, run_steps.c.step_id)):
        by_run[row.run_id].append(row)
    return {
        one.id: waiting.to_begin(
            one.start_at,
            "" if one.admitted else one.limit_key,
            tx.now,
            is_paused=one.status == RunStatus.PAUSED,
        )
        if not one.begun
        else waiting.describe(
            (
                waiting.Live(
                    row.step_id,
                    lanes.in_words(row.lane or row.kind),
                    row.status,
                    row.due_at,
                    row.worker_id,
                    row.gate,
                )
                for row in by_run[one.id]
                if row.worker_id or row.status != "RUNNING"
            ),
            tx.now,
            is_stopping=one.cancel_requested_at is not None or any(row.stopping for row in by_run[one.id]),
            is_paused=one.status == RunStatus.PAUSED,
        )
        for one in live
    }


async def marks(tx: Transaction, run_id: str) -> dict[str, Mark]:
    """Where each step of the run that has left PENDING stands, by path."""
    columns = (run_steps.c.step_id, run_steps.c.status, run_steps.c.started_at, run_steps.c.ended_at)
    query = select(*columns, run_steps.c.decision).where(run_steps.c.run_id == run_id)
    found = {}
    for row in (await tx.execute(query)).all():
        decision = to_decision(row.decision)
        decided_at = None if decision is None else decision.at
        found[row.step_id] = Mark(row.status, row.started_at, row.ended_at, decided_at)
    return found


async def first_queued(tx: Transaction, run_id: str) -> datetime | None:
    """When the first of the run's attempts might have begun."""
    query = select(func.min(attempts.c.queued_at)).where(attempts.c.run_id == run_id)
    found: datetime | None = (await tx.execute(query)).scalar_one()
    return found


async def costs(tx: Transaction, run_ids: Sequence[str]) -> dict[str, float]:
    """What the runs' attempts and the components that they called have cost in US dollars, where there is a price."""
    own = func.sum(attempts.c.usage["cost"].as_float())
    called = func.sum(attempts.c.usage[("called", "cost")].as_float())
    query = select(attempts.c.run_id, own.label("own"), called.label("called")).where(
        attempts.c.run_id.in_(run_ids), attempts.c.usage.is_not(None)
    )
    rows = await tx.execute(query.group_by(attempts.c.run_id))
    return {
        row.run_id: (row.own or 0.0) + (row.called or 0.0)
        for row in rows
        if row.own is not None or row.called is not None
    }


async def attempts_of(
    tx: Transaction, run_id: str, only: Sequence[str] | None = None
) -> dict[str, list[AttemptRecord]]:
    """The run's attempts by step (`only` of these), oldest first."""
    columns = [attempts.c[name] for name in AttemptRecord.__dataclass_fields__]
    query = (
        select(*columns).where(attempts.c.run_id == run_id).order_by(attempts.c.step_id, attempts.c.number)
    )
    if only is not None:
        query = query.where(attempts.c.step_id.in_(only))
    found: dict[str, list[AttemptRecord]] = {}
    for row in await tx.execute(query):
        found.setdefault(row.step_id, []).append(AttemptRecord(**row._mapping))
    return found


async def plan_body(tx: Transaction, digest: bytes) -> bytes:
    """The plan's document."""
    return bytes((await tx.execute(select(plans.c.body).where(plans.c.digest == digest))).scalar_one())


async def events_after(tx: Transaction, run_id: str, after_seq: int, limit: int) -> list[EventRecord]:
    """At most `limit` of the run's events after `after_seq`, in order."""
    query = select(*_EVENT).where(run_events.c.run_id == run_id, run_events.c.seq > after_seq)
    return [
        EventRecord(**row._mapping) for row in await tx.execute(query.order_by(run_events.c.seq).limit(limit))
    ]


async def lines_after(
    tx: Transaction, run_id: str, wanted: LinesWanted, after: int | None, limit: int
) -> list[EventRecord]:
    """At most `limit` of the run's lines that are wanted, after the one with the number `after` in their order."""
    query = select(*_EVENT).where(run_events.c.run_id == run_id, run_events.c.kind == literal_column("'log'"))
    columns = run_events.c
    if wanted.step_id:
        query = query.where(columns.step_id == wanted.step_id)
    if wanted.attempt:
        query = query.where(columns.attempt == wanted.attempt)
    if wanted.min_level:
        query = query.where(columns.level >= literal_column(str(wanted.min_level)))
    if wanted.stream:
        query = query.where(columns.stream == wanted.stream)
    if wanted.text:
        query = query.where(columns.line.icontains(wanted.text, autoescape=True))
    if wanted.since is not None:
        query = query.where(columns.time >= wanted.since)
    if wanted.until is not None:
        query = query.where(columns.time < wanted.until)
    if after is not None:
        query = query.where(columns.seq < after if wanted.newest_first else columns.seq > after)
    order = columns.seq.desc() if wanted.newest_first else columns.seq
    return [EventRecord(**row._mapping) for row in await tx.execute(query.order_by(order).limit(limit))]


async def last_seqs(tx: Transaction, run_ids: Sequence[str]) -> dict[str, int]:
    """The newest event's number of each run."""
    rows = await tx.execute(select(runs.c.id, runs.c.last_seq).where(runs.c.id.in_(run_ids)))
    return {row.id: row.last_seq for row in rows}


def _run(row: Any) -> RunRecord:
    return RunRecord(**{"inputs": None, "outputs": None, **row._mapping})
