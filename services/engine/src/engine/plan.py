"""A workflow as a run executes it: steps in a fixed order, what each needs, and who evaluates its expressions."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from chassis.jsonvalue import Json
from engine.domain import ONCE, ErrorKind, Failure, Join, Payload, Retry, SideEffect, StepStatus

DEFAULT_TIMEOUT: Final = timedelta(minutes=10)
"""How long an attempt may run when neither the step nor its component says."""
IN_ENGINE: Final = frozenset({"DATA", "UTILITY", "OUTPUT"})
"""The component types that the engine runs itself, where they have no program."""
WORKFLOW: Final = "WORKFLOW"
"""The kind of a step that is a workflow itself."""
APPROVAL: Final = "APPROVAL"
"""The kind of a step that only waits for somebody's decision."""


class EvaluationFailed(Exception):
    """An expression, or what it yielded, is not usable; the message is for people, `kind` what failure that is."""

    def __init__(self, message: str, kind: ErrorKind = ErrorKind.INVALID_INPUT) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class StepView:
    """What expressions may know of a step that has ended."""

    status: StepStatus
    output: Payload | None
    failure: Failure | None = None


class Scope(Protocol):
    """What expressions may read."""

    @property
    def inputs(self) -> Payload:
        """The inputs of the run, or of the sub-workflow."""
        ...

    @property
    def item(self) -> tuple[int, Json] | None:
        """Index and value of the item, inside `for_each`."""
        ...

    @property
    def run_id(self) -> str:
        """The run's id."""
        ...

    def step(self, step_id: str) -> StepView | None:
        """A step; None while it has not ended."""
        ...


