"""Compares what is stored of a stretch of the log with what was signed, and names what does not fit. Pure.

A checkpoint's signature vouches for its frontier, so between two checkpoints everything can be decided: grown by the
entries' own content, the older frontier must become the newer one. Where it does not, the tree is descended from the
signed hashes: a stored pair of children whose parent is proved is itself proved, and so on down to the entry.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from audit import merkle
from audit.domain import Problem, StoredEntry
from audit.domain import ProblemKind as Kind
from audit.log import leaf_of
from audit.merkle import Frontier, Subtree

_UNKNOWN: Final = b""
"""Stands for a hash nobody has; equal to no hash."""
_BOTH_CHANGED: Final = "the entry was edited together with its leaf hash: the tree above holds another one"
_HASH_CHANGED: Final = "the stored hash over entries {} to {} differs from the signed tree; they do not"
_ALL_CHANGED: Final = "{} was edited together with every stored hash over it; the signed tree holds others"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is stored of the entries from `start.size` on: rows by index, hashes of complete subtrees by number."""

    start: Frontier
    size: int
    """The tree's size at its end."""
    rows: Mapping[int, StoredEntry]
    nodes: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class Finding:
    """What `examine` found."""

    problems: tuple[Problem, ...]
    tree: Frontier
    """The tree to go on from: the signed one, or what the stored hashes claim."""
    contents: tuple[bytes, ...]
    """The entries' leaf hashes by their content; where there is none, the stored ones."""


def examine(stretch: Stretch, signed: Frontier | None, proved: int) -> Finding:
    """Compares a stretch with the tree that was `signed` at its end.

    Without one the stored hashes of the tree are taken for true for now; the next signed tree judges them. `proved`
    is the size of the newest signed tree before the stretch.
    """
    start, size = stretch.start, stretch.size
    contents = [_content(stretch.rows.get(index)) for index in range(start.size, size)]
    if _UNKNOWN not in contents:
        grown, hashes = start.grow(contents)
        target = signed or grown
        numbers = range(merkle.completed_by(start.size), merkle.completed_by(size))
        intact = (
            grown == target
            and hashes == [stretch.nodes.get(number) for number in numbers]
            and all(
                row.leaf_hash == content for row, content in zip(_in_order(stretch), contents, strict=True)
            )
        )
        if intact:
            return Finding((), target, tuple(contents))
    stack = _build(stretch, contents)
    truth = signed.hashes if signed is not None else tuple(node.claim for node in stack)
    judge = _Judge(stretch, proved)
    for node, expected in zip(stack, truth, strict=True):
        judge.descend(node, expected)
    tree = signed or Frontier(size, truth)
    stand_ins = tuple(
        content or _stored_leaf(stretch, start.size + at) for at, content in enumerate(contents)
    )
    return Finding(tuple(judge.problems), tree, stand_ins)


@dataclass(slots=True)
class _Node:
    """A complete subtree: what its entries make of it, what is stored, and what it consists of."""

    subtree: Subtree
    content: bytes
    """Recomputed from the entries; unknown where one is missing."""
    stored: bytes
    rebuilt: bytes
    """Recomputed from the stored leaf hashes."""
    leaf: bytes = _UNKNOWN
    """A leaf's hash as its row says."""
    children: "tuple[_Node, _Node] | None" = None

    @property
    def begin(self) -> int:
        return self.subtree.position << self.subtree.level

    @property
    def end(self) -> int:
        return (self.subtree.position + 1) << self.subtree.level

    @property
    def claim(self) -> bytes:
        """What is taken for true where nothing signed says."""
        return self.stored or self.rebuilt or self.content

    @property
    def candidates(self) -> tuple[bytes, ...]:
        """The hashes it may truly have, likeliest first."""
        return tuple(
            dict.fromkeys(one for one in (self.stored, self.rebuilt, self.leaf, self.content) if one)
        )


def _build(stretch: Stretch, contents: Sequence[bytes]) -> list[_Node]:
    """The trees over the stretch, on top of the proved subtrees before it."""
    before = merkle.cover(0, stretch.start.size)
    stack = [
        _Node(subtree, *(3 * (value,))) for subtree, value in zip(before, stretch.start.hashes, strict=True)
    ]
    for index, content in enumerate(contents, stretch.start.size):
        subtree = Subtree(0, index)
        stored = stretch.nodes.get(subtree.number, _UNKNOWN)
        leaf = stretch.rows[index].leaf_hash if index in stretch.rows else _UNKNOWN
        stack.append(_Node(subtree, content, stored, stored or leaf, leaf))
        for _ in range(merkle.trailing_ones(index)):
            right, left = stack.pop(), stack.pop()
            stack.append(_parent(left, right, stretch.nodes))
    return stack


