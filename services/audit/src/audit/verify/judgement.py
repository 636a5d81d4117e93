"""Judges an export by its signed checkpoints and by those that were kept elsewhere. Pure; needs constant memory.

The tree is grown twice as the lines go by: from what the entries show, and from the leaf hashes they claim. Where the
next checkpoint's root is the first one's, everything up to there is as it was signed. Where it is the second one's,
the entries whose content is not their leaf hash were changed, and these alone. Where it is neither, whoever made the
export changed the leaf hashes too: then what is in it names no single entry, and the whole stretch back to the
checkpoint before is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from audit import merkle
from audit.checkpoint import Statement, Verifier
from audit.merkle import Frontier
from audit.verify.findings import MOST_PROBLEMS, Kept, Kind, Problem, Verdict
from audit.verify.notes import Notes
from audit.verify.reading import End, Header, Line, LineInvalid, Note, Value, parse


class NotAnExport(ValueError):
    """The text does not begin as an export does."""


@dataclass(slots=True)
class _Stretch:
    """What came since the last checkpoint."""

    content: Frontier | None
    """The tree grown from what the entries show; None once that is not known."""
    claim: Frontier | None
    """The tree grown from the leaf hashes they claim."""
    next: int
    """The index that has to come next."""
    differing: list[Problem] = field(default_factory=list)
    """Entries whose content is not the leaf hash they claim."""
    found: list[Problem] = field(default_factory=list)
    """What is wrong whatever the checkpoint says."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    roots: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    """The trees' roots at the sizes of kept checkpoints, by content and by claim."""


