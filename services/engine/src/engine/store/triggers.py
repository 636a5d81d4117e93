"""Triggers, the messages that webhooks took, and the ended runs that others follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from chassis.database import Transaction
from chassis.filtering import Filter
from engine.records import Document
from engine.standing import not_found
from engine.store import standing
from engine.store.pipeline import Command
from engine.store.runs import Reader
from engine.tables import follow_ups, runs, triggers, webhook_messages
from engine.triggers import KIND, Trigger

REPEATED: Final = timedelta(hours=24)
"""How long a repeated message is answered with the same run."""
KEPT: Final = timedelta(days=30)
"""How long it is remembered what followed a run."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that ended, and how far it stands in a chain of runs that started each other."""

    id: str
    workflow_id: str
    workflow_name: str
    status: str
    inputs: bytes
    outputs: bytes | None
    error: Document | None
    is_public: bool
    started_by: str
    owner_id: str
    depth: int


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What a trigger is to do about a run that ended."""

    trigger: Trigger
    run: Ended
    tries: int


async def get(tx: Transaction, key: str, reader: Reader, *, lock: bool = False) -> Trigger:
    """The trigger with this id or name. Raises NotFound TRIGGER_NOT_FOUND."""
    row = await standing.find(tx, triggers, key, reader, lock=lock)
    if row is None:
        raise not_found(KIND, key)
    return Trigger(**standing.mapping(row))


async def find_webhook(tx: Transaction, key: str) -> tuple[Trigger | None, datetime]:
    """The webhook with this id or name, if there is one, and the database's time."""
    row = await standing.find(tx, triggers, key, Reader(None))
    now: datetime = (await tx.execute(select(func.now()))).scalar_one()
    found = None if row is None else Trigger(**standing.mapping(row))
    return (found if found is not None and found.is_webhook else None), now


async def page_after(
    tx: Transaction, wanted: Filter | None, reader: Reader, after: Sequence[Any] | None, limit: int
) -> list[Trigger]:
    """At most `limit` triggers, newest first."""
    rows = await standing.page_after(tx, triggers, wanted, reader, after=after, limit=limit)
    return [Trigger(**standing.mapping(row)) for row in rows]


async def insert_new(tx: Transaction, trigger: Trigger) -> bool:
    """Stores a new trigger; False when the name is taken."""
    return await standing.insert_new(tx, triggers, trigger)


async def save(tx: Transaction, trigger: Trigger) -> None:
    """Stores a changed trigger whose row is locked."""
    await standing.save(tx, triggers, trigger)


async def remove(tx: Transaction, trigger: Trigger) -> None:
    """Deletes a trigger, and what it had still to do."""
    await tx.execute(delete(follow_ups).where(follow_ups.c.trigger_id == trigger.id, ~follow_ups.c.settled))
    await standing.remove(tx, triggers, trigger.id)


async def note(
    tx: Transaction, trigger_id: str, last: dict[str, Any], *, is_public: bool | None = None
) -> None:
    """Writes what the trigger did last, and whether its workflow is public where that was seen."""
    values: dict[str, Any] = {"last": last}
    if is_public is not None:
        values["is_public"] = is_public
    await tx.execute(update(triggers).where(triggers.c.id == trigger_id).values(values))


