"""The machine keeps the promises of a run, whatever happens in whatever order."""

from datetime import timedelta
from typing import Any

import pytest

from engine import machine
from engine.domain import EMPTY, ErrorKind, Failure, Payload, Retry, RunStatus, StepStatus
from engine.effects import Rejected, RunChanged, StepChanged, StopAttempt
from engine.plan import Plan, PlannedStep, Rate
from engine.state import Begin, CancelRequested, Lost, PauseRequested, RunState, Tick
from engine.waiting import named
from tests.engine.machine.plans import NOW, RUN, advance, bad, begun, claim, ok, plan, ref


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
    assert state.outputs == Payload.of({"of": RUN})
    assert [one for one in effects if isinstance(one, RunChanged)][-1] == RunChanged(RunStatus.SUCCESS)


def test_a_run_says_pending_before_anything_else() -> None:
    _, effects = machine.step(machine.create(RUN, plan(PlannedStep("a")), EMPTY, NOW), Begin(), NOW)

    assert effects[0] == RunChanged(RunStatus.PENDING, waiting_for="a free worker for PYTHON_SCRIPT")
    assert effects[1] == StepChanged("a", StepStatus.READY, 0)


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
    assert StopAttempt("b", 1, 1, "w1", "step 'a' failed") in effects
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


def test_a_run_that_ends_while_it_is_paused_is_paused_no_more() -> None:
    state, _ = advance(begun(plan(PlannedStep("a"))), claim("a"), PauseRequested())
    assert state.pauses == (NOW,)

    state, _ = advance(state, ok("a"))

    assert state.status is RunStatus.SUCCESS
    assert state.pauses == (NOW, NOW)


def gate_of(owner_id: str, step: PlannedStep) -> str:
    """The gate that the step of a run of the owner's workflow waits at."""
    created = machine.create(RUN, plan(step), EMPTY, NOW, owner_id=owner_id)
    return machine.step(created, Begin(), NOW)[0].steps[0].gate


def test_outputs_are_reused_only_among_the_workflows_of_one_owner() -> None:
    cached = PlannedStep("a", version_id="v", cache_ttl=timedelta(days=1))

    assert gate_of("ada", cached).startswith("cache:")
    assert gate_of("ada", cached) == gate_of("ada", cached)
    assert gate_of("ada", cached) != gate_of("bob", cached)


def test_a_rate_limit_is_shared_only_by_the_workflows_of_one_owner() -> None:
    rated = PlannedStep("a", rate=Rate(1, timedelta(hours=1)))

    assert gate_of("ada", rated) == gate_of("ada", rated)
    assert gate_of("ada", rated) != gate_of("bob", rated)
    assert named(gate_of("ada", rated)) == "rate:mails"
