"""How the log grows: what a batch of records adds to the signed tree. Pure."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit import canonical, merkle
from audit.checkpoint import Signer, Statement, Verifier
from audit.domain import Checkpoint, Entry, Leaf
from audit.merkle import Frontier
from audit.personal import Committed, Delivery
from chassis import errors

MOST_ENTRIES: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the stored rows reach: the next free index among the entries, and among the leaves."""

    entries: int
    leaves: int


@dataclass(frozen=True, slots=True)
class Addition:
    """What one batch adds: entries, nodes from number `first_node` on, and the checkpoint over all of it."""

    leaves: tuple[Leaf, ...]
    first_node: int
    nodes: tuple[bytes, ...]
    checkpoint: Checkpoint


def tree_to_extend(newest: Checkpoint | None, extent: Extent, verifier: Verifier) -> Frontier:
    """The tree that the next entry is appended to: the one that was signed last, never one found in the rows.

    So an edited row can never become part of what is signed later. Raises DataLoss LOG_DAMAGED when the newest
    checkpoint is not ours, or when rows reach further than it does (a newer checkpoint was removed).
    """
    tree = Frontier()
    if newest is not None:
        try:
            tree = trusted_tree(newest, verifier)
        except ValueError as error:
            raise damaged(
                f"the newest checkpoint, of size {newest.tree_size}, does not fit: {error}"
            ) from None
    if max(extent.entries, extent.leaves) > tree.size:
        raise damaged(f"there are entries past the newest checkpoint, of size {tree.size}")
    return tree


def trusted_tree(checkpoint: Checkpoint, verifier: Verifier) -> Frontier:
    """The tree a checkpoint states, proved by its signature.

    Raises NoteInvalid when the signature is not this key's, and ValueError when the other columns say otherwise.
    """
    statement = verifier.open(checkpoint.note)
    if statement != Statement(verifier.name, checkpoint.tree_size, checkpoint.root_hash):
        about = f"{statement.origin} of size {statement.tree_size}, root {statement.root_hash.hex()}"
        raise ValueError(f"its note is about {about}")
    tree = Frontier.from_bytes(checkpoint.tree_size, checkpoint.frontier)
    if tree.root != checkpoint.root_hash:
        raise ValueError("its frontier does not lead to its root")
    return tree


def fresh(deliveries: Iterable[Delivery], known: Set[str]) -> list[Delivery]:
    """Those whose records are not in the log yet, each id once."""
    found = {one.record.record_id: one for one in reversed(list(deliveries))}
    return [one for one in reversed(found.values()) if one.record.record_id not in known]


def require_room(tree: Frontier, count: int) -> None:
    """Raises Precondition LOG_FULL when `count` more entries would have indexes that no message can hold."""
    if tree.size + count > MOST_ENTRIES:
        raise errors.Precondition(
            "LOG_FULL",
            f"the action log has {tree.size} entries and takes {MOST_ENTRIES} at most; services keep their records, "
            "continue with another log",
        )


def extend(tree: Frontier, records: Sequence[Committed], now: datetime, signer: Signer) -> Addition:
    """What appending `records`, at least one, adds to `tree`; `now` is when they are recorded."""
    leaves = tuple(_leaf(record, tree.size + place, now) for place, record in enumerate(records))
    grown, nodes = tree.grow(leaf.leaf_hash for leaf in leaves)
    return Addition(leaves, merkle.completed_by(tree.size), tuple(nodes), signed(grown, now, signer))


def signed(tree: Frontier, now: datetime, signer: Signer) -> Checkpoint:
    """A checkpoint of `tree`."""
    root = tree.root
    return Checkpoint(tree.size, root, tree.to_bytes(), signer.sign(tree.size, root), now)


def proof_size(wanted: int, newest: Checkpoint | None, least: int) -> int:
    """The tree size a proof is about: `wanted`, or the newest checkpoint's for 0.

    Raises OutOfRange TREE_SIZE_OUT_OF_RANGE when the log is smaller, or when it is below `least`.
    """
    largest = newest.tree_size if newest is not None else 0
    size = wanted or largest
    if not least <= size <= largest:
        raise errors.OutOfRange(
            "TREE_SIZE_OUT_OF_RANGE",
            f"the tree size must be from {least} to {largest}, not {size}",
            metadata={"tree_size": str(largest)},
        )
    return size


def leaf_of(entry: Entry) -> bytes:
    """The leaf hash that belongs to the entry's content."""
    return merkle.leaf_hash(canonical.encode(entry))


def damaged(why: str) -> errors.DataLoss:
    """The stored log contradicts what was signed."""
    return errors.DataLoss(
        "LOG_DAMAGED", f"{why}; VerifyLog says more, and nothing is appended until it is repaired"
    )


def _leaf(record: Committed, index: int, now: datetime) -> Leaf:
    entry = Entry(**record, index=index, recorded_at=now, format=canonical.NEWEST)
    return Leaf(entry, leaf_of(entry))