class Judge:
    """Takes the lines of an export one by one, and says at the end what does not fit."""

    def __init__(self, keys: Sequence[Verifier], kept: Sequence[Kept] = (), *, part: bool = False) -> None:
        """`keys` are the pinned ones: what none of them signed proves nothing. With `part` the export may begin
        after the log's first entry, end before its last, or leave entries out.
        """
        self._notes = Notes(keys, self._add)
        self._kept = sorted(kept, key=lambda one: one.statement.tree_size)
        self._sizes = {one.statement.tree_size for one in kept}
        self._part = part
        self._header: Header | None = None
        self._target: Statement | None = None
        self._end: End | None = None
        self._stretch = _Stretch(None, None, 0)
        self._done = 0
        """The size of the newest checkpoint that was reached."""
        self._root = merkle.EMPTY_ROOT
        self._agreed = 0
        """The size of the largest kept checkpoint that says the same."""
        self._problems: list[Problem] = []
        self._personal = 0
        self._entries = self._checkpoints = self._agreements = self._beyond = 0
        self._newest: datetime | None = None
        self._done_at: datetime | None = None
        """When the newest checkpoint that was reached was signed: with its last entry, whose time is signed."""

    def take(self, text: str) -> None:
        """Judges the next line. Raises NotAnExport when the first one is no header."""
        try:
            piece = parse(text)
        except LineInvalid as error:
            if self._header is None:
                raise NotAnExport(f"the first line is no export's header: {error}") from None
            self._unreadable(str(error))
            return
        if self._header is None:
            if not isinstance(piece, Header):
                raise NotAnExport("the first line is no export's header")
            self._begin(piece)
        elif self._end is not None:
            self._add(Kind.EXPORT_INCOMPLETE, self._stretch.next, "lines follow the end")
        elif isinstance(piece, Header):
            self._add(Kind.EXPORT_INCOMPLETE, self._stretch.next, "a second header stands here")
        elif isinstance(piece, End):
            self._end = piece
        elif isinstance(piece, Value):
            self._personal += piece.fits
            if not piece.fits:
                why = "a personal value is shown that its commitment is not about"
                self._add(Kind.PERSONAL_CHANGED, self._stretch.next, why)
        elif isinstance(piece, Note):
            if self._header.filter:
                self._add(
                    Kind.CHECKPOINT_MISMATCH, piece.tree_size, "a checkpoint stands among chosen entries"
                )
            else:
                self._close(piece)
        elif self._header.filter:
            self._alone(piece)
        else:
            self._next(piece)

    def verdict(self) -> Verdict:
        """What was found in all. Raises NotAnExport when there was no line."""
        header = self._header
        if header is None:
            raise NotAnExport("the export is empty")
        self._finish(header)
        problems = sorted(self._problems, key=lambda problem: problem.index)
        return Verdict(
            problems=tuple(problems[:MOST_PROBLEMS]),
            origin=self._target.origin if self._target is not None else header.origin,
            first=header.start.tree_size if header.start is not None else 0,
            tree_size=self._target.tree_size if self._target is not None else self._done,
            root_hash=self._target.root_hash if self._target is not None else self._root,
            entries=self._entries,
            personal=self._personal,
            checkpoints=self._checkpoints,
            agreed=self._agreements,
            beyond=self._beyond,
            newest=self._newest,
            filter=header.filter,
            strangers=tuple(self._notes.strangers),
            exported_at=header.exported_at,
            undated=self._notes.undated,
        )

    def _begin(self, header: Header) -> None:
        self._header = header
        self._target = self._notes.opened(header.checkpoint, "the header's checkpoint")
        if self._target is not None:
            named = (header.origin, header.verifier_key)
            self._notes.agree(*named, header.checkpoint, self._target, "the header")
        tree: Frontier | None = Frontier()
        if header.start is not None:
            tree = self._resumed(header.start, "the checkpoint it begins at")
            self._done, self._root = header.start.tree_size, header.start.root_hash
        if not self._part and (header.start is not None or header.filter):
            missing = "the export holds a part of the log; --part says that no more was asked for"
            self._add(Kind.ENTRY_MISSING, 0, missing)
        self._stretch = _Stretch(tree, tree, self._done)
        if tree is not None:
            self._compare(self._done, tree.root)
        elif not self._problems:
            why = "the checkpoint it begins at comes without the subtrees that the first entry is added to"
            self._add(Kind.CHECKPOINT_MISMATCH, self._done, why)

    def _next(self, line: Line) -> None:
        """An entry of an export without gaps."""
        self._entries += 1
        self._newest = line.recorded_at or self._newest
        stretch = self._stretch
        if line.index < stretch.next:
            self._misplaced(line)
            return
        if line.index > stretch.next:
            self._gap(stretch.next, line.index)
        stretch.next = line.index + 1
        if line.flaw:
            _note(stretch.found, Problem(Kind.ENTRY_CHANGED, line.index, _named(line, line.flaw)))
        elif line.content != line.claim:
            why = "what it shows is not what its leaf hash is over"
            _note(stretch.differing, Problem(Kind.ENTRY_CHANGED, line.index, _named(line, why)))
        stretch.content = _grown(stretch.content, line.content)
        stretch.claim = _grown(stretch.claim, line.claim)
        if stretch.next in self._sizes and stretch.content and stretch.claim:
            stretch.roots[stretch.next] = stretch.content.root, stretch.claim.root

    def _alone(self, line: Line) -> None:
        """An entry with a proof of its own."""
        self._entries += 1
        self._newest = line.recorded_at or self._newest
        if line.index < self._stretch.next:
            self._add(Kind.ENTRY_MISPLACED, line.index, _named(line, "it stands behind a later one"))
        self._stretch.next = max(self._stretch.next, line.index + 1)
        target = self._target
        if target is None:
            return
        if not _included(line, line.content, target):
            if line.flaw:
                self._add(Kind.ENTRY_CHANGED, line.index, _named(line, line.flaw))
            elif line.content != line.claim and _included(line, line.claim, target):
                why = "what it shows is not what was signed"
                self._add(Kind.ENTRY_CHANGED, line.index, _named(line, why))
            else:
                why = "no proof leads from it to the signed root"
                self._add(Kind.LEAF_CHANGED, line.index, _named(line, why))

    def _unreadable(self, why: str) -> None:
        """A line that cannot be read: most likely the next entry's."""
        stretch = self._stretch
        message = f"its line, or one beside it, cannot be read: {why}"
        _note(stretch.found, Problem(Kind.ENTRY_CHANGED, stretch.next, message))
        stretch.content = stretch.claim = None

    def _misplaced(self, line: Line) -> None:
        stretch = self._stretch
        filled = [(start, end) for start, end in stretch.gaps if start <= line.index < end]
        why = "it stands behind a later one" if filled else "it stands here a second time"
        _note(stretch.found, Problem(Kind.ENTRY_MISPLACED, line.index, _named(line, why)))
        stretch.content = stretch.claim = None
        for start, end in filled:
            stretch.gaps.remove((start, end))
            around = ((start, line.index), (line.index + 1, end))
            stretch.gaps += [gap for gap in around if gap[0] < gap[1]]

    def _gap(self, start: int, end: int) -> None:
        if len(self._stretch.gaps) < MOST_PROBLEMS:
            self._stretch.gaps.append((start, end))
        self._stretch.content = self._stretch.claim = None

    def _close(self, note: Note) -> None:
        """A checkpoint: judges what came since the one before."""
        signed = self._notes.opened(note, "the checkpoint")
        if signed is None:
            return
        size, stretch = signed.tree_size, self._stretch
        if size < max(stretch.next, self._done):
            why = f"the checkpoint of {size} entries stands behind entry {max(stretch.next, self._done) - 1}"
            self._add(Kind.CHECKPOINT_MISMATCH, size, why)
            return
        self._checkpoints += 1
        if size == self._done:
            if signed.root_hash != self._root:
                why = f"two checkpoints of {size} entries have two roots"
                self._add(Kind.CHECKPOINT_MISMATCH, size, why)
            self._notes.date(note, self._done_at, "the checkpoint")
            return
        if size > stretch.next:
            self._gap(stretch.next, size)
        tree, roots = self._judged(signed)
        for at in sorted(roots):
            if at < size:
                self._compare(at, roots[at])
        self._compare(size, signed.root_hash)
        self._done_at = self._newest if tree is not None and tree is stretch.content else None
        self._notes.date(note, self._done_at, "the checkpoint")
        tree = tree or self._resumed(note, "the checkpoint")
        self._done, self._root = size, signed.root_hash
        self._stretch = _Stretch(tree, tree, size)

    def _judged(self, signed: Statement) -> tuple[Frontier | None, dict[int, bytes]]:
        """The signed tree, where it was rebuilt, and the roots of smaller ones in it."""
        stretch = self._stretch
        self._problems += stretch.found
        self._missing()
        if stretch.content is not None and stretch.content.root == signed.root_hash:
            why = "its leaf hash was changed; the entry is as it was signed"
            self._problems += [Problem(Kind.LEAF_CHANGED, one.index, why) for one in stretch.differing]
            return stretch.content, {size: roots[0] for size, roots in stretch.roots.items()}
        self._problems += stretch.differing
        if stretch.claim is not None and stretch.claim.root == signed.root_hash:
            return stretch.claim, {size: roots[1] for size, roots in stretch.roots.items()}
        known = stretch.content is not None and stretch.claim is not None
        if known and not stretch.differing:
            of = _span(self._done, signed.tree_size)
            why = f"{of} is not what was signed in the checkpoint of {signed.tree_size} entries"
            self._add(Kind.LEAF_CHANGED, self._done, why)
        return None, {}

    def _missing(self) -> None:
        for start, end in sorted(self._stretch.gaps):
            why = f"entries {start} to {end - 1} are gone" if end - start > 1 else "the entry is gone"
            self._add(Kind.ENTRY_MISSING, start, why)

    def _finish(self, header: Header) -> None:
        stretch, target = self._stretch, self._target
        if self._end is None:
            self._add(Kind.EXPORT_INCOMPLETE, stretch.next, "the export breaks off: it has no end")
        elif self._end.entries != self._entries:
            why = f"it was sent with {self._end.entries} entries and has {self._entries}"
            self._add(Kind.EXPORT_INCOMPLETE, stretch.next, why)
        if header.filter:
            self._problems += stretch.found
            self._done = target.tree_size if target is not None else 0
            if target is not None:
                self._compare(target.tree_size, target.root_hash)
        else:
            self._leftovers()
            if target is not None and (self._done, self._root) != (target.tree_size, target.root_hash):
                why = f"the export ends at {self._done} entries, not at the {target.tree_size} it was made of"
                self._add(Kind.EXPORT_INCOMPLETE, self._done, why)
            if not self._problems and stretch.content is None:
                self._add(Kind.EXPORT_INCOMPLETE, self._done, "what is in it does not prove its entries")
        if target is not None:
            reached = not header.filter and self._done == target.tree_size
            self._notes.date(header.checkpoint, self._done_at if reached else None, "the header's checkpoint")
        if header.start is not None:
            self._notes.date(header.start, None, "the checkpoint it begins at")
        self._judge_kept(self._first(header), self._done)

    def _first(self, header: Header) -> int:
        """The smallest tree that kept checkpoints can be compared with, but for the empty one."""
        if header.filter:
            return self._done
        return header.start.tree_size if header.start is not None else 0

    def _leftovers(self) -> None:
        """Entries behind the last checkpoint."""
        stretch = self._stretch
        self._problems += [*stretch.found, *stretch.differing]
        self._missing()
        if stretch.next > self._done:
            why = f"no signed checkpoint covers {_span(self._done, stretch.next, 'any of the')}"
            self._add(Kind.CHECKPOINT_MISMATCH, self._done, why)

    def _judge_kept(self, first: int, reached: int) -> None:
        """Says which kept checkpoints lie outside of what was exported, and what that means."""
        for one in self._kept:
            size = one.statement.tree_size
            if self._part:
                self._beyond += not first <= size <= reached
            elif size > reached:
                why = f"{one.name} covers {_span(reached, size, 'the')}, which the log does not have any more"
                self._add(Kind.LOG_TRUNCATED, reached, why)

    def _compare(self, size: int, root: bytes) -> None:
        """Compares the exported tree of `size` with the kept checkpoints of that size."""
        for one in self._kept:
            if one.statement.tree_size == size:
                if one.statement.root_hash == root:
                    self._agreed, self._agreements = size, self._agreements + 1
                else:
                    of = _span(self._agreed, size)
                    why = f"{one.name} is over other entries: {of} was another one when it was signed"
                    self._add(Kind.HISTORY_FORKED, self._agreed, why)

    def _resumed(self, note: Note, what: str) -> Frontier | None:
        """The signed tree from the complete subtrees sent with it."""
        signed = self._notes.opened(note, what)
        if signed is None or not note.frontier:
            return None
        try:
            tree = Frontier(signed.tree_size, note.frontier)
        except ValueError:
            tree = None
        if tree is None or tree.root != signed.root_hash:
            self._add(
                Kind.CHECKPOINT_MISMATCH, note.tree_size, f"{what}: its subtrees do not lead to its root"
            )
            return None
        return tree

    def _add(self, kind: Kind, index: int, message: str) -> None:
        problem = Problem(kind, index, message)
        if len(self._problems) < 10 * MOST_PROBLEMS and problem not in self._problems:
            self._problems.append(problem)


def _grown(tree: Frontier | None, leaf: bytes) -> Frontier | None:
    return tree.grow([leaf])[0] if tree is not None and leaf else None


def _included(line: Line, leaf: bytes, target: Statement) -> bool:
    try:
        merkle.verify_inclusion(line.index, target.tree_size, leaf, line.proof, target.root_hash)
    except merkle.ProofInvalid:
        return False
    return True


def _note(problems: list[Problem], problem: Problem) -> None:
    if len(problems) < MOST_PROBLEMS:
        problems.append(problem)


def _named(line: Line, why: str) -> str:
    return f"{line.record_id}: {why}" if line.record_id else why


def _span(start: int, end: int, of: str = "at least one of the") -> str:
    return f"entry {start}" if end - start == 1 else f"{of} entries {start} to {end - 1}"
