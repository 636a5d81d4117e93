"""The signed notes of an export, and what stands beside them: that it says no more than they do."""

from collections.abc import Callable, Sequence
from datetime import datetime

from audit.checkpoint import KeyInvalid, NoteInvalid, Statement, Verifier
from audit.verify.findings import MOST_PROBLEMS, Kind
from audit.verify.reading import Note

Add = Callable[[Kind, int, str], None]
"""Is told what does not fit: its kind, the tree's size, and why."""


class Notes:
    """Opens notes with the pinned keys, and holds what is named beside each against it."""

    def __init__(self, keys: Sequence[Verifier], add: Add) -> None:
        self._keys = tuple(keys)
        self._add = add
        self.strangers: dict[str, Verifier] = {}
        """Keys by the names that notes are given, which signed them and are not pinned."""
        self.undated = 0
        """Of how many checkpoints nothing signed says when they were signed."""

    def opened(self, note: Note, what: str) -> Statement | None:
        """What a note states, a pinned key having signed it."""
        try:
            signed, signer = _opened(note.text, self._keys)
        except NoteInvalid as error:
            self._add(Kind.SIGNATURE_INVALID, note.tree_size, f"{what}: {error}")
            return None
        if (signed.tree_size, signed.root_hash) != (note.tree_size, note.root_hash):
            why = (
                f"{what} is shown as one of {note.tree_size} entries, but was signed over {signed.tree_size}"
            )
            self._mismatch(note, f"{why}, root {signed.root_hash.hex()}")
            return None
        self.agree(note.origin, note.verifier_key, note, signed, what, signer=str(signer))
        return signed

    def date(self, note: Note, truly: datetime | None, what: str) -> None:
        """Says where a checkpoint was not signed when it says; `truly` is when its last entry was recorded."""
        if note.signed_at is None:
            return
        self.undated += truly is None
        if truly is not None and truly != note.signed_at:
            said = note.signed_at.isoformat()
            self._mismatch(note, f"{what} says it was signed at {said}, its last entry {truly.isoformat()}")

    def agree(
        self, origin: str, key: str, note: Note, signed: Statement, what: str, *, signer: str = ""
    ) -> None:
        """Says where the log or the key that `what` names is not the note's; `signer` is known to have signed it."""
        if origin != signed.origin:
            self._mismatch(note, f"{what} names the log {origin!r}, but was signed for {signed.origin!r}")
        if key != signer and not self._signed_with(key, note):
            self._mismatch(note, f"{what} names the key {key[:300]!r}, which did not sign it")

    def _signed_with(self, name: str, note: Note) -> bool:
        """Whether the key of this name signed the note; one that is not pinned is kept in mind."""
        pinned = next((key for key in self._keys if str(key) == name), None)
        try:
            key = pinned or self.strangers.get(name) or Verifier.parse(name)
            key.open(note.text)
        except (KeyInvalid, NoteInvalid):
            return False
        if pinned is None and len(self.strangers) < MOST_PROBLEMS:
            self.strangers[name] = key
        return True

    def _mismatch(self, note: Note, why: str) -> None:
        self._add(Kind.CHECKPOINT_MISMATCH, note.tree_size, why)


def opened(note: str, keys: Sequence[Verifier]) -> Statement:
    """What a note states about the log named like the key that signed it. Raises NoteInvalid for no such key."""
    return _opened(note, keys)[0]


def _opened(note: str, keys: Sequence[Verifier]) -> tuple[Statement, Verifier]:
    refusal = NoteInvalid("no key is pinned")
    for key in keys:
        try:
            statement = key.open(note)
        except NoteInvalid as error:
            refusal = error
            continue
        if statement.origin != key.name:
            raise NoteInvalid(f"it is about the log {statement.origin!r}, not {key.name!r}")
        return statement, key
    raise refusal
