"""The workflow's meaning: `step(state, event, now)`, pure and total. Everything else is plumbing around it.

The rules, in the order they matter:

- A step waits until every step it needs has ended. Then its `join` decides: ALL (every one succeeded, or failed and
  lets the others go on), ANY (one succeeded) or ENDED. What does not join is SKIPPED, and so a skip passes on, as in
  GitHub Actions. Then its condition is evaluated (false: SKIPPED), then its approval is waited for, then its inputs
  are evaluated, and it is READY.
- A failed attempt is repeated while its kind allows it and attempts are left: READY with `due_at`. INVALID_INPUT,
  REJECTED and CANCELLED are never repeated. WORKER_LOST and INTERNAL are the suite's fault, not the step's: they are
  repeated up to `SUITE_ATTEMPTS` attempts even without a retry policy. An EFFECTFUL step whose outcome is not known
  is not repeated blindly: it waits for somebody's decision.
- A `for_each` step runs once for each item, a window of `max_parallel` of them at a time. A sub-workflow's steps are
  steps of the run, inside the step that it is. Both end when what they are made of has.
- A step that failed for good stops the workflow it stands in, unless it has `on_failure: continue`: running steps are
  told to stop, those that never ran are SKIPPED, and when nothing runs any more the workflow is FAILED: the run has
  failed, or the step that the sub-workflow is.
- A cancel does the same to all of the run, with ABORTED. Of a failure and a cancel the first decides how the run
  ends.
- While a run is PAUSED nothing is claimed; what runs runs on.
- A result counts only for the attempt and epoch that are current. Losing an attempt moves the epoch on.
- Nothing changes a run or a step that has ended.

Conditions, inputs and the steps that the engine itself computes are evaluated inside the transition, by the plan's
evaluator, which is a pure function of the run's inputs and outputs.

`draft` is the state while it changes; `starting`, `running`, `stopping` and `steering` change it; `flow` moves on
what a change allows; `rebuild` reads a state back from its parts.
"""

from collections.abc import Mapping
from datetime import datetime

from engine.domain import Payload, Ref
from engine.effects import Effect, Rejected
from engine.machine import flow, running, steering
from engine.machine.draft import Draft
from engine.machine.flow import waiting_for
from engine.machine.running import OVERRUN, SUITE_ATTEMPTS
from engine.plan import Plan
from engine.state import (
    NEVER_RUN,
    Admit,
    Begin,
    CacheHit,
    CancelRequested,
    Claim,
    Copy,
    Decided,
    Event,
    Failed,
    GateOpened,
    Lost,
    PauseRequested,
    ResumeRequested,
    RunState,
    Steps,
    Succeeded,
    Tick,
)

__all__ = ["OVERRUN", "SUITE_ATTEMPTS", "create", "step", "waiting_for", "wrote"]


def create(
    run_id: str,
    plan: Plan,
    inputs: Payload,
    now: datetime,
    *,
    owner_id: str = "",
    start_at: datetime | None = None,
    limit_key: str = "",
    admitted: bool = True,
    copies: Mapping[str, Copy] | None = None,
) -> RunState:
    """The run before anything happened to it. `owner_id`: the workflow's owner; `copies`: by path, what need not run
    again.
    """
    root = Steps(inputs, plan, (NEVER_RUN,) * len(plan.steps))
    return RunState(
        run_id,
        root,
        owner_id,
        created_at=now,
        accepted=False,
        start_at=start_at,
        limit_key=limit_key,
        admitted=admitted,
        copies=copies or {},
    )


def step(state: RunState, event: Event, now: datetime) -> tuple[RunState, tuple[Effect, ...]]:
    """The state after `event`, and what follows from it. An event that does not apply is Rejected; never raises."""
    if state.status.ended:
        return state, (Rejected(f"the run is {state.status}", duplicate=_is_recorded(state, event)),)
    draft = Draft(state, now)
    match event:
        case Begin():
            steering.accept(draft)
        case Admit():
            steering.admit(draft)
        case Claim():
            running.claim(draft, event)
        case Succeeded(ref):
            if (slot := draft.current(ref)) is not None:
                running.succeed(draft, slot, event)
        case Failed(ref):
            if (slot := draft.current(ref)) is not None:
                running.fail(
                    draft, slot, event.failure, began=event.began, limits=event.limits, usage=event.usage
                )
        case Lost(ref):
            if (slot := draft.current(ref)) is not None:
                running.lose(draft, slot, event)
        case GateOpened():
            running.open_gate(draft, event)
        case CacheHit():
            running.reuse(draft, event)
        case Decided():
            steering.decide(draft, event)
        case PauseRequested():
            steering.pause(draft)
        case ResumeRequested():
            steering.resume(draft)
        case CancelRequested():
            steering.cancel(draft, event)
        case Tick():
            steering.tick(draft)
    flow.settle(draft)
    if isinstance(event, (Begin, CancelRequested)):
        flow.say_what_it_waits_for(draft, first=isinstance(event, Begin))
    return draft.done()


def wrote(state: RunState, ref: Ref, line: int) -> tuple[RunState, int | None]:
    """The state after a running attempt's lines up to `line` (0: something that is no line), and how many it had
    written before; None when the attempt does not run.
    """
    if state.status.ended:
        return state, None
    draft = Draft(state, state.created_at or datetime.min)  # noqa: DTZ901  # no rule about a line asks for the time
    slot = draft.current(ref)
    if slot is None:
        return state, None
    before = slot.state.lines
    if line > before:
        slot.change(lines=line)
        return draft.done()[0], before
    return state, before


def _is_recorded(state: RunState, event: Event) -> bool:
    """Whether the event's attempt is the one whose outcome is recorded."""
    if not isinstance(event, (Succeeded, Failed)):
        return False
    slot = Draft(state, datetime.min).slot(event.ref.step_id)  # noqa: DTZ901  # nothing is changed
    if slot is None:
        return False
    return slot.is_past or (slot.state.attempt, slot.state.epoch) == (event.ref.attempt, event.ref.epoch)
