"""What a verification can find."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from audit.checkpoint import Statement

MOST_PROBLEMS: Final = 100


class Kind(Enum):
    """What can be wrong with an export."""

    ENTRY_CHANGED = "ENTRY_CHANGED"
    """What the entry shows is not what its leaf hash, which was signed, is over."""
    LEAF_CHANGED = "LEAF_CHANGED"
    """An entry from this index on is not the one that was signed, whatever its leaf hash says."""
    ENTRY_MISSING = "ENTRY_MISSING"
    ENTRY_MISPLACED = "ENTRY_MISPLACED"
    CHECKPOINT_MISMATCH = "CHECKPOINT_MISMATCH"
    """A checkpoint says something else than what stands beside it, or nothing signed covers an entry."""
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    HISTORY_FORKED = "HISTORY_FORKED"
    """A checkpoint that was kept is over other entries: the same log signed two histories."""
    LOG_TRUNCATED = "LOG_TRUNCATED"
    """A checkpoint that was kept covers entries that the log does not have any more."""
    PERSONAL_CHANGED = "PERSONAL_CHANGED"
    """A personal value, shown before the entry of this index, is not the one that was committed to."""
    EXPORT_INCOMPLETE = "EXPORT_INCOMPLETE"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not fit. `index` is an entry's; of a checkpoint, its tree's size."""

    kind: Kind
    index: int
    message: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A checkpoint from elsewhere, its signature checked: what the log said of itself at another time."""

    name: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found; `problems` in the order of their indexes, at most MOST_PROBLEMS."""

    problems: tuple[Problem, ...]
    origin: str
    first: int
    tree_size: int
    root_hash: bytes
    entries: int
    personal: int
    """How many personal values were shown that their commitments are about."""
    checkpoints: int
    agreed: int
    """How many of the kept checkpoints were compared and say the same."""
    beyond: int
    """How many of them lie outside the part of the log that was exported."""
    newest: datetime | None
    """When the newest entry was recorded."""
    filter: str
    strangers: tuple[str, ...]
    """Keys that the export names, and that signed it too, but are not pinned."""
    exported_at: datetime | None
    """When it says it was made: nothing signed is about that."""
    undated: int
    """Of how many checkpoints nothing signed says when they were signed: the entry recorded with them is not there."""