async def run_of_message(tx: Transaction, trigger_id: str, message_id: str) -> str | None:
    """The run that a message started, within the time in which it may be repeated."""
    query = select(webhook_messages.c.run_id).where(
        webhook_messages.c.trigger_id == trigger_id,
        webhook_messages.c.message_id == message_id,
        webhook_messages.c.received_at >= func.now() - REPEATED,
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def claim_message(tx: Transaction, trigger_id: str, message_id: str) -> bool:
    """Whether it is this transaction that starts a message's run; waits for one that is about to."""
    values = {"trigger_id": trigger_id, "message_id": message_id, "received_at": func.now()}
    made = insert(webhook_messages).values(values)
    made = made.on_conflict_do_update(
        index_elements=[webhook_messages.c.trigger_id, webhook_messages.c.message_id],
        set_={"received_at": func.now(), "run_id": None},
        where=webhook_messages.c.received_at < func.now() - REPEATED,
    )
    return await tx.scalar(made.returning(webhook_messages.c.trigger_id)) is not None


async def settle_message(tx: Transaction, trigger_id: str, message_id: str, run_id: str) -> None:
    """Writes which run a claimed message started."""
    key = (webhook_messages.c.trigger_id == trigger_id, webhook_messages.c.message_id == message_id)
    await tx.execute(update(webhook_messages).where(*key).values(run_id=run_id))


ANY_TO_FOLLOW: Final[Command] = (
    "SELECT EXISTS (SELECT FROM follow_ups WHERE NOT settled AND retry_at <= now())",
    (),
)
"""Whether there is anything for `to_follow`: asked whenever runs end, prepared, because mostly there is not."""


async def to_follow(tx: Transaction, limit: int) -> list[FollowUp]:
    """At most `limit` ended runs that a trigger has still to act upon, the longest ended first."""
    before = follow_ups.alias("before")
    depth = select(before.c.depth).where(before.c.started_run_id == runs.c.id).limit(1).scalar_subquery()
    ended = (
        runs.c.id.label("run_id"),
        runs.c.workflow_id.label("run_workflow_id"),
        runs.c.workflow_name.label("run_workflow"),
        runs.c.status,
        runs.c.inputs.label("run_inputs"),
        runs.c.outputs,
        runs.c.error,
        runs.c.is_public.label("run_is_public"),
        runs.c.started_by,
        runs.c.owner_id.label("run_owner_id"),
        func.coalesce(depth, 0).label("depth"),
        follow_ups.c.tries,
    )
    query = (
        select(*(column.label(f"t_{column.name}") for column in triggers.c), *ended)
        .select_from(follow_ups)
        .join(triggers, triggers.c.id == follow_ups.c.trigger_id)
        .join(runs, runs.c.id == follow_ups.c.run_id)
        .where(~follow_ups.c.settled, follow_ups.c.retry_at <= func.now())
        .order_by(follow_ups.c.retry_at)
        .limit(limit)
    )
    return [_follow_up(standing.mapping(row)) for row in await tx.execute(query)]


async def claim_follow_up(tx: Transaction, one: FollowUp) -> bool:
    """Whether it is this transaction that decides what follows a run: nobody else did, and the trigger is there."""
    claimed = update(follow_ups).where(*_open(one)).values(settled=True)
    return await tx.scalar(claimed.returning(follow_ups.c.run_id)) is not None


async def settle_follow_up(tx: Transaction, one: FollowUp, run_id: str | None, error: str) -> None:
    """Writes what followed a run."""
    key = (follow_ups.c.trigger_id == one.trigger.id, follow_ups.c.run_id == one.run.id)
    values = {"started_run_id": run_id, "depth": one.run.depth + 1, "error": error}
    await tx.execute(update(follow_ups).where(*key).values(values))


async def postpone(tx: Transaction, one: FollowUp, seconds: float, error: str) -> None:
    """Has it be tried again later."""
    later = func.now() + timedelta(seconds=seconds)
    values = {"tries": one.tries + 1, "retry_at": later, "error": error}
    await tx.execute(update(follow_ups).where(*_open(one)).values(values))


async def forget_old(tx: Transaction) -> None:
    """Forgets messages that would not be repeated any more."""
    await tx.execute(delete(webhook_messages).where(webhook_messages.c.received_at < func.now() - REPEATED))
    await tx.execute(delete(follow_ups).where(follow_ups.c.ended_at < func.now() - KEPT))


def _open(one: FollowUp) -> tuple[Any, ...]:
    return follow_ups.c.trigger_id == one.trigger.id, follow_ups.c.run_id == one.run.id, ~follow_ups.c.settled


def _follow_up(row: Any) -> FollowUp:
    trigger = Trigger(**{column.name: row[f"t_{column.name}"] for column in triggers.c})
    run = Ended(
        row["run_id"],
        row["run_workflow_id"],
        row["run_workflow"],
        row["status"],
        row["run_inputs"],
        row["outputs"],
        row["error"],
        row["run_is_public"],
        row["started_by"],
        row["run_owner_id"],
        row["depth"],
    )
    return FollowUp(trigger, run, row["tries"])