def _parent(left: _Node, right: _Node, nodes: Mapping[int, bytes]) -> _Node:
    subtree = Subtree(left.subtree.level + 1, left.subtree.position >> 1)
    content = _over(left.content, right.content)
    rebuilt = _over(left.rebuilt, right.rebuilt)
    return _Node(subtree, content, nodes.get(subtree.number, _UNKNOWN), rebuilt, children=(left, right))


def _over(left: bytes, right: bytes) -> bytes:
    return merkle.node_hash(left, right) if left and right else _UNKNOWN


class _Judge:
    """Walks down from proved hashes and collects what does not fit them."""

    def __init__(self, stretch: Stretch, proved: int) -> None:
        self._stretch = stretch
        self._proved = proved
        self.problems: list[Problem] = []

    def descend(self, node: _Node, truth: bytes) -> None:
        """Judges a subtree whose true hash is `truth`."""
        if node.content == truth:
            self._stored_hashes(node)
        elif node.subtree.level == 0 and node.begin >= self._stretch.start.size:
            self._entry(node, truth)
        elif (proof := _children_of(node, truth)) is not None:
            left, right, of_left, of_right = proof
            self.descend(left, of_left)
            self.descend(right, of_right)
        else:
            self._unproved(node)

    def _stored_hashes(self, node: _Node) -> None:
        """The entries under `node` are as they were signed; the hashes stored over them may still be wrong."""
        for one in self._walk(node):
            if one.children is not None:
                if one.stored != one.content:
                    message = _HASH_CHANGED.format(one.begin, one.end - 1)
                    self._add(Kind.CHECKPOINT_MISMATCH, self._stretch.size, message)
            elif one.leaf != one.content or one.stored != one.content:
                self._add(
                    Kind.LEAF_CHANGED, one.begin, "its leaf hash was changed; the entry is as it was signed"
                )

    def _entry(self, node: _Node, truth: bytes) -> None:
        """The entry of `node` is not the one that was signed."""
        if node.begin not in self._stretch.rows:
            self._add(Kind.ENTRY_MISSING, node.begin, "the entry is gone")
        elif node.leaf == truth:
            self._add(
                Kind.ENTRY_CHANGED, node.begin, "the entry was edited: its leaf hash is over other content"
            )
        else:
            self._add(Kind.LEAF_CHANGED, node.begin, _BOTH_CHANGED)

    def _unproved(self, node: _Node) -> None:
        """Nothing stored leads from the true hash to its children: whatever is wrong here was edited with them."""
        explained = False
        for one in self._walk(node):
            if one.children is None and (not one.content or one.content != one.rebuilt):
                self._entry(one, one.rebuilt or one.leaf)
                explained = explained or not one.candidates
        if explained:
            return
        begin, end = max(node.begin, self._proved), node.end
        if begin >= end:
            self._add(
                Kind.CHECKPOINT_MISMATCH, self._stretch.size, f"it contradicts the one of size {self._proved}"
            )
        elif end - begin <= 2:
            for index in range(begin, end):
                self._add(Kind.LEAF_CHANGED, index, _ALL_CHANGED.format(_one_of(begin, end)))
        else:
            message = _ALL_CHANGED.format(_one_of(begin, end))
            self._add(Kind.CHECKPOINT_MISMATCH, self._stretch.size, message)

    def _walk(self, node: _Node) -> Iterator[_Node]:
        """The subtree's nodes that belong to the stretch, leaves first, from the left."""
        if node.children is not None:
            yield from self._walk(node.children[0])
            yield from self._walk(node.children[1])
        if node.end > self._stretch.start.size:
            yield node

    def _add(self, kind: Kind, index: int, message: str) -> None:
        row = self._stretch.rows.get(index) if kind is not Kind.CHECKPOINT_MISMATCH else None
        self.problems.append(Problem(kind, index, message, row.record_id if row else ""))


def _children_of(node: _Node, truth: bytes) -> tuple[_Node, _Node, bytes, bytes] | None:
    """The children with the hashes that prove each other by `truth`, or None."""
    if node.children is None:
        return None
    left, right = node.children
    for of_left in left.candidates:
        for of_right in right.candidates:
            if merkle.node_hash(of_left, of_right) == truth:
                return left, right, of_left, of_right
    return None


def _one_of(begin: int, end: int) -> str:
    return f"entry {begin}" if end - begin == 1 else f"at least one of the entries {begin} to {end - 1}"


def _content(row: StoredEntry | None) -> bytes:
    if row is None or row.entry is None:
        return _UNKNOWN
    try:
        return leaf_of(row.entry)
    except (ValueError, RecursionError):
        return _UNKNOWN


def _in_order(stretch: Stretch) -> Iterator[StoredEntry]:
    return (stretch.rows[index] for index in range(stretch.start.size, stretch.size))


def _stored_leaf(stretch: Stretch, index: int) -> bytes:
    row = stretch.rows.get(index)
    return (
        stretch.nodes.get(Subtree(0, index).number)
        or (row.leaf_hash if row else b"")
        or bytes(merkle.HASH_BYTES)
    )
