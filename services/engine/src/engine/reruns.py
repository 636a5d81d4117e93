"""Runs that repeat others: what runs again, and what is taken over."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chassis.errors import NotFound
from chassis.jsonvalue import Json
from engine.domain import Payload
from engine.plan import Plan
from engine.state import Copy


@dataclass(frozen=True, slots=True)
class Rerun:
    """A wish to repeat a run. `inputs` replace those it had, by name; `version` 0 is the one that ran."""

    run_id: str
    from_steps: tuple[str, ...] = ()
    from_start: bool = False
    inputs: Mapping[str, Json] = field(default_factory=dict)
    version: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step that succeeded was given, and what it made."""

    inputs: Payload
    output: Payload


def fresh(plan: Plan, from_steps: tuple[str, ...]) -> frozenset[str]:
    """The workflow's own steps that run again because one of `from_steps` does, or is inside them.

    Raises NotFound STEP_NOT_FOUND.
    """
    again: set[int] = set()
    waiting: list[int] = []
    for path in from_steps:
        if plan.find(path) is None:
            known = ", ".join(step.id for step in plan.steps)
            raise NotFound(
                "STEP_NOT_FOUND",
                f"the workflow has no step '{path}'; it has: {known}",
                resource=("step", path),
            )
        waiting.append(plan.index[path.partition("/")[0].partition("[")[0]])
    while waiting:
        number = waiting.pop()
        if number not in again:
            again.add(number)
            waiting += plan.dependents[number]
    return frozenset(plan.steps[number].id for number in again)


def copies_of(plan: Plan, run_id: str, done: Mapping[str, Outcome], again: frozenset[str]) -> dict[str, Copy]:
    """By path, what the new run takes over where it comes to the same step with the same inputs.

    Inside a step that runs again, everything does.
    """
    copies: dict[str, Copy] = {}
    for path, outcome in done.items():
        planned = plan.find(path)
        top = path.partition("/")[0].partition("[")[0]
        if planned is not None and top not in again:
            copies[path] = Copy(planned.version_id, outcome.inputs, outcome.output, run_id)
    return copies
