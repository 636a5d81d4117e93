"""A workflow as a run executes it: steps in a fixed order, what each needs, and who evaluates its expressions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from engine.domain import ONCE, Payload, Retry

DEFAULT_TIMEOUT: Final = timedelta(minutes=10)
"""How long an attempt may run when neither the step nor its component says."""


class EvaluationFailed(Exception):
    """An expression, or what it yielded, is not usable; the message is for people."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions may read: the run's inputs, and the outputs of steps that have ended (None: it has none)."""

    inputs: Payload
    outputs: Mapping[str, Payload | None]


class Evaluator(Protocol):
    """Evaluates a plan's expressions. Every method raises EvaluationFailed with a sentence."""

    def condition(self, index: int, scope: Scope) -> bool:
        """Whether step `index` is to run."""
        ...

    def inputs(self, index: int, scope: Scope) -> Payload:
        """The inputs of step `index`, a JSON object."""
        ...

    def compute(self, index: int, inputs: Payload) -> Payload:
        """The output of step `index`, which the engine runs itself."""
        ...

    def outputs(self, scope: Scope) -> Payload:
        """The run's outputs, a JSON object."""
        ...


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step. `kind` is the component type's name, e.g. `PYTHON_SCRIPT`."""

    id: str
    kind: str = "PYTHON_SCRIPT"
    needs: tuple[int, ...] = ()
    retry: Retry = ONCE
    timeout: timedelta = DEFAULT_TIMEOUT
    in_engine: bool = False
    component: str = ""
    version_id: str = ""
    data_source_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a workflow's version; a DAG, so that every step can be reached."""

    steps: tuple[PlannedStep, ...]
    evaluator: Evaluator = field(repr=False, compare=False)
    digest: bytes = b""
    index: Mapping[str, int] = field(init=False, repr=False, compare=False)
    dependents: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        followers: list[list[int]] = [[] for _ in self.steps]
        for number, step in enumerate(self.steps):
            for need in step.needs:
                followers[need].append(number)
        object.__setattr__(self, "index", {step.id: number for number, step in enumerate(self.steps)})
        object.__setattr__(self, "dependents", tuple(tuple(one) for one in followers))

    @property
    def data_source_ids(self) -> tuple[str, ...]:
        """Every data source any step reads, sorted."""
        return tuple(sorted({one for step in self.steps for one in step.data_source_ids}))


def cycle(needs: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """The steps that wait for each other for ever; empty for a DAG."""
    left = {number: set(these) for number, these in enumerate(needs)}
    while free := [number for number, these in left.items() if not these]:
        for number in free:
            del left[number]
        for these in left.values():
            these.difference_update(free)
    return tuple(left)
