"""Walks a part of the log for an export, a window at a time, each read in a short transaction.

Nothing is judged here: what the rows hold is what leaves, and `audit.verify` judges it without this service.
"""

from collections.abc import AsyncIterator
from typing import Final

from audit import log, merkle, store
from audit.checkpoint import Signer
from audit.domain import Checkpoint, Exported, Json, Leaf, Milestone, Scope
from audit.merkle import Frontier
from audit.personal import Disclosure, tokens
from chassis import errors
from chassis.database import Database, Transaction

WINDOW: Final = 1000
"""How many entries are read at once, and about how many lie between checkpoints that come with their subtrees."""


async def scope(tx: Transaction, first: int, until: int, signer: Signer) -> Scope:
    """What an export of the entries from `first` to `until`, exclusive, covers; 0 for `until` means all.

    It begins and ends where a checkpoint does. Raises OutOfRange TREE_SIZE_OUT_OF_RANGE when the log is smaller, or
    what is wanted was archived.
    """
    newest = await store.newest_checkpoint(tx)
    gone = await store.archived(tx)
    if first < gone:
        raise errors.OutOfRange(
            "TREE_SIZE_OUT_OF_RANGE",
            f'entries up to {gone - 1} were archived; their files have them (action = "ACTION_LOG_ARCHIVED"), and '
            f"what is here begins with from_index {gone}",
            metadata={"first_index": str(gone)},
        )
    size = log.proof_size(until, newest, first)
    end = await store.checkpoint_from(tx, size)
    start = await store.checkpoint_upto(tx, first) if first else None
    return Scope(_resumable(start) if start else None, end or log.signed(merkle.Frontier(), tx.now, signer))


def about(scope: Scope, wanted: str) -> dict[str, Json]:
    """What the action log says of an export."""
    return {"first_index": scope.first, "tree_size": scope.end.tree_size, "filter": wanted}


async def export(
    db: Database, scope: Scope, condition: store.Condition | None, window: int = WINDOW
) -> AsyncIterator[Exported | Milestone | Disclosure]:
    """The entries of `scope` in their order, and behind the last one of each batch its checkpoint.

    What an entry's commitments are about comes once, before the first that has them. With a `condition` the entries
    that fulfil it, each with its inclusion proof, and no checkpoints.
    """
    size = scope.end.tree_size
    sent = set[str]()
    for start in range(scope.first, size, window):
        end = min(start + window, size)
        if condition is None:
            parts = await _whole(db, start, end)
        else:
            parts = await _fulfilling(db, start, end, size, condition)
        new = {
            token for part in parts if isinstance(part, Exported) for token in tokens(part.leaf.entry)
        } - sent
        async with db.read() as tx:
            found = await store.disclosures(tx, new)
        sent |= new
        for disclosure in found:
            yield disclosure
        for part in parts:
            yield part


async def _whole(db: Database, start: int, end: int) -> list[Exported | Milestone]:
    """Everything from `start` to `end`; the window's first checkpoint comes with its subtrees."""
    async with db.read() as tx:
        rows = await store.stored_between(tx, start, end)
        signed = await store.checkpoints_between(tx, start, end)
    parts: list[tuple[int, Exported | Milestone]] = [
        (index, Exported(Leaf(row.entry, row.leaf_hash)))
        for index, row in rows.items()
        if row.entry is not None
    ]
    for place, checkpoint in enumerate(signed):
        milestone = _resumable(checkpoint) if place == 0 else Milestone(checkpoint)
        parts.append((checkpoint.tree_size - 1, milestone))
    return [part for _, part in sorted(parts, key=lambda found: found[0])]  # stable: entries first


async def _fulfilling(
    db: Database, start: int, end: int, size: int, condition: store.Condition
) -> list[Exported | Milestone]:
    """The entries from `start` to `end` that fulfil the condition, with their proofs in the tree of `size`."""
    async with db.read() as tx:
        rows = await store.stored_between(tx, start, end, condition)
        paths = {index: merkle.inclusion_path(index, size) for index in rows}
        ranges = list(dict.fromkeys(found for path in paths.values() for found in path))
        hashes = dict(zip(ranges, await store.hashes_over(tx, ranges), strict=True))
    return [
        Exported(Leaf(row.entry, row.leaf_hash), tuple(hashes[found] for found in paths[index]))
        for index, row in rows.items()
        if row.entry is not None
    ]


def _resumable(checkpoint: Checkpoint) -> Milestone:
    """The checkpoint with its complete subtrees; without, where the stored ones cannot be those."""
    try:
        return Milestone(checkpoint, Frontier.from_bytes(checkpoint.tree_size, checkpoint.frontier).hashes)
    except ValueError:
        return Milestone(checkpoint)
