"""What a run is at one moment, and what may happen to it. Frozen values, no behaviour. What follows is in `effects`.

A step is named by its path in the run: `load`, an item of a `for_each` step `resize[3]`, a step of a sub-workflow
`load/parse`, and so on inward.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypeAlias

from engine.blocks import Blocks
from engine.domain import Failure, Payload, Ref, RunStatus, StepStatus, Usage
from engine.plan import Plan

StopCause: TypeAlias = Literal["", "failure", "cancel"]
CACHE: Final = "cache:"
RATE: Final = "rate:"
"""How the names of gates begin. What a rate limit goes by follows upon its owner's id and a slash."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about a step that waited for it."""

    approved: bool
    by: str
    by_name: str
    at: datetime
    comment: str = ""


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
    """While READY: when it may be claimed; None while it may not, for the run is paused or a gate is closed."""
    gate: str = ""
    """While READY: what else has to let it through, e.g. `rate:<owner>/mails`; with a `due_at`, what named it."""
    not_before: datetime | None = None
    """While READY under a rate limit: its place in the queue, and when it may be let through at the earliest."""
    worker_id: str = ""
    """While RUNNING: who runs it."""
    deadline_at: datetime | None = None
    """While RUNNING: when the engine itself ends the attempt, its worker's own timeout having failed to."""
    expires_at: datetime | None = None
    """When the engine ends its waiting (for a worker, for a decision), or all of a sub-workflow."""
    stopping: bool = False
    """While RUNNING: whether it was told to stop."""
    lines: int = 0
    """How many lines of the newest attempt are recorded."""
    cache_digest: str = ""
    """What others wait for it to compute: the key of its output in the cache."""
    decision: Decision | None = None
    """The newest decision somebody took about it."""
    copied_from: str = ""
    """The run whose output it has, when it did not run itself."""
    inner: "Level | None" = None
    """While a step that is made of others runs: those."""


@dataclass(frozen=True, slots=True)
class Level:
    """The steps of a workflow, or the items of a `for_each` step, that a run has at one place."""

    inputs: Payload
    """Of a workflow: its inputs. Of a `for_each` step: the list."""


@dataclass(frozen=True, slots=True)
class Steps(Level):
    """The steps of a workflow or sub-workflow, in the plan's order."""

    plan: Plan
    states: tuple[StepState, ...]


@dataclass(frozen=True, slots=True)
class Items(Level):
    """The items of a `for_each` step."""

    total: int
    outputs: Blocks[Payload | None]
    """Of the items that have ended; None where there is none."""
    released: int = 0
    """The items before this index have begun."""
    ended: int = 0
    live: Mapping[int, StepState] = field(default_factory=dict)
    """Those that have begun and not ended."""
    failure: Failure | None = None
    """The first item's that failed."""
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """The outcome of a step in another run, to be taken over where the step would be the same."""

    version_id: str
    inputs: Payload
    output: Payload
    run_id: str


@dataclass(frozen=True, slots=True)
class RunState:
    """A run. `cause` says why it is stopping, if it is; the first cause decides how it ends."""

    id: str
    root: Steps
    owner_id: str = ""
    """Whose workflow it is a run of: only with their other runs does it share outputs and rate limits."""
    status: RunStatus = RunStatus.PENDING
    cause: StopCause = ""
    outputs: Payload | None = None
    failure: Failure | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    accepted: bool = True
    """Whether anything has been said of it; only one that was just made has yet to be."""
    begun: bool = False
    """Whether its steps may begin: it neither waits for its time nor for a place under its limit."""
    start_at: datetime | None = None
    """Not before."""
    deadline_at: datetime | None = None
    """When it is to have ended."""
    copies: Mapping[str, Copy] = field(default_factory=dict)
    """Until it has begun: by path, what need not run again."""
    limit_key: str = ""
    """What it shares its concurrency limit with; empty: no limit."""
    admitted: bool = True
    """Whether it has a place under the limit."""
    pauses: tuple[datetime, ...] = ()
    """When it was paused and when it went on, in turn."""
    ready: Mapping[str, datetime | None] = field(default_factory=dict)
    """The READY steps, each with its `due_at`."""
    timers: Mapping[str, datetime] = field(default_factory=dict)
    """When time alone changes something at a path; the empty path is the run."""

    @property
    def plan(self) -> Plan:
        """What it executes."""
        return self.root.plan

    @property
    def inputs(self) -> Payload:
        """What it was given."""
        return self.root.inputs

    @property
    def steps(self) -> tuple[StepState, ...]:
        """The steps of the workflow itself."""
        return self.root.states

    @property
    def ended(self) -> int:
        """How many of the workflow's own steps have ended."""
        return sum(step.status.ended for step in self.root.states)

    @property
    def wake_at(self) -> datetime | None:
        """When time alone will change something."""
        return min(self.timers.values(), default=None)


NEVER_RUN: Final = StepState()


# What may happen.


@dataclass(frozen=True, slots=True)
class Begin:
    """The run was accepted."""


@dataclass(frozen=True, slots=True)
class Admit:
    """The run has a place under its limit."""


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
    limits: bytes = b""
    """What it was held to, as the contract's message; the same below."""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A worker reports a failure. CANCELLED confirms a cancel. `began`: whether any of the step's code may have run."""

    ref: Ref
    failure: Failure
    began: bool = True
    limits: bytes = b""
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The attempt's lease ended, or its worker says that it does not hold it: then it never `began`."""

    ref: Ref
    why: str = "its worker gave no sign of life for longer than its lease"
    began: bool = True


@dataclass(frozen=True, slots=True)
class GateOpened:
    """A gate lets a READY step through, from `due_at` on."""

    step_id: str
    gate: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class CacheHit:
    """The output of a READY step is known already."""

    step_id: str
    gate: str
    output: Payload
    run_id: str


@dataclass(frozen=True, slots=True)
class Decided:
    """Somebody decided about a step that waits for it."""

    step_id: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Somebody asked to begin nothing new."""


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """Somebody asked to go on."""


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked to stop the run."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = (
    Begin
    | Admit
    | Claim
    | Succeeded
    | Failed
    | Lost
    | GateOpened
    | CacheHit
    | Decided
    | PauseRequested
    | ResumeRequested
    | CancelRequested
    | Tick
)
