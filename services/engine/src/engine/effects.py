"""What follows when something happens to a run: what watchers see, and what is to be done. Frozen values alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from engine.domain import Failure, Payload, RunStatus, StepStatus, Usage
from engine.plan import PlannedStep
from engine.state import Decision, StepState


@dataclass(frozen=True, slots=True)
class RunChanged:
    """The run has this status now, or something new to say about it."""

    status: RunStatus
    failure: Failure | None = None
    waiting_for: str = ""


@dataclass(frozen=True, slots=True)
class StepChanged:
    """The step has this status now."""

    step_id: str
    status: StepStatus
    attempt: int
    failure: Failure | None = None
    next_attempt_at: datetime | None = None
    copied_from: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalAsked:
    """The step waits for a decision; `decision` once there is one."""

    step_id: str
    message: str
    approvers: tuple[str, ...] = ()
    expires_at: datetime | None = None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class AttemptOpened:
    """An attempt begins; with a worker, it is to be sent there."""

    step_id: str
    planned: PlannedStep
    attempt: int
    epoch: int
    worker_id: str
    isolation: str
    deadline_at: datetime | None
    inputs: Payload
    queued_at: datetime | None = None
    """Since when it might have begun."""


@dataclass(frozen=True, slots=True)
class AttemptClosed:
    """An attempt's outcome is decided."""

    step_id: str
    attempt: int
    status: StepStatus
    failure: Failure | None
    limits: bytes = b""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """The worker is to stop an attempt."""

    step_id: str
    attempt: int
    epoch: int
    worker_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Gated:
    """A READY step waits for a gate, and is not to run before a moment."""

    step_id: str
    planned: PlannedStep
    gate: str
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A step was given a moment under a rate limit, or begins in it: nothing else may there for an `interval`."""

    gate: str
    at: datetime
    interval: timedelta
    used_at: datetime | None = None
    """When the attempt began; None while the moment is only given."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A step does not need the moment that a rate limit gave it."""

    gate: str
    at: datetime
    interval: timedelta


@dataclass(frozen=True, slots=True)
class Cached:
    """What came of a step whose output may be reused for `ttl`; None: nothing."""

    step_id: str
    digest: str
    output: Payload | None
    ttl: timedelta


@dataclass(frozen=True, slots=True)
class Touched:
    """The step is to be written: as it was (None: it has no row) and as it is."""

    step_id: str
    planned: PlannedStep
    before: StepState | None
    after: StepState


@dataclass(frozen=True, slots=True)
class Rejected:
    """The event changes nothing. `duplicate`: because it was applied before."""

    reason: str
    duplicate: bool = False


Effect: TypeAlias = (
    RunChanged
    | StepChanged
    | ApprovalAsked
    | AttemptOpened
    | AttemptClosed
    | StopAttempt
    | Gated
    | Taken
    | GivenBack
    | Cached
    | Touched
    | Rejected
)

Said: TypeAlias = RunChanged | StepChanged | ApprovalAsked
"""The effects that watchers see."""
