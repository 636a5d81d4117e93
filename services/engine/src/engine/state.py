"""What a run is at one moment, what may happen to it, and what follows. Frozen values, no behaviour."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from engine.domain import EMPTY, Failure, Payload, Ref, RunStatus, StepStatus
from engine.plan import Plan


@dataclass(frozen=True, slots=True)
class StepState:
    """One step of a run. `attempt` and `epoch` are those of the newest attempt, 0 before the first."""

    status: StepStatus = StepStatus.PENDING
    attempt: int = 0
    epoch: int = 0
    inputs: Payload | None = None
    output: Payload | None = None
    failure: Failure | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_at: datetime | None = None
    """While READY: when it may be claimed."""
    worker_id: str = ""
    """While RUNNING: who runs it."""
    deadline_at: datetime | None = None
    """While RUNNING: when the engine itself ends the attempt, its worker's own timeout having failed to."""
    stopping: bool = False
    """While RUNNING: whether it was told to stop."""
    lines: int = 0
    """How many lines of the newest attempt are recorded."""


StopCause: TypeAlias = Literal["", "failure", "cancel"]


@dataclass(frozen=True, slots=True)
class RunState:
    """A run. `cause` says why it is stopping, if it is; the first cause decides how it ends."""

    id: str
    plan: Plan
    steps: tuple[StepState, ...]
    inputs: Payload = EMPTY
    status: RunStatus = RunStatus.PENDING
    cause: StopCause = ""
    outputs: Payload | None = None
    failure: Failure | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None

    @property
    def ended(self) -> int:
        """How many steps have ended."""
        return sum(step.status.ended for step in self.steps)


# What may happen.


@dataclass(frozen=True, slots=True)
class Begin:
    """The run was accepted."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker takes a READY step."""

    step_id: str
    worker_id: str
    isolation: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """A worker reports an output."""

    ref: Ref
    output: Payload


@dataclass(frozen=True, slots=True)
class Failed:
    """A worker reports a failure. CANCELLED confirms a cancel."""

    ref: Ref
    failure: Failure


@dataclass(frozen=True, slots=True)
class Lost:
    """The attempt's lease ended, or its worker says that it does not hold it."""

    ref: Ref
    why: str = "its worker gave no sign of life for longer than its lease"


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked to stop the run."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = Begin | Claim | Succeeded | Failed | Lost | CancelRequested | Tick


# What follows.


@dataclass(frozen=True, slots=True)
class RunChanged:
    """The run has this status now, or something new to say about it."""

    status: RunStatus
    failure: Failure | None = None
    waiting_for: str = ""


@dataclass(frozen=True, slots=True)
class StepChanged:
    """The step has this status now."""

    step: int
    status: StepStatus
    attempt: int
    failure: Failure | None = None
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptOpened:
    """An attempt begins; with a worker, it is to be sent there."""

    step: int
    attempt: int
    epoch: int
    worker_id: str
    isolation: str
    deadline_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptClosed:
    """An attempt's outcome is decided."""

    step: int
    attempt: int
    status: StepStatus
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """The worker is to stop an attempt."""

    step: int
    attempt: int
    epoch: int
    worker_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event changes nothing. `duplicate`: because it was applied before."""

    reason: str
    duplicate: bool = False


Effect: TypeAlias = RunChanged | StepChanged | AttemptOpened | AttemptClosed | StopAttempt | Rejected
