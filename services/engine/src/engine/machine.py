"""The workflow's meaning: `step(state, event, now)`, pure and total. Everything else is plumbing around it.

The rules, in the order they matter:

- A step waits until every step it needs has ended. All succeeded: its condition is evaluated, and if it holds, the
  step is READY with its inputs evaluated. Its condition is false, or a step it needs was skipped: it is SKIPPED (as in
  GitHub Actions, a skip passes on).
- A failed attempt is repeated while its kind allows it and attempts are left: READY with `due_at`. INVALID_INPUT and
  CANCELLED are never repeated. WORKER_LOST and INTERNAL are the suite's fault, not the step's: they are repeated up to
  `SUITE_ATTEMPTS` attempts even without a retry policy.
- A step that failed for good stops the run: running steps are told to stop, those that never ran are SKIPPED, and when
  nothing runs any more the run is FAILED.
- A cancel does the same, with ABORTED. Of a failure and a cancel the first decides how the run ends.
- A result counts only for the attempt and epoch that are current. Losing an attempt moves the epoch on.
- Nothing changes a run or a step that has ended.

Conditions, inputs and the steps that the engine itself computes are evaluated inside the transition, by the plan's
evaluator, which is a pure function of the run's inputs and outputs.
"""

import dataclasses
from datetime import datetime, timedelta
from typing import Any, Final

from engine import waiting
from engine.domain import ErrorKind, Failure, Payload, Ref, RunStatus, StepStatus
from engine.plan import EvaluationFailed, Plan, Scope
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
    StepState,
    StopAttempt,
    StopCause,
    Succeeded,
    Tick,
)

SUITE_ATTEMPTS: Final = 5
"""How many attempts a step gets when the suite lost them, at least."""
OVERRUN: Final = timedelta(seconds=10)
"""How long after an attempt's timeout its worker has to say so, before the engine ends the attempt itself."""
_NEVER_REPEATED: Final = frozenset({ErrorKind.INVALID_INPUT, ErrorKind.CANCELLED})
_SUITES_FAULT: Final = frozenset({ErrorKind.WORKER_LOST, ErrorKind.INTERNAL})


def create(run_id: str, plan: Plan, inputs: Payload, now: datetime) -> RunState:
    """The run before anything happened to it."""
    return RunState(run_id, plan, (StepState(),) * len(plan.steps), inputs, created_at=now)


def step(state: RunState, event: Event, now: datetime) -> tuple[RunState, tuple[Effect, ...]]:
    """The state after `event`, and what follows from it. An event that does not apply is Rejected; never raises."""
    if state.status.ended:
        return state, (Rejected(f"the run is {state.status}", duplicate=_is_recorded(state, event)),)
    draft = _Draft(state, now)
    match event:
        case Begin():
            _begin(draft)
        case Claim():
            _claim(draft, event)
        case Succeeded(ref):
            if draft.is_current(ref):
                _succeed(draft, draft.state.plan.index[ref.step_id], event.output)
        case Failed(ref):
            if draft.is_current(ref):
                _fail(draft, draft.state.plan.index[ref.step_id], event.failure)
        case Lost(ref):
            if draft.is_current(ref):
                number = draft.state.plan.index[ref.step_id]
                draft.change(number, epoch=draft.steps[number].epoch + 1)
                _fail(draft, number, Failure(ErrorKind.WORKER_LOST, event.why))
        case CancelRequested():
            _cancel(draft, event)
        case Tick():
            _tick(draft)
    return draft.done()


def waiting_for(state: RunState, now: datetime) -> str:
    """What the run waits for, in a few words for people; empty while it simply runs, and at its end."""
    if state.status.ended:
        return ""
    return waiting.describe(
        (
            waiting.Live(planned.id, planned.kind, one.status, one.due_at, one.worker_id)
            for planned, one in zip(state.plan.steps, state.steps, strict=True)
        ),
        now,
        is_stopping=bool(state.cause),
    )


