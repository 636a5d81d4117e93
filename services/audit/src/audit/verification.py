"""Walks the whole log against its signed checkpoints, a window at a time, each read in a short transaction.

The log only grows, so windows read one after the other still make one picture, up to the checkpoint that was the
newest at the beginning.
"""

import asyncio
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from audit import merkle, store
from audit.checkpoint import NoteInvalid, Verifier
from audit.domain import ARCHIVED, MOST_PROBLEMS, Checkpoint, Problem, StoredEntry, Verdict
from audit.domain import ProblemKind as Kind
from audit.examination import Stretch, examine
from audit.log import Extent, trusted_tree
from audit.merkle import Frontier
from audit.personal import tokens
from chassis.database import Database

WINDOW: Final = 2048
"""How many entries are read at once: at least twice the largest batch, so that a window holds a checkpoint."""
_UNTIL_RECORDED: Final = timedelta(minutes=5)
"""How long it may take until the log says that a part of it was archived."""


async def verify(db: Database, verifier: Verifier, window: int = WINDOW) -> Verdict:
    """Recomputes the tree from the entries and compares it with every checkpoint `verifier` signed."""
    async with db.read() as tx:
        extent = await store.extent(tx)
        newest = await store.newest_checkpoint(tx)
        first = await store.archived(tx)
        begin = await store.checkpoint_upto(tx, first) if first else None
    walk = _Walk(verifier)
    if first:
        walk.begin(first, begin)
    size = newest.tree_size if newest is not None else 0
    while walk.tree.size < size:
        end = min(walk.tree.size + window, size)
        async with db.read() as tx:
            rows = await store.stored_between(tx, walk.tree.size, end)
            nodes = await store.nodes_between(
                tx, merkle.completed_by(walk.tree.size), merkle.completed_by(end)
            )
            signed = await store.checkpoints_between(tx, walk.tree.size, end)
            beside = await store.disclosures(tx, _tokens(rows.values()))
        walk.beside(rows.values(), {one.commitment for one in beside if not one.fits})
        await asyncio.to_thread(walk.on, Stretch(walk.tree, end, rows, nodes), signed)
    walk.past(size, extent)
    async with db.read() as tx:
        unsaid = await store.unrecorded_segment(tx, ARCHIVED, _UNTIL_RECORDED)
    if unsaid is not None:
        walk.unsaid(unsaid, first)
    found = sorted(walk.problems, key=lambda problem: problem.index)
    return Verdict(size, walk.recomputed.root, tuple(found[:MOST_PROBLEMS]), first)


@dataclass(slots=True)
class _Walk:
    """How far the log was walked, and what was found on the way."""

    verifier: Verifier
    tree: Frontier = field(default_factory=Frontier)
    """What the next window is compared from: the newest signed tree, unless the window held none."""
    recomputed: Frontier = field(default_factory=Frontier)
    """Grown from the entries' content alone."""
    proved: int = 0
    problems: list[Problem] = field(default_factory=list)

    def begin(self, first: int, signed: Checkpoint | None) -> None:
        """Begins behind what was archived, with the tree that was signed there."""
        try:
            if signed is None or signed.tree_size != first:
                raise ValueError("no checkpoint ends there")
            self.tree = self.recomputed = trusted_tree(signed, self.verifier)
        except ValueError as error:
            message = f"entries up to {first - 1} are said to be archived, but {error}"
            self._note([Problem(Kind.CHECKPOINT_MISMATCH, first, message)])
        else:
            self.proved = first

    def unsaid(self, start: int, end: int) -> None:
        """Names what is said to be archived, and not by the log."""
        message = f"entries {start} to {end - 1} are gone: they are said to be archived, but no entry says so"
        self._note([Problem(Kind.ENTRY_MISSING, start, message)])

    def on(self, window: Stretch, checkpoints: list[Checkpoint]) -> None:
        """Examines a window, up to the last checkpoint in it that holds, or else to its end."""
        trusted: list[Frontier | None] = []
        doubts: list[Problem] = []
        for checkpoint in checkpoints:
            try:
                trusted.append(trusted_tree(checkpoint, self.verifier))
            except NoteInvalid as error:
                doubts.append(
                    Problem(Kind.SIGNATURE_INVALID, checkpoint.tree_size, f"the checkpoint: {error}")
                )
            except ValueError as error:
                doubts.append(
                    Problem(Kind.CHECKPOINT_MISMATCH, checkpoint.tree_size, f"the checkpoint: {error}")
                )
        for signed in trusted or [None]:
            end = signed.size if signed is not None else window.size
            finding = examine(Stretch(self.tree, end, window.rows, window.nodes), signed, self.proved)
            self._grow(finding.contents, finding.tree if not finding.problems else None)
            self._note(finding.problems)
            self.tree = finding.tree
            self.proved = end if signed is not None else self.proved
        self._note(doubt for doubt in doubts if doubt.index <= self.tree.size)

    def beside(self, rows: Iterable[StoredEntry], changed: Set[str]) -> None:
        """Names the entries whose commitments are not about the values that are kept for them."""
        message = "a personal value kept beside it was changed: its commitment is about another"
        for row in rows:
            if changed and row.entry is not None and changed & tokens(row.entry):
                self._note([Problem(Kind.ENTRY_CHANGED, row.index, message, row.record_id)])

    def past(self, size: int, extent: Extent) -> None:
        """Judges what lies past the newest checkpoint, of `size`."""
        if extent.entries > size:
            message = (
                f"entries {size} to {extent.entries - 1} are under no signed checkpoint: "
                "a newer one was removed, or they were not written by this service"
            )
            self._note([Problem(Kind.CHECKPOINT_MISMATCH, size, message)])
        rest = max(size, extent.entries)
        if extent.leaves > rest:
            message = f"entries {rest} to {extent.leaves - 1} are gone; only hashes over them are left"
            self._note([Problem(Kind.ENTRY_MISSING, rest, message)])

    def _grow(self, contents: tuple[bytes, ...], intact: Frontier | None) -> None:
        if intact is not None and self.recomputed == self.tree:
            self.recomputed = intact
        else:
            self.recomputed, _ = self.recomputed.grow(contents)

    def _note(self, problems: Iterable[Problem]) -> None:
        self.problems += [problem for problem in problems if len(self.problems) < 10 * MOST_PROBLEMS]


def _tokens(rows: Iterable[StoredEntry]) -> set[str]:
    return {token for row in rows if row.entry is not None for token in tokens(row.entry)}
