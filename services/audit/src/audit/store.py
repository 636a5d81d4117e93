"""All SQL of the action log."""

import dataclasses
import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Label,
    Row,
    ScalarSelect,
    Text,
    and_,
    any_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    true,
)

from audit import canonical, merkle
from audit.domain import Checkpoint, Entry, Leaf, Segment, StoredEntry
from audit.log import Addition, Extent, damaged
from audit.personal import Disclosure, Pair
from audit.tables import checkpoints, entries, nodes, personal, segments
from chassis import errors
from chassis.database import Transaction
from chassis.filtering import Filter
from chassis.filtering.sql import Field, one_of, where

Condition = ColumnElement[bool]

SEQUENCER: Final = 0x6D63_7061_7564_6974  # "mcpaudit"
"""The advisory lock that whoever appends holds."""
_TIMES: Final = ("time", "recorded_at")


def _open(name: str) -> ColumnElement[str]:
    """A column with the values that its commitments are about."""
    column = entries.c[name]
    value = select(personal.c.value).where(personal.c.commitment == column).scalar_subquery()
    return func.coalesce(value, column)


def _values_inside() -> ScalarSelect[str]:
    """The values that the commitments in an entry's details are about."""
    found = func.regexp_matches(cast(entries.c.details, Text), "c2:[0-9a-f]{64}", "g").column_valued("found")
    return (
        select(func.string_agg(personal.c.value, " "))
        .where(personal.c.commitment.in_(select(func.unnest(cast(found, ARRAY(Text))))))
        .scalar_subquery()
    )


_FILTERED: Final = {
    name: entries.c[name]
    for name in (
        "action",
        "actor_id",
        "service",
        "entity_type",
        "entity_id",
        "trace_id",
        "time",
        "actor_kind",
        "api_key_id",
        "on_behalf_of_id",
        "request_id",
        "session_id",
        "run_id",
        "method",
        "index",
    )
} | {name: _open(name) for name in ("actor_name", "on_behalf_of_name", "client_address", "user_agent")}
_SEARCHED: Final = func.concat_ws(
    " ",
    *(
        entries.c[name]
        for name in ("action", "outcome", "service", "method", "actor_id", "entity_type", "entity_id")
    ),
    *(_open(name) for name in ("actor_name", "on_behalf_of_name", "client_address", "user_agent")),
    cast(entries.c.details, Text),
    _values_inside(),
    type_=Text,
)
"""All that is shown of an entry as one text."""
"""What a list may be filtered by, beside the outcome."""
_ENTRY: Final = tuple(field.name for field in dataclasses.fields(Entry))
_DETAILS: Final = _ENTRY.index("details")
_COPY_ENTRIES: Final = f"COPY entries ({', '.join(_ENTRY)}, leaf_hash) FROM STDIN"
_COLUMNS: Final = (
    *(entries.c[name] for name in _ENTRY if name != "details"),
    cast(entries.c.details, Text).label("details"),
    entries.c.leaf_hash,
)


async def become_sequencer(tx: Transaction) -> datetime:
    """Waits until no other transaction appends and keeps it so until this one ends; returns the time then."""
    now: datetime = await tx.scalar(
        text("SELECT clock_timestamp() FROM pg_advisory_xact_lock(:key)"), {"key": SEQUENCER}
    )
    return now


async def extent(tx: Transaction) -> Extent:
    """How far the stored entries and leaves reach."""
    row = (
        await tx.execute(
            select(
                select(func.coalesce(func.max(entries.c.index) + 1, 0)).scalar_subquery().label("entries"),
                select(func.coalesce(func.max(nodes.c.number) + 1, 0)).scalar_subquery().label("nodes"),
            )
        )
    ).one()
    return Extent(row.entries, merkle.size_holding(row.nodes))


async def known(tx: Transaction, record_ids: Sequence[str]) -> frozenset[str]:
    """Which of these records are in the log."""
    wanted = literal(list(record_ids), ARRAY(Text))  # one parameter: a thousand are slow to bind
    found = await tx.execute(select(entries.c.record_id).where(entries.c.record_id == any_(wanted)))
    return frozenset(found.scalars())


async def append(tx: Transaction, addition: Addition) -> None:
    """Writes a batch: entries, nodes, checkpoint."""
    cursor = (await tx.raw()).cursor()
    async with cursor.copy(_COPY_ENTRIES) as copy:
        for leaf in addition.leaves:
            values = [getattr(leaf.entry, name) for name in _ENTRY]
            values[_DETAILS] = Jsonb(leaf.entry.details)
            await copy.write_row((*values, leaf.leaf_hash))
    async with cursor.copy("COPY nodes (number, hash) FROM STDIN") as copy:
        for numbered in enumerate(addition.nodes, addition.first_node):
            await copy.write_row(numbered)
    signed = addition.checkpoint
    await tx.execute(
        insert(checkpoints).values(
            tree_size=signed.tree_size,
            root_hash=signed.root_hash,
            frontier=signed.frontier,
            note=signed.note,
            signed_at=signed.signed_at,
        )
    )


