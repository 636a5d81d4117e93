"""What the action log is made of."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum
from typing import Final, TypeAlias

MOST_PROBLEMS: Final = 100
"""How many problems a verification names."""
ARCHIVED: Final = "ACTION_LOG_ARCHIVED"
"""The action of an entry that says which part of the log lies in a file now."""
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a service hands over: one action."""

    record_id: str
    time: datetime
    service: str
    action: str
    outcome: str
    actor_id: str = ""
    actor_kind: str = ""
    actor_name: str = ""
    on_behalf_of_id: str = ""
    on_behalf_of_name: str = ""
    client_address: str = ""
    api_key_id: str = ""
    entity_type: str = ""
    entity_id: str = ""
    details: dict[str, Json]
    trace_id: str = ""
    method: str = ""
    request_id: str = ""
    session_id: str = ""
    user_agent: str = ""
    run_id: str = ""


RECORD: Final = tuple(field.name for field in fields(Record))
"""The names of a record's fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Record):
    """A record at its place in the log."""

    index: int
    recorded_at: datetime
    format: int
    """Which canonical form its leaf hash is over; see `audit.canonical`."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """An entry and the leaf hash stored with it."""

    entry: Entry
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """What the log's row at `index` holds, whatever was done to it; `entry` is None when it cannot be read as one."""

    index: int
    record_id: str
    entry: Entry | None
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement of the tree's size and root. `frontier` is what appending to that tree needs."""

    tree_size: int
    root_hash: bytes
    frontier: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Milestone:
    """A checkpoint as an export holds it; with its complete subtrees, a verifier can go on from there."""

    checkpoint: Checkpoint
    frontier: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What an export covers: the entries after the tree of `start`, or all, up to that of `end`."""

    start: Milestone | None
    end: Checkpoint

    @property
    def first(self) -> int:
        """The first entry's index."""
        return self.start.checkpoint.tree_size if self.start is not None else 0


@dataclass(frozen=True, slots=True)
class Segment:
    """Entries from `first` to `end`, exclusive, that lie in a file now; `sha256` is over the file."""

    first: int
    end: int
    sha256: bytes
    place: str


@dataclass(frozen=True, slots=True)
class Exported:
    """An entry as an export holds it; where others are left out, with the inclusion proof in the export's tree."""

    leaf: Leaf
    proof: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """How a witness is."""

    name: str
    tree_size: int = 0
    """The newest checkpoint it is known to have; 0 for none."""
    kept_at: datetime | None = None
    """When that was last seen there."""
    error: str = ""
    """Why it could not be reached the last time, or what it contradicts."""


class ProblemKind(Enum):
    """What can be wrong with the log; the words of the contract."""

    ENTRY_CHANGED = "ENTRY_CHANGED"
    LEAF_CHANGED = "LEAF_CHANGED"
    ENTRY_MISSING = "ENTRY_MISSING"
    CHECKPOINT_MISMATCH = "CHECKPOINT_MISMATCH"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    HISTORY_FORKED = "HISTORY_FORKED"
    LOG_TRUNCATED = "LOG_TRUNCATED"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the log that does not fit. `index` is the entry's, or a checkpoint's tree size."""

    kind: ProblemKind
    index: int
    message: str
    record_id: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found. `root_hash` is recomputed from the entries from `first` on; the rest is archived."""

    tree_size: int
    root_hash: bytes
    problems: tuple[Problem, ...]
    first: int = 0

    def beside(self, contradictions: tuple[Problem, ...]) -> "Verdict":
        """The verdict with what witnesses contradict in front."""
        return replace(self, problems=(*contradictions, *self.problems)[:MOST_PROBLEMS])
