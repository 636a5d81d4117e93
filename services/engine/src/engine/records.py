"""What is read back from the tables, a class for each. `error` is a document: kind, message, traceback, step_id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

from engine.domain import ErrorKind, Failure
from engine.state import Decision

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """The ids of the workflows that are shared with somebody."""

    seen: frozenset[str] = frozenset()
    """All of them."""
    steered: frozenset[str] = frozenset()
    """Those whose runs they may cancel, pause and resume, too."""


NOTHING: Final = Given()


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What never changes of a run."""

    id: str
    workflow_id: str
    workflow_name: str
    workflow_version: int
    is_public: bool
    owner_id: str
    started_by: str
    started_by_kind: str
    started_by_name: str
    trace_id: str
    priority: int = 0
    limit_count: int = 0
    """How many runs may run at once under its concurrency key; 0: it has none."""
    rerun_of: str | None = None
    rerun_from: Sequence[str] = ()
    triggered_by: str = ""
    run_key: str = ""
    budget: Mapping[str, Any] | None = field(default=None, compare=False)
    """Of a call, the fields of what its attempts may each use of language models, see Budget; None: no limit."""
    started_through: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The key, the session, the client and the request that started it, as audit's Actor and Record name them."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run. `inputs` and `outputs` are canonical JSON; both are None where they were not asked for."""

    id: str
    workflow_id: str
    workflow_name: str
    workflow_version: int
    plan: bytes
    started_by: str
    status: str
    inputs: bytes | None
    outputs: bytes | None
    error: Document | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    cancel_requested_at: datetime | None
    step_count: int
    steps_ended: int
    last_seq: int
    start_at: datetime | None = None
    deadline_at: datetime | None = None
    priority: int = 0
    limit_key: str = ""
    admitted: bool = True
    begun: bool = True
    rerun_of: str | None = None
    rerun_from: Sequence[str] = ()
    triggered_by: str = ""
    run_key: str = ""
    pauses: Sequence[datetime] = ()
    """When it was paused and when it went on, in turn."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step that has left PENDING."""

    run_id: str
    step_id: str
    kind: str
    status: str
    attempt: int
    epoch: int
    inputs: bytes | None
    output: bytes | None
    error: Document | None
    started_at: datetime | None
    ended_at: datetime | None
    due_at: datetime | None
    worker_id: str
    stopping: bool
    expires_at: datetime | None = None
    gate: str = ""
    not_before: datetime | None = None
    """Under a rate limit: its place in the queue, and when it may be let through at the earliest."""
    copied_from: str = ""
    message: str = ""
    approvers: Sequence[str] = ()
    decision: Document | None = None
    deadline_at: datetime | None = None
    has_begun: bool = True
    """Whether it has more than a place in the plan: inputs, or somebody was asked about it."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """An attempt; `status` is None while it runs."""

    step_id: str
    number: int
    epoch: int
    worker_id: str
    isolation: str
    status: str | None
    error: Document | None
    started_at: datetime
    ended_at: datetime | None
    queued_at: datetime | None = None
    limits: bytes | None = None
    """What it was held to, as the contract's message."""
    usage: Document | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a step stands, when it began, somebody decided about it, and it ended."""

    status: str
    started_at: datetime | None
    ended_at: datetime | None
    decided_at: datetime | None = None

    @property
    def opened_at(self) -> datetime | None:
        """When what it is made of could begin: a decision about it comes first."""
        if self.started_at is None or self.decided_at is None:
            return self.started_at
        return max(self.started_at, self.decided_at)


@dataclass(frozen=True, slots=True)
class LinesWanted:
    """Which lines of a run are wanted; what is empty does not matter."""

    step_id: str = ""
    attempt: int = 0
    min_level: int = 0
    stream: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event: a serialized RunEvent without `run_id`, `seq` and `time`, and these."""

    run_id: str
    seq: int
    time: datetime
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True)
class ArtifactRecord:
    """A stored file."""

    id: str
    run_id: str
    step_id: str
    attempt: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    preview: str = ""
    """Of a step's output: how it begins."""
    items: dict[str, int] | None = None
    """Of a step's output: how many items its lists have."""
    kinds: dict[str, str] | None = None
    """Of a step's output: what its parts are."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step that waits, and since when."""

    run_id: str
    workflow_name: str
    step_id: str
    message: str
    approvers: Sequence[str]
    started_by: str
    started_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker that is connected, or was."""

    id: str
    kinds: tuple[str, ...]
    slots: int
    isolation: str
    host: str
    draining: bool = False
    pool: str = ""
    labels: frozenset[str] = frozenset()
    cpus: float = 0.0
    memory_bytes: int = 0
    drained: bool = False
    """Whether somebody has it take nothing new."""
    version: str = ""


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker as lists show it."""

    worker: WorkerRecord
    busy: int
    """How many attempts it holds."""
    alive: bool
    """Whether its last sign of life is younger than a lease."""
    engine_version: str
    connected_at: datetime
    last_seen_at: datetime


def to_decision_document(decision: Decision | None) -> Document | None:
    """The decision as it is stored."""
    if decision is None:
        return None
    return {
        "approved": decision.approved,
        "by": decision.by,
        "by_name": decision.by_name,
        "at": decision.at.isoformat(),
        "comment": decision.comment,
    }


def to_decision(document: Document | None) -> Decision | None:
    """The decision that was stored."""
    if document is None:
        return None
    at = datetime.fromisoformat(document["at"])
    return Decision(document["approved"], document["by"], document["by_name"], at, document["comment"])


def to_document(failure: Failure | None) -> Document | None:
    """The failure as it is stored. PostgreSQL's JSON holds no NUL."""
    if failure is None:
        return None
    return {
        "kind": failure.kind.value,
        "message": failure.message.replace("\0", "�"),
        "traceback": failure.traceback.replace("\0", "�"),
        "step_id": failure.step_id,
    }


def to_failure(document: Document | None) -> Failure | None:
    """The failure that was stored."""
    if document is None:
        return None
    kind = ErrorKind(document["kind"])
    return Failure(kind, document["message"], document["traceback"], document["step_id"])