async def commitments(tx: Transaction, pairs: Collection[Pair]) -> dict[Pair, str]:
    """The commitments there are to subjects' values."""
    subjects, values = [subject for subject, _ in pairs], [value for _, value in pairs]
    statement = select(personal.c.subject_id, personal.c.value, personal.c.commitment).where(
        personal.c.subject_id.in_(subjects), personal.c.value.in_(values)
    )
    return {(row.subject_id, row.value): row.commitment for row in await tx.execute(statement)}


async def disclose(tx: Transaction, disclosures: Sequence[Disclosure]) -> None:
    """Keeps what new commitments are about."""
    if disclosures:
        await tx.execute(insert(personal), [dataclasses.asdict(one) for one in disclosures])


async def disclosures(tx: Transaction, tokens: Collection[str]) -> list[Disclosure]:
    """What commitments are about; without those that were deleted."""
    if not tokens:
        return []
    rows = await tx.execute(select(personal).where(personal.c.commitment.in_(tokens)))
    return [Disclosure(row.commitment, row.subject_id, bytes(row.salt), row.value) for row in rows]


async def erase(tx: Transaction, subject_id: str) -> int:
    """Deletes what commitments about a subject are about; returns how many there were."""
    return (await tx.execute(delete(personal).where(personal.c.subject_id == subject_id))).rowcount


async def get(tx: Transaction, record_id: str) -> Leaf:
    """The entry of a record. Raises NotFound ACTION_LOG_NOT_FOUND."""
    row = (await tx.execute(select(*_COLUMNS).where(entries.c.record_id == record_id))).one_or_none()
    if row is None:
        raise errors.NotFound(
            "ACTION_LOG_NOT_FOUND",
            f"there is no action log entry {record_id!r}",
            resource=("action_log", record_id),
        )
    return _leaf(row)


async def page_before(tx: Transaction, condition: Condition, before: int | None, limit: int) -> list[Leaf]:
    """The newest entries that fulfil the condition, below index `before` where that is given, newest first."""
    statement = (
        select(*_COLUMNS)
        .where(condition)
        .where(true() if before is None else entries.c.index < before)
        .order_by(entries.c.index.desc())
        .limit(limit)
    )
    return [_leaf(row) for row in await tx.execute(statement)]


def fulfilling(wanted: Filter | None, outcomes: Sequence[str], about: Collection[str] = ()) -> Condition:
    """The condition of a filter; an outcome is one of `outcomes`. Unless that is empty, only what is `about` these ids.

    Raises Invalid INVALID_FILTER for unknown fields and unfit values.
    """
    outcome = Field(entries.c.outcome, one_of(outcomes))
    found = where(wanted, _FILTERED | {"outcome": outcome, "text": _SEARCHED})
    return and_(found, entries.c.entity_id.in_(about)) if about else found


async def newest_checkpoint(tx: Transaction) -> Checkpoint | None:
    """The checkpoint of the largest tree, or None when nothing was ever appended."""
    newest = select(checkpoints).order_by(checkpoints.c.tree_size.desc()).limit(1)
    row = (await tx.execute(newest)).one_or_none()
    return None if row is None else _checkpoint(row)


async def checkpoint_signed_before(tx: Transaction, moment: datetime) -> Checkpoint | None:
    """The checkpoint of the largest tree that was signed before a time, if there is one."""
    statement = select(checkpoints).where(checkpoints.c.signed_at < moment)
    row = (await tx.execute(statement.order_by(checkpoints.c.tree_size.desc()).limit(1))).one_or_none()
    return None if row is None else _checkpoint(row)


async def archived(tx: Transaction) -> int:
    """The first index that was not archived."""
    found: int = await tx.scalar(select(func.coalesce(func.max(segments.c.end_index), 0)))
    return found


async def unrecorded_segment(tx: Transaction, action: str, age: timedelta) -> int | None:
    """The first index of the last segment, when the log has no entry, of this action, that says so since `age`."""
    last = (await tx.execute(select(segments).order_by(segments.c.first_index.desc()).limit(1))).one_or_none()
    if last is None or last.archived_at > tx.now - age:
        return None
    said = entries.c.details["new"]
    recorded = select(entries.c.index).where(
        entries.c.action == action,
        said["end_index"].as_integer() == last.end_index,
        said["sha256"].as_string() == bytes(last.sha256).hex(),
    )
    first: int = last.first_index
    return None if (await tx.execute(recorded.limit(1))).first() else first


async def add_segment(tx: Transaction, segment: Segment, now: datetime) -> None:
    """Notes that entries were archived."""
    await tx.execute(
        insert(segments).values(
            first_index=segment.first,
            end_index=segment.end,
            sha256=segment.sha256,
            place=segment.place,
            archived_at=now,
        )
    )