class Evaluator(Protocol):
    """Evaluates a plan's expressions. Every method raises EvaluationFailed with a sentence."""

    def condition(self, index: int, scope: Scope) -> bool:
        """Whether step `index` is to run."""
        ...

    def items(self, index: int, scope: Scope) -> Payload:
        """What step `index` runs for each of: a JSON array."""
        ...

    def inputs(self, index: int, scope: Scope) -> Payload:
        """The inputs of step `index`, a JSON object."""
        ...

    def message(self, index: int, scope: Scope) -> str:
        """What whoever decides about step `index` is told."""
        ...

    def cache_key(self, index: int, scope: Scope) -> str:
        """What tells apart the cached outputs of step `index`, beside its version and inputs."""
        ...

    def rate_key(self, index: int, scope: Scope) -> str:
        """Which of its rate limits step `index` counts against."""
        ...

    def compute(self, index: int, inputs: Payload) -> Payload:
        """The output of step `index`, which the engine runs itself."""
        ...

    def outputs(self, scope: Scope) -> Payload:
        """The run's outputs, a JSON object."""
        ...


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody decides before the step runs: `approvers` (users and roles), or with none whoever may."""

    timeout: timedelta | None = None
    approvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `limit` attempts begin in `period`, over all runs of one owner's workflows that share the key."""

    limit: int
    period: timedelta

    @property
    def interval(self) -> timedelta:
        """The time between two of them."""
        return self.period / self.limit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a step may run: a worker of this pool with these labels that has the processors and memory to spare."""

    pool: str = ""
    labels: tuple[str, ...] = ()
    cpus: float = 0.0
    memory_bytes: int = 0


ANYWHERE: Final = Place()


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step. `kind` is the component type's name, e.g. `PYTHON_SCRIPT`, or WORKFLOW or APPROVAL."""

    id: str
    kind: str = "PYTHON_SCRIPT"
    needs: tuple[int, ...] = ()
    retry: Retry = ONCE
    timeout: timedelta | None = DEFAULT_TIMEOUT
    """How long one attempt may run; of a sub-workflow, the whole of it. None only there: no limit."""
    waiting_timeout: timedelta | None = None
    """How long it may wait, once it is READY, until an attempt begins."""
    heartbeat_timeout: timedelta | None = None
    """How long its code may say nothing."""
    in_engine: bool = False
    component: str = ""
    version_id: str = ""
    data_source_ids: tuple[str, ...] = ()
    secret_ids: tuple[str, ...] = ()
    join: Join = Join.ALL
    side_effect: SideEffect = SideEffect.IDEMPOTENT
    goes_on: bool = False
    """Whether the run goes on when it fails (`on_failure: continue`)."""
    max_parallel: int = 0
    """How many items of a `for_each` step run at once; 0: it is none."""
    sub: "Plan | None" = None
    """The workflow it runs."""
    approval: Approval | None = None
    cache_ttl: timedelta | None = None
    """How long its output may be reused; None: not at all."""
    rate: Rate | None = None
    place: Place = ANYWHERE

    @property
    def needs_token(self) -> bool:
        """Whether its attempts are given the run's token."""
        return bool(self.data_source_ids or self.secret_ids)

    @property
    def is_fan(self) -> bool:
        """Whether it runs once for each item of a list."""
        return self.max_parallel > 0

    @property
    def is_composite(self) -> bool:
        """Whether it is made of others, so that it has no attempts of its own."""
        return self.max_parallel > 0 or self.sub is not None


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a workflow's version; a DAG, so that every step can be reached."""

    steps: tuple[PlannedStep, ...]
    evaluator: Evaluator = field(repr=False, compare=False)
    digest: bytes = b""
    timeout: timedelta | None = None
    """How long a run of it may take."""
    index: Mapping[str, int] = field(init=False, repr=False, compare=False)
    dependents: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)
    items: tuple[PlannedStep, ...] = field(init=False, repr=False, compare=False)
    """Each step as one item of it runs."""
    has_fan: bool = field(init=False, repr=False, compare=False)
    """Whether a step of it, or of a workflow in it, runs once for each item of a list."""

    def __post_init__(self) -> None:
        followers: list[list[int]] = [[] for _ in self.steps]
        for number, step in enumerate(self.steps):
            for need in step.needs:
                followers[need].append(number)
        object.__setattr__(self, "index", {step.id: number for number, step in enumerate(self.steps)})
        object.__setattr__(self, "dependents", tuple(tuple(one) for one in followers))
        object.__setattr__(self, "items", tuple(_item(step) for step in self.steps))
        has_fan = any(one.is_fan or (one.sub is not None and one.sub.has_fan) for one in self.steps)
        object.__setattr__(self, "has_fan", has_fan)

    def find(self, path: str) -> PlannedStep | None:
        """The step at a path such as `load`, `resize[3]` or `load/resize[3]`."""
        plan: Plan | None = self
        found: PlannedStep | None = None
        for part in path.split("/"):
            step_id, bracket, _ = part.partition("[")
            number = None if plan is None else plan.index.get(step_id)
            if plan is None or number is None:
                return None
            found = plan.items[number] if bracket else plan.steps[number]
            plan = found.sub
        return found

    @property
    def leaves(self) -> tuple[PlannedStep, ...]:
        """Every step that is not made of others, those of sub-workflows included."""
        return tuple(
            leaf for step in self.items for leaf in ((step,) if step.sub is None else step.sub.leaves)
        )

    @property
    def data_source_ids(self) -> tuple[str, ...]:
        """Every data source any step reads, sorted."""
        return tuple(sorted({one for step in self.leaves for one in step.data_source_ids}))

    @property
    def secret_ids(self) -> tuple[str, ...]:
        """Every secret any step may ask for, sorted."""
        return tuple(sorted({one for step in self.leaves for one in step.secret_ids}))


def _item(step: PlannedStep) -> PlannedStep:
    if not step.is_fan:
        return step
    return dataclasses.replace(step, needs=(), max_parallel=0, approval=None)


def cycle(needs: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The steps that wait for each other for ever; empty for a DAG."""
    left = {number: set(these) for number, these in enumerate(needs)}
    while free := [number for number, these in left.items() if not these]:
        for number in free:
            del left[number]
        for these in left.values():
            these.difference_update(free)
    return tuple(left)