class _Draft:
    """The next state while it is being made."""

    def __init__(self, state: RunState, now: datetime) -> None:
        self.state = state
        self.now = now
        self.steps = list(state.steps)
        self.run: dict[str, Any] = {}
        self.effects: list[Effect] = []

    @property
    def cause(self) -> StopCause:
        cause: StopCause = self.run.get("cause", self.state.cause)
        return cause

    def change(self, number: int, **fields: Any) -> None:
        self.steps[number] = dataclasses.replace(self.steps[number], **fields)

    def say(self, number: int, next_attempt_at: datetime | None = None) -> None:
        one = self.steps[number]
        self.effects.append(StepChanged(number, one.status, one.attempt, one.failure, next_attempt_at))

    def reject(self, reason: str, *, duplicate: bool = False) -> None:
        self.effects.append(Rejected(reason, duplicate))

    def is_current(self, ref: Ref) -> bool:
        """Whether `ref` names an attempt that runs; rejects it otherwise."""
        number = self.state.plan.index.get(ref.step_id)
        if number is None:
            self.reject(f"the run has no step '{ref.step_id}'")
            return False
        one = self.steps[number]
        if (ref.attempt, ref.epoch) != (one.attempt, one.epoch):
            self.reject(f"epoch {ref.epoch} is over; the step is at {one.epoch}")
            return False
        if one.status is not StepStatus.RUNNING:
            self.reject(f"the step is {one.status}", duplicate=True)
            return False
        return True

    def done(self) -> tuple[RunState, tuple[Effect, ...]]:
        if self.effects and all(isinstance(effect, Rejected) for effect in self.effects):
            return self.state, tuple(self.effects)
        if not self.run and not self.effects:
            return self.state, ()
        return dataclasses.replace(self.state, steps=tuple(self.steps), **self.run), tuple(self.effects)


def _begin(draft: _Draft) -> None:
    if any(one.status is not StepStatus.PENDING for one in draft.steps) or draft.cause:
        draft.reject("the run has begun", duplicate=True)
        return
    place = len(draft.effects)
    _settle(draft, [number for number, one in enumerate(draft.state.plan.steps) if not one.needs])
    if draft.run.get("status") is None:
        state = dataclasses.replace(draft.state, steps=tuple(draft.steps))
        draft.effects.insert(place, RunChanged(RunStatus.PENDING, waiting_for=waiting_for(state, draft.now)))
    else:
        draft.effects.insert(place, RunChanged(RunStatus.PENDING))


def _claim(draft: _Draft, event: Claim) -> None:
    number = draft.state.plan.index.get(event.step_id)
    if number is None:
        draft.reject(f"the run has no step '{event.step_id}'")
        return
    one = draft.steps[number]
    if one.status is not StepStatus.READY:
        draft.reject(f"the step is {one.status}")
    elif one.due_at is not None and one.due_at > draft.now:
        draft.reject("the step is not due yet")
    else:
        _open(draft, number, event.worker_id, event.isolation)


def _open(draft: _Draft, number: int, worker_id: str, isolation: str) -> None:
    """Begins an attempt."""
    one, planned = draft.steps[number], draft.state.plan.steps[number]
    if draft.run.get("status", draft.state.status) is RunStatus.PENDING:
        draft.run |= {"status": RunStatus.RUNNING, "started_at": draft.now}
        draft.effects.append(RunChanged(RunStatus.RUNNING))
    deadline = draft.now + planned.timeout + OVERRUN if worker_id else None
    draft.change(
        number,
        status=StepStatus.RUNNING,
        attempt=one.attempt + 1,
        epoch=one.epoch + 1,
        started_at=one.started_at or draft.now,
        due_at=None,
        failure=None,
        worker_id=worker_id,
        deadline_at=deadline,
        lines=0,
    )
    one = draft.steps[number]
    draft.effects.append(AttemptOpened(number, one.attempt, one.epoch, worker_id, isolation, deadline))
    draft.say(number)


def _close(draft: _Draft, number: int, status: StepStatus, failure: Failure | None) -> None:
    """Decides the running attempt's outcome; the step's own status is the caller's."""
    draft.effects.append(AttemptClosed(number, draft.steps[number].attempt, status, failure))


