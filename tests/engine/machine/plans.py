"""Plans whose expressions the test answers, and short names for events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine import machine
from engine.domain import EMPTY, ErrorKind, Failure, Payload, Ref
from engine.effects import Effect
from engine.plan import EvaluationFailed, Plan, PlannedStep, Scope
from engine.state import Begin, Claim, Event, Failed, RunState, Succeeded

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "0197f000-0000-7000-8000-000000000001"


@dataclass
class Fake:
    """An evaluator whose answers the test chooses; inputs are the value of the item, and what is fixed."""

    conditions: Mapping[int, bool | str] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    lists: Mapping[int, Any] = field(default_factory=dict)

    def condition(self, index: int, scope: Scope) -> bool:
        answer = self.conditions.get(index, True)
        if isinstance(answer, str):
            raise EvaluationFailed(answer)
        return answer

    def items(self, index: int, scope: Scope) -> Payload:
        return Payload.of(self.lists.get(index, ["x", "y", "z"]))

    def inputs(self, index: int, scope: Scope) -> Payload:
        return Payload.of({"step": index, "item": None if scope.item is None else scope.item[1]})

    def message(self, index: int, scope: Scope) -> str:
        return "may it?"

    def cache_key(self, index: int, scope: Scope) -> str:
        return ""

    def rate_key(self, index: int, scope: Scope) -> str:
        return "mails"

    def compute(self, index: int, inputs: Payload) -> Payload:
        if index in self.broken:
            raise EvaluationFailed("no such operation")
        return Payload.of(index)

    def outputs(self, scope: Scope) -> Payload:
        return Payload.of({"of": scope.run_id})


def plan(*steps: PlannedStep, **fake: Any) -> Plan:
    return Plan(steps, Fake(**fake))


def begun(the_plan: Plan) -> RunState:
    state, _ = machine.step(machine.create(RUN, the_plan, EMPTY, NOW), Begin(), NOW)
    return state


def advance(state: RunState, *events: Event, now: datetime = NOW) -> tuple[RunState, list[Effect]]:
    effects: list[Effect] = []
    for event in events:
        state, more = machine.step(state, event, now)
        effects += more
    return state, effects


def claim(step: str) -> Claim:
    return Claim(step, "w1", "cell")


def ref(step: str, attempt: int = 1, epoch: int | None = None) -> Ref:
    return Ref(RUN, step, attempt, attempt if epoch is None else epoch)


def ok(step: str, attempt: int = 1, epoch: int | None = None) -> Succeeded:
    return Succeeded(ref(step, attempt, epoch), Payload.of("out"))


def bad(
    step: str, attempt: int = 1, kind: ErrorKind = ErrorKind.USER_ERROR, epoch: int | None = None
) -> Failed:
    return Failed(ref(step, attempt, epoch), Failure(kind, "it broke"))
