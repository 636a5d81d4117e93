"""The Merkle tree of RFC 6962 §2: hashes, roots, appending, proofs and their verification. Pure.

A leaf is SHA-256(0x00 ‖ entry), a node SHA-256(0x01 ‖ left ‖ right); the tree over n leaves splits at the largest
power of two below n. Every tree is a row of complete subtrees, largest first; their hashes are its *frontier*, all
that is needed to append.

Hashes of complete subtrees never change, so they are stored, numbered in post-order: the order in which they become
complete. Appending only ever adds numbers at the end.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""


class ProofInvalid(ValueError):
    """The proof does not show what it claims."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes, straight from the RFC's definition (MTH)."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = _split(len(leaves))
    return node_hash(root_of(leaves[:split]), root_of(leaves[split:]))


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over adjacent complete subtrees, largest (leftmost) first; the empty root for none."""
    if not hashes:
        return EMPTY_ROOT
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree's size and the hashes of its complete subtrees, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} has {self.size.bit_count()} complete subtrees")

    @property
    def root(self) -> bytes:
        """The tree's root."""
        return fold(self.hashes)

    def grow(self, leaves: Iterable[bytes]) -> "tuple[Frontier, list[bytes]]":
        """The frontier after appending leaf hashes, and the hashes that became complete, in post-order."""
        size, stack, completed = self.size, list(self.hashes), list[bytes]()
        for leaf in leaves:
            stack.append(leaf)
            completed.append(leaf)
            for _ in range(trailing_ones(size)):
                right = stack.pop()
                stack[-1] = node_hash(stack[-1], right)
                completed.append(stack[-1])
            size += 1
        return Frontier(size, tuple(stack)), completed

    def to_bytes(self) -> bytes:
        """The hashes, one after the other."""
        return b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> "Frontier":
        """The frontier that `to_bytes` wrote. Raises ValueError when the length does not fit the size."""
        if len(data) != size.bit_count() * HASH_BYTES:
            raise ValueError(f"a tree of {size} has {size.bit_count()} complete subtrees")
        return cls(size, tuple(data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)))


@dataclass(frozen=True, slots=True)
class Subtree:
    """A complete subtree: over the leaves from `position << level` to `(position + 1) << level`, exclusive."""

    level: int
    position: int

    @property
    def number(self) -> int:
        """Its place in the post-order of all complete subtrees, from 0."""
        last = ((self.position + 1) << self.level) - 1
        return completed_by(last) + self.level


def completed_by(size: int) -> int:
    """How many complete subtrees, leaves included, a tree of `size` leaves has: the next free number."""
    return 2 * size - size.bit_count()


def size_holding(count: int) -> int:
    """The smallest tree with at least `count` complete subtrees."""
    low, high = 0, max(count, 1)
    while low < high:
        middle = (low + high) // 2
        if completed_by(middle) < count:
            low = middle + 1
        else:
            high = middle
    return low


def trailing_ones(number: int) -> int:
    """How many subtrees the leaf at index `number` completes besides itself."""
    return (~number & (number + 1)).bit_length() - 1


def cover(start: int, end: int) -> list[Subtree]:
    """The complete subtrees that leaves `start` to `end` (exclusive) consist of, largest first.

    `start` must be where a subtree of that size begins, as it is in every proof.
    """
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append(Subtree(level, start >> level))
        start += 1 << level
    return found


Range = tuple[int, int]
"""Leaves from (inclusive), to (exclusive)."""


def inclusion_path(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that leaf `index` is in the tree of `size`, from the leaf up (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} has no leaf {index}")
    path: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_path(first: int, second: int) -> list[Range]:
    """The ranges whose hashes prove that the tree of `first` begins that of `second` (RFC 6962 §2.1.2)."""
    if not 0 < first <= second:
        raise ValueError(f"no proof from {first} to {second}")
    path: list[Range] = []
    start, end, whole = 0, second, True
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, whole = middle, False
    return [*([] if whole else [(start, end)]), *path[::-1]]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ProofInvalid unless `proof` shows `leaf` at `index` of the tree with `root` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} has no leaf {index}")
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the proof is too short")
    if found != root:
        raise ProofInvalid("the proof leads to another root")


def verify_consistency(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raises ProofInvalid unless `proof` shows the first tree to be the second's beginning (RFC 9162 §2.1.4.2)."""
    if not 0 < first <= second:
        raise ProofInvalid(f"no proof leads from {first} to {second}")
    if first == second:
        if proof or first_root != second_root:
            raise ProofInvalid("trees of one size have one root and an empty proof")
        return
    path = list(proof)
    if first.bit_count() == 1:
        path.insert(0, first_root)
    if not path:
        raise ProofInvalid("the proof is too short")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if at & 1 or at == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the proof is too short")
    if older != first_root:
        raise ProofInvalid("the proof leads to another first root")
    if newer != second_root:
        raise ProofInvalid("the proof leads to another second root")


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