async def remove_archived(tx: Transaction, most: int) -> int:
    """Removes at most so many entries that were archived; returns how many. Nothing is appended until this commits."""
    end = await archived(tx)
    lowest: int | None = await tx.scalar(select(func.min(entries.c.index)))
    if lowest is None or lowest >= end:
        return 0
    await tx.execute(text("ALTER TABLE entries DISABLE TRIGGER append_only"))
    statement = delete(entries).where(entries.c.index < min(end, lowest + most))
    gone = (await tx.execute(statement)).rowcount
    await tx.execute(text("ALTER TABLE entries ENABLE TRIGGER append_only"))
    return gone


async def checkpoint_upto(tx: Transaction, size: int) -> Checkpoint | None:
    """The checkpoint of the largest tree of at most `size` entries, if there is one."""
    statement = select(checkpoints).where(checkpoints.c.tree_size <= size)
    row = (await tx.execute(statement.order_by(checkpoints.c.tree_size.desc()).limit(1))).one_or_none()
    return None if row is None else _checkpoint(row)


async def checkpoint_from(tx: Transaction, size: int) -> Checkpoint | None:
    """The checkpoint of the smallest tree of at least `size` entries, if there is one."""
    statement = select(checkpoints).where(checkpoints.c.tree_size >= size)
    row = (await tx.execute(statement.order_by(checkpoints.c.tree_size).limit(1))).one_or_none()
    return None if row is None else _checkpoint(row)


async def checkpoints_between(tx: Transaction, after: int, until: int) -> list[Checkpoint]:
    """The checkpoints of trees larger than `after`, at most `until`, by size."""
    statement = (
        select(checkpoints)
        .where(checkpoints.c.tree_size > after, checkpoints.c.tree_size <= until)
        .order_by(checkpoints.c.tree_size)
    )
    return [_checkpoint(row) for row in await tx.execute(statement)]


async def hashes_over(tx: Transaction, ranges: Sequence[merkle.Range]) -> list[bytes]:
    """The tree's hashes over ranges of leaves, as proofs need them. Raises DataLoss LOG_DAMAGED for lost nodes."""
    covers = [[subtree.number for subtree in merkle.cover(*found)] for found in ranges]
    wanted = list({number for cover in covers for number in cover})
    rows = await tx.execute(select(nodes.c.number, nodes.c.hash).where(nodes.c.number.in_(wanted)))
    stored = {row.number: bytes(row.hash) for row in rows}
    if len(stored) < len(wanted):
        raise damaged("hashes of the tree are gone")
    return [merkle.fold([stored[number] for number in cover]) for cover in covers]


async def nodes_between(tx: Transaction, start: int, end: int) -> dict[int, bytes]:
    """The stored hashes numbered from `start` to `end`, exclusive."""
    statement = select(nodes.c.number, nodes.c.hash).where(nodes.c.number >= start, nodes.c.number < end)
    return {row.number: bytes(row.hash) for row in await tx.execute(statement)}


async def stored_between(
    tx: Transaction, start: int, end: int, condition: Condition | None = None
) -> dict[int, StoredEntry]:
    """The rows from index `start` to `end`, exclusive, as they are, by index; those that are gone are absent.

    With a `condition`, made by `fulfilling`, only the rows that fulfil it. Nothing a row may have been edited into
    makes this fail.
    """
    statement = (
        select(*(column for column in _COLUMNS if column.key not in _TIMES), *map(_readable, _TIMES))
        .where(entries.c.index >= start, entries.c.index < end)
        .where(true() if condition is None else condition)
        .order_by(entries.c.index)
    )
    found = [_stored(row) for row in await tx.execute(statement)]
    return {one.index: one for one in found}


def _readable(name: str) -> Label[datetime | None]:
    """A time column, NULL where its value is outside Python's calendar (infinity is)."""
    column = entries.c[name]
    return case((column.between(text("'0001-01-02'"), text("'9999-12-30'")), column)).label(name)


def _leaf(row: Row[Any]) -> Leaf:
    return Leaf(_entry(row), bytes(row.leaf_hash))


def _stored(row: Row[Any]) -> StoredEntry:
    index: int = row._mapping["index"]
    return StoredEntry(index, row.record_id, _entry_or_none(row), bytes(row.leaf_hash))


def _entry(row: Row[Any]) -> Entry:
    values = {name: getattr(row, name) for name in _ENTRY}
    return Entry(**(values | {"details": canonical.normal(json.loads(row.details))}))


def _entry_or_none(row: Row[Any]) -> Entry | None:
    try:
        entry = _entry(row)
    except (ValueError, OverflowError, RecursionError):
        return None
    return entry if isinstance(entry.details, dict) and all(getattr(entry, name) for name in _TIMES) else None


def _checkpoint(row: Row[Any]) -> Checkpoint:
    return Checkpoint(row.tree_size, bytes(row.root_hash), bytes(row.frontier), row.note, row.signed_at)