def _end(draft: _Draft, number: int, status: StepStatus, **fields: Any) -> None:
    """Gives the step its final status."""
    draft.change(
        number,
        status=status,
        ended_at=draft.now,
        due_at=None,
        worker_id="",
        deadline_at=None,
        stopping=False,
        **fields,
    )
    draft.say(number)


def _succeed(draft: _Draft, number: int, output: Payload) -> None:
    _close(draft, number, StepStatus.SUCCESS, None)
    _end(draft, number, StepStatus.SUCCESS, output=output, failure=None)
    _settle(draft, list(draft.state.plan.dependents[number]))


def _fail(draft: _Draft, number: int, failure: Failure) -> None:
    one, planned = draft.steps[number], draft.state.plan.steps[number]
    failure = dataclasses.replace(failure, step_id=planned.id)
    if draft.cause:
        stopped = failure.kind in (ErrorKind.CANCELLED, ErrorKind.WORKER_LOST)
        status = StepStatus.ABORTED if stopped else StepStatus.FAILED
        _close(draft, number, status, failure)
        _end(draft, number, status, failure=failure)
        _finish(draft)
        return
    _close(draft, number, StepStatus.FAILED, failure)
    allowed = planned.retry.max_attempts
    if failure.kind in _SUITES_FAULT:
        allowed = max(allowed, SUITE_ATTEMPTS)
    if failure.kind not in _NEVER_REPEATED and one.attempt < allowed:
        lost = failure.kind is ErrorKind.WORKER_LOST
        due = draft.now if lost else draft.now + planned.retry.wait(one.attempt)
        draft.change(
            number,
            status=StepStatus.READY,
            due_at=due,
            failure=failure,
            worker_id="",
            deadline_at=None,
            stopping=False,
        )
        draft.say(number, due)
        return
    _end(draft, number, StepStatus.FAILED, failure=failure)
    _stop(draft, "failure", failure)
    _finish(draft)


def _cancel(draft: _Draft, event: CancelRequested) -> None:
    if draft.state.cancel_requested_at is not None:
        draft.reject("a cancel was requested before", duplicate=True)
        return
    draft.run["cancel_requested_at"] = draft.now
    if not draft.cause:
        failure = Failure(ErrorKind.CANCELLED, event.reason or "the run was cancelled")
        _stop(draft, "cancel", failure)
    state = dataclasses.replace(draft.state, steps=tuple(draft.steps), **draft.run)
    if waiting := waiting_for(state, draft.now):
        draft.effects.append(RunChanged(state.status, waiting_for=waiting))
    _finish(draft)


def _tick(draft: _Draft) -> None:
    """Ends the attempts whose workers should have ended them long ago, and moves on whatever stands still."""
    for number, one in enumerate(draft.steps):
        late = (
            one.status is StepStatus.RUNNING and one.deadline_at is not None and one.deadline_at <= draft.now
        )
        if late and draft.steps[number] is one:
            reason = "it ran past its timeout, and its worker did not stop it"
            draft.effects.append(StopAttempt(number, one.attempt, one.epoch, one.worker_id, reason))
            draft.change(number, epoch=one.epoch + 1)
            kind = ErrorKind.CANCELLED if draft.cause else ErrorKind.TIMED_OUT
            _fail(draft, number, Failure(kind, reason))
    if not draft.cause:
        _settle(draft, [n for n, one in enumerate(draft.steps) if one.status is StepStatus.PENDING])


def _stop(draft: _Draft, cause: StopCause, failure: Failure) -> None:
    """Stops what runs, and gives up what does not."""
    draft.run |= {"cause": cause, "failure": failure}
    never = StepStatus.ABORTED if cause == "cancel" else StepStatus.SKIPPED
    reason = "the run was cancelled" if cause == "cancel" else f"step '{failure.step_id}' failed"
    for number, one in enumerate(draft.steps):
        if one.status is StepStatus.RUNNING and not one.stopping:
            draft.change(number, stopping=True)
            draft.effects.append(StopAttempt(number, one.attempt, one.epoch, one.worker_id, reason))
        elif one.status in (StepStatus.PENDING, StepStatus.READY):
            status = StepStatus.ABORTED if one.attempt else never
            kind = ErrorKind.SKIPPED if status is StepStatus.SKIPPED else ErrorKind.CANCELLED
            _end(draft, number, status, failure=one.failure or Failure(kind, reason))


