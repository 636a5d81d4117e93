"""Calls of components by attempts that run, and the runs that they are."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, literal, select, update
from sqlalchemy.dialects import postgresql

from chassis.database import Transaction
from engine.domain import CalledUsage, Ref
from engine.store.artifacts import current
from engine.store.pipeline import Command
from engine.tables import attempts, component_calls, run_steps, runs

STARTED: Final = "tool:"
"""How `triggered_by` begins in runs that are calls."""
_LIMIT: Final = 200
_OPEN: Final = """
SELECT c.started_run_id::text, r.status IN ('PENDING', 'RUNNING', 'PAUSED')
FROM component_calls c
JOIN runs r ON r.id = c.started_run_id
LEFT JOIN run_steps s ON s.run_id = c.run_id AND s.step_id = c.step_id AND s.epoch = c.epoch
    AND s.status = 'RUNNING' AND NOT s.stopping
WHERE c.is_open AND (r.status NOT IN ('PENDING', 'RUNNING', 'PAUSED')
    OR s.run_id IS NULL AND r.cancel_requested_at IS NULL)
LIMIT %s::int"""
TO_CLOSE: Final[Command] = (_OPEN, (_LIMIT,))
"""The runs of open calls that have ended, and those that nobody waits for any more: the id, and whether it is live."""


@dataclass(frozen=True, slots=True)
class CallingRun:
    """The run of an attempt that calls a component: what the call's own run has from it."""

    id: str
    plan: bytes
    """The digest of what it runs."""
    owner_id: str
    is_public: bool
    started_by: str
    started_by_kind: str
    started_by_name: str
    trace_id: str
    priority: int


async def calling(tx: Transaction, ref: Ref) -> CallingRun | None:
    """The run of an attempt that runs, and is not about to be stopped; None when there is none such."""
    columns = [runs.c[name] for name in CallingRun.__slots__]
    query = (
        select(*columns)
        .join(run_steps, run_steps.c.run_id == runs.c.id)
        .where(*current(ref), ~run_steps.c.stopping)
    )
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else CallingRun(**row._mapping)


async def find(tx: Transaction, ref: Ref, number: int) -> str | None:
    """The run of a call; None when it was not made yet."""
    found: str | None = await tx.scalar(select(component_calls.c.started_run_id).where(*_call(ref, number)))
    return found


async def claim(tx: Transaction, ref: Ref, number: int) -> bool:
    """Whether it is this transaction that makes the call; not when it was made before, or the attempt runs no more."""
    columns = ["run_id", "step_id", "epoch", "number"]
    row = select(run_steps.c.run_id, run_steps.c.step_id, run_steps.c.epoch, literal(number))
    locked = row.where(*current(ref), ~run_steps.c.stopping).with_for_update(read=True)
    made = postgresql.insert(component_calls).from_select(columns, locked).on_conflict_do_nothing()
    return await tx.scalar(made.returning(component_calls.c.number)) is not None


async def settle(tx: Transaction, ref: Ref, number: int, run_id: str) -> None:
    """Writes which run a claimed call is."""
    await tx.execute(
        update(component_calls).where(*_call(ref, number)).values(started_run_id=run_id, is_open=True)
    )


async def close(tx: Transaction, run_ids: list[str]) -> None:
    """Notes that these runs have ended: nobody has to look after them any more."""
    await tx.execute(
        update(component_calls).where(component_calls.c.started_run_id.in_(run_ids)).values(is_open=False)
    )


async def used(tx: Transaction, run_id: str) -> CalledUsage | None:
    """What the attempts of a call's run used of language models, and the components they called; None when nothing."""
    column = attempts.c.usage
    query = select(column).where(attempts.c.run_id == run_id, column.is_not(None))
    own = [row.usage for row in await tx.execute(query)]
    found = own + [one["called"] for one in own if one.get("called") is not None]
    costs = [one["cost"] for one in found if one["cost"] is not None]
    if not found:
        return None
    return CalledUsage(
        sum(one["input_tokens"] for one in found),
        sum(one["output_tokens"] for one in found),
        sum(costs) if costs else None,
    )


def _call(ref: Ref, number: int) -> tuple[ColumnElement[bool], ...]:
    return (
        component_calls.c.run_id == ref.run_id,
        component_calls.c.step_id == ref.step_id,
        component_calls.c.epoch == ref.epoch,
        component_calls.c.number == number,
    )
