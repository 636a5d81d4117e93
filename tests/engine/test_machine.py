"""The machine keeps the promises of a run, whatever happens in whatever order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine import machine
from engine.domain import EMPTY, ErrorKind, Failure, Payload, Ref, Retry, RunStatus, StepStatus
from engine.plan import EvaluationFailed, Plan, PlannedStep, Scope
from engine.state import (
    AttemptClosed,
    AttemptOpened,
    Begin,
    CancelRequested,
    Claim,
    Effect,
    Event,
    Failed,
    Lost,
    Rejected,
    RunChanged,
    RunState,
    StepChanged,
    StopAttempt,
    Succeeded,
    Tick,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "0197f000-0000-7000-8000-000000000001"


@dataclass
class Fake:
    """An evaluator whose answers the test chooses."""

    conditions: dict[int, bool | str] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)

    def condition(self, index: int, scope: Scope) -> bool:
        answer = self.conditions.get(index, True)
        if isinstance(answer, str):
            raise EvaluationFailed(answer)
        return answer

    def inputs(self, index: int, scope: Scope) -> Payload:
        return Payload.of({"seen": len(scope.outputs)})

    def compute(self, index: int, inputs: Payload) -> Payload:
        if index in self.broken:
            raise EvaluationFailed("no such operation")
        return Payload.of(index)

    def outputs(self, scope: Scope) -> Payload:
        return Payload.of(len(scope.outputs))


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


def statuses(state: RunState) -> list[str]:
    return [one.status.value for one in state.steps]


def diamond(**fake: Any) -> Plan:
    return plan(
        PlannedStep("a"),
        PlannedStep("b", needs=(0,)),
        PlannedStep("c", needs=(0,)),
        PlannedStep("d", needs=(1, 2)),
        **fake,
    )


def test_a_diamond_runs_in_the_order_its_needs_say() -> None:
    state = begun(diamond())
    assert statuses(state) == ["READY", "PENDING", "PENDING", "PENDING"]

    state, _ = advance(state, claim("a"), ok("a"))
    assert statuses(state) == ["SUCCESS", "READY", "READY", "PENDING"]
    state, _ = advance(state, claim("b"), claim("c"), ok("c"))
    assert statuses(state) == ["SUCCESS", "RUNNING", "SUCCESS", "PENDING"]
    state, _ = advance(state, ok("b"), claim("d"))
    assert state.status is RunStatus.RUNNING
    state, effects = advance(state, ok("d"))

    assert state.status is RunStatus.SUCCESS
    assert state.outputs == Payload.of(4)
    assert effects[-1] == RunChanged(RunStatus.SUCCESS)


def test_a_run_says_pending_before_anything_else() -> None:
    _, effects = machine.step(machine.create(RUN, plan(PlannedStep("a")), EMPTY, NOW), Begin(), NOW)

    assert effects[0] == RunChanged(RunStatus.PENDING, waiting_for="a free worker for PYTHON_SCRIPT")
    assert effects[1] == StepChanged(0, StepStatus.READY, 0)


def test_steps_of_the_engine_run_at_once_as_attempts() -> None:
    state = begun(plan(PlannedStep("a", in_engine=True), PlannedStep("b", in_engine=True, needs=(0,))))

    assert state.status is RunStatus.SUCCESS
    assert [one.attempt for one in state.steps] == [1, 1]


def test_an_expression_that_fails_in_the_engine_fails_the_run() -> None:
    state = begun(plan(PlannedStep("a", in_engine=True), broken={0}))

    assert state.status is RunStatus.FAILED
    assert state.failure == Failure(ErrorKind.INVALID_INPUT, "no such operation", step_id="a")


def test_a_false_condition_skips_the_step_and_whatever_needs_it() -> None:
    state = begun(diamond(conditions={1: False}))
    state, _ = advance(state, claim("a"), ok("a"), claim("c"), ok("c"))

    assert statuses(state) == ["SUCCESS", "SKIPPED", "SUCCESS", "SKIPPED"]
    assert state.status is RunStatus.SUCCESS


def test_a_condition_that_cannot_be_evaluated_fails_the_step() -> None:
    state = begun(plan(PlannedStep("a"), conditions={0: "no such key"}))

    assert statuses(state) == ["FAILED"]
    assert state.failure is not None
    assert state.failure.kind is ErrorKind.INVALID_INPUT


def test_a_failed_attempt_backs_off_longer_each_time_and_then_fails_the_run() -> None:
    retry = Retry(max_attempts=3, backoff=timedelta(seconds=2), factor=3, max_backoff=timedelta(seconds=5))
    state = begun(plan(PlannedStep("a", retry=retry)))

    state, _ = advance(state, claim("a"), bad("a"))
    assert state.steps[0].due_at == NOW + timedelta(seconds=2)
    state, effects = advance(state, claim("a"))
    assert effects == [Rejected("the step is not due yet")]
    later = NOW + timedelta(seconds=2)
    state, _ = advance(state, claim("a"), bad("a", 2), now=later)
    assert state.steps[0].due_at == later + timedelta(seconds=5)
    state, _ = advance(state, claim("a"), bad("a", 3), now=later + timedelta(seconds=5))

    assert state.status is RunStatus.FAILED
    assert state.steps[0].attempt == 3


@pytest.mark.parametrize("kind", [ErrorKind.INVALID_INPUT, ErrorKind.CANCELLED])
def test_what_cannot_get_better_is_not_repeated(kind: ErrorKind) -> None:
    state = begun(plan(PlannedStep("a", retry=Retry(max_attempts=5))))

    state, _ = advance(state, claim("a"), bad("a", kind=kind))

    assert statuses(state) == ["FAILED"]


def test_a_lost_attempt_is_repeated_without_a_retry_policy_until_the_suite_gives_up() -> None:
    state = begun(plan(PlannedStep("a")))
    for attempt in range(1, machine.SUITE_ATTEMPTS):
        state, _ = advance(state, claim("a"), Lost(ref("a", attempt, 2 * attempt - 1)))
        assert statuses(state) == ["READY"]

    last = machine.SUITE_ATTEMPTS
    state, _ = advance(state, claim("a"), Lost(ref("a", last, 2 * last - 1)))

    assert statuses(state) == ["FAILED"]
    assert state.failure is not None
    assert state.failure.kind is ErrorKind.WORKER_LOST


def test_a_result_after_the_lease_ended_is_stale_and_a_repeated_one_a_duplicate() -> None:
    state, _ = advance(begun(plan(PlannedStep("a"), PlannedStep("b"))), claim("a"), Lost(ref("a")))

    _, effects = advance(state, ok("a"))
    assert isinstance(effects[0], Rejected)
    assert not effects[0].duplicate
    state, _ = advance(state, claim("a"), ok("a", 2, 3))
    same, effects = advance(state, ok("a", 2, 3))

    assert same is state
    assert isinstance(effects[0], Rejected)
    assert effects[0].duplicate


def test_a_failed_step_stops_its_siblings_and_skips_what_never_ran() -> None:
    state = begun(plan(PlannedStep("a"), PlannedStep("b"), PlannedStep("c", needs=(0,)), PlannedStep("d")))
    state, effects = advance(state, claim("a"), claim("b"), bad("a"))

    assert statuses(state) == ["FAILED", "RUNNING", "SKIPPED", "SKIPPED"]
    assert StopAttempt(1, 1, 1, "w1", "step 'a' failed") in effects
    assert state.status is RunStatus.RUNNING
    assert machine.waiting_for(state, NOW) == "step 'b' on worker w1 to stop"
    state, _ = advance(state, bad("b", kind=ErrorKind.CANCELLED))

    assert statuses(state)[1] == "ABORTED"
    assert state.status is RunStatus.FAILED
    assert state.failure is not None
    assert state.failure.step_id == "a"


def test_a_cancelled_run_is_aborted_only_when_everything_has_stopped() -> None:
    state = begun(plan(PlannedStep("a"), PlannedStep("b"), PlannedStep("c", needs=(0,))))
    state, effects = advance(state, claim("a"), claim("b"), CancelRequested("enough"))
    assert sum(isinstance(effect, StopAttempt) for effect in effects) == 2
    assert statuses(state) == ["RUNNING", "RUNNING", "ABORTED"]

    state, _ = advance(state, ok("a"))
    assert state.status is RunStatus.RUNNING
    state, _ = advance(state, Lost(ref("b")))

    assert statuses(state) == ["SUCCESS", "ABORTED", "ABORTED"]
    assert state.status is RunStatus.ABORTED


def test_a_run_that_nobody_started_is_aborted_at_once() -> None:
    state, _ = advance(begun(plan(PlannedStep("a"))), CancelRequested())

    assert state.status is RunStatus.ABORTED


def test_an_attempt_far_past_its_timeout_is_ended_by_the_engine() -> None:
    state, _ = advance(begun(plan(PlannedStep("a", timeout=timedelta(seconds=5)))), claim("a"))
    late = NOW + timedelta(seconds=5) + machine.OVERRUN

    _, nothing = advance(state, Tick(), now=late - timedelta(seconds=1))
    assert nothing == []
    state, effects = advance(state, Tick(), now=late)

    assert any(isinstance(effect, StopAttempt) for effect in effects)
    assert state.failure is not None
    assert state.failure.kind is ErrorKind.TIMED_OUT


Check = Callable[[RunState, tuple[Effect, ...], RunState], None]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    count = draw(st.integers(1, 6))
    steps = []
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        retry = Retry(
            max_attempts=draw(st.integers(1, 3)), backoff=timedelta(seconds=draw(st.integers(0, 3)))
        )
        in_engine = draw(st.integers(0, 4)) == 0
        steps.append(PlannedStep(f"s{number}", needs=tuple(sorted(needs)), retry=retry, in_engine=in_engine))
    answers: st.SearchStrategy[bool | str] = st.sampled_from([False, "it cannot be read"])
    conditions = {number: draw(answers) for number in draw(st.sets(st.integers(0, count - 1), max_size=1))}
    return plan(*steps, conditions=conditions, broken=draw(st.sets(st.integers(0, count - 1), max_size=1)))


KINDS = st.sampled_from([kind for kind in ErrorKind if kind is not ErrorKind.SKIPPED])


class RunModel(RuleBasedStateMachine):
    """Random workflows under random events, true and false ones, checked against the promises."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.opened: list[Ref] = []
        self.outcomes: dict[str, StepStatus] = {}
        self.executions: dict[str, int] = {}

    @initialize(the_plan=plans())
    def start(self, the_plan: Plan) -> None:
        self.state = machine.create(RUN, the_plan, EMPTY, self.now)
        self.apply(Begin())

    def apply(self, event: Event) -> tuple[Effect, ...]:
        before = self.state
        again = machine.step(before, event, self.now)
        self.state, effects = machine.step(before, event, self.now)
        assert again == (self.state, effects)  # pure
        if any(isinstance(effect, Rejected) for effect in effects):
            assert self.state is before
            assert len(effects) == 1
        for effect in effects:
            self.check(effect)
        if before.status.ended:
            assert self.state is before
        return effects

    def check(self, effect: Effect) -> None:
        the_plan = self.state.plan
        if isinstance(effect, AttemptOpened):
            name = the_plan.steps[effect.step].id
            for need in the_plan.steps[effect.step].needs:  # I4
                assert self.state.steps[need].status is StepStatus.SUCCESS
            self.executions[name] = self.executions.get(name, 0) + 1
            assert self.executions[name] == effect.attempt
            self.opened.append(Ref(RUN, name, effect.attempt, effect.epoch))
        if isinstance(effect, AttemptClosed):
            assert effect.status.ended
        if isinstance(effect, StepChanged) and effect.status.ended:  # I3
            name = the_plan.steps[effect.step].id
            assert name not in self.outcomes
            self.outcomes[name] = effect.status

    @rule(number=st.integers(0, 5))
    def claim(self, number: int) -> None:
        self.apply(Claim(f"s{number}", "w1", "cell"))

    @rule(data=st.data(), kind=st.one_of(st.none(), KINDS))
    def result(self, data: st.DataObject, kind: ErrorKind | None) -> None:
        if not self.opened:
            return
        about = data.draw(st.sampled_from(self.opened))
        current = self.state.steps[self.state.plan.index[about.step_id]]
        effects = self.apply(
            Succeeded(about, Payload.of(1)) if kind is None else Failed(about, Failure(kind, "it broke"))
        )
        if (current.attempt, current.epoch) != (about.attempt, about.epoch):
            assert isinstance(effects[0], Rejected)  # a stale result is never applied

    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        if self.opened:
            self.apply(Lost(data.draw(st.sampled_from(self.opened))))

    @rule(attempt=st.integers(0, 3), epoch=st.integers(0, 3), number=st.integers(0, 9))
    def nonsense(self, attempt: int, epoch: int, number: int) -> None:
        self.apply(Succeeded(Ref(RUN, f"s{number}", attempt, epoch), Payload.of(1)))

    @rule(seconds=st.sampled_from([0, 1, 10, 700]))
    def tick(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.apply(Tick())

    @rule()
    def cancel(self) -> None:
        self.apply(CancelRequested("enough"))

    @rule()
    def begin_again(self) -> None:
        effects = self.apply(Begin())
        assert isinstance(effects[0], Rejected)

    @invariant()
    def what_ended_stays(self) -> None:
        if hasattr(self, "state"):
            for planned, one in zip(self.state.plan.steps, self.state.steps, strict=True):
                if planned.id in self.outcomes:
                    assert one.status is self.outcomes[planned.id]

    @invariant()
    def a_run_has_ended_when_all_its_steps_have(self) -> None:
        if hasattr(self, "state"):
            all_ended = all(one.status.ended for one in self.state.steps)
            assert self.state.status.ended == all_ended

    @invariant()
    def a_live_run_can_always_move(self) -> None:
        if hasattr(self, "state") and not self.state.status.ended:
            live = (StepStatus.READY, StepStatus.RUNNING)
            assert any(one.status in live for one in self.state.steps)

    def teardown(self) -> None:  # I1: whatever happened, a run that is served ends
        if not hasattr(self, "state"):
            return
        for _ in range(200):
            if self.state.status.ended:
                break
            self.now += timedelta(seconds=10)
            for number, one in enumerate(self.state.steps):
                name = self.state.plan.steps[number].id
                if one.status is StepStatus.READY:
                    self.apply(Claim(name, "w2", "cell"))
                elif one.status is StepStatus.RUNNING:
                    self.apply(Succeeded(Ref(RUN, name, one.attempt, one.epoch), Payload.of(1)))
        assert self.state.status.ended


TestRunModel = RunModel.TestCase
TestRunModel.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