def _settle(draft: _Draft, numbers: list[int]) -> None:
    """Moves on every step among `numbers`, and after them, whose needs have ended; then ends the run if all have."""
    waiting = list(numbers)
    while waiting and not draft.cause:
        number = waiting.pop(0)
        if draft.steps[number].status is StepStatus.PENDING:
            waiting += _try_ready(draft, number)
    _finish(draft)


def _try_ready(draft: _Draft, number: int) -> tuple[int, ...]:
    """Moves a PENDING step on if it can; returns the steps that may move on in consequence."""
    plan = draft.state.plan
    planned = plan.steps[number]
    if any(draft.steps[need].status is StepStatus.SKIPPED for need in planned.needs):
        skipped = next(
            plan.steps[need].id for need in planned.needs if draft.steps[need].status is StepStatus.SKIPPED
        )
        reason = f"step '{skipped}', which it needs, was skipped"
        _end(draft, number, StepStatus.SKIPPED, failure=Failure(ErrorKind.SKIPPED, reason))
        return plan.dependents[number]
    if any(draft.steps[need].status is not StepStatus.SUCCESS for need in planned.needs):
        return ()
    scope = _scope(draft)
    try:
        if not plan.evaluator.condition(number, scope):
            failure = Failure(ErrorKind.SKIPPED, "its condition was false")
            _end(draft, number, StepStatus.SKIPPED, failure=failure)
            return plan.dependents[number]
        inputs = plan.evaluator.inputs(number, scope)
    except EvaluationFailed as error:
        _break(draft, number, Failure(ErrorKind.INVALID_INPUT, str(error), step_id=planned.id))
        return ()
    draft.change(number, inputs=inputs)
    if not planned.in_engine:
        draft.change(number, status=StepStatus.READY, due_at=draft.now)
        draft.say(number)
        return ()
    _open(draft, number, "", "engine")
    try:
        output = plan.evaluator.compute(number, inputs)
    except EvaluationFailed as error:
        failure = Failure(ErrorKind.INVALID_INPUT, str(error), step_id=planned.id)
        _close(draft, number, StepStatus.FAILED, failure)
        _break(draft, number, failure)
        return ()
    _close(draft, number, StepStatus.SUCCESS, None)
    _end(draft, number, StepStatus.SUCCESS, output=output)
    return plan.dependents[number]


def _break(draft: _Draft, number: int, failure: Failure) -> None:
    _end(draft, number, StepStatus.FAILED, failure=failure)
    _stop(draft, "failure", failure)


def _finish(draft: _Draft) -> None:
    """Ends the run when all its steps have."""
    if draft.run.get("status", draft.state.status).ended or not all(one.status.ended for one in draft.steps):
        return
    draft.run["ended_at"] = draft.now
    cause = draft.cause
    failure: Failure | None = draft.run.get("failure", draft.state.failure)
    if not cause:
        try:
            draft.run["outputs"] = draft.state.plan.evaluator.outputs(_scope(draft))
        except EvaluationFailed as error:
            cause, failure = "failure", Failure(ErrorKind.INVALID_INPUT, str(error))
            draft.run |= {"cause": cause, "failure": failure}
    status = {"": RunStatus.SUCCESS, "failure": RunStatus.FAILED, "cancel": RunStatus.ABORTED}[cause]
    draft.run["status"] = status
    draft.effects.append(RunChanged(status, failure))


def _scope(draft: _Draft) -> Scope:
    steps = draft.state.plan.steps
    return Scope(
        draft.state.inputs,
        {planned.id: one.output for planned, one in zip(steps, draft.steps, strict=True) if one.status.ended},
    )


def _is_recorded(state: RunState, event: Event) -> bool:
    """Whether the event's attempt is the one whose outcome is recorded."""
    if not isinstance(event, (Succeeded, Failed)):
        return False
    number = state.plan.index.get(event.ref.step_id)
    if number is None:
        return False
    one = state.steps[number]
    return (one.attempt, one.epoch) == (event.ref.attempt, event.ref.epoch)
