"""What follows when steps end: others start, a window of items moves on, workflows and the run end."""

import dataclasses
from datetime import datetime
from typing import Any

from engine import lanes, waiting
from engine.domain import ErrorKind, Failure, Payload, RunStatus, StepStatus
from engine.effects import RunChanged
from engine.machine import starting
from engine.machine.draft import Draft
from engine.machine.levels import ItemsDraft, LevelDraft, Slot, StepsDraft
from engine.machine.stopping import stop
from engine.plan import EvaluationFailed
from engine.state import RunState, StepState


def settle(draft: Draft) -> None:
    """Moves on everything that can, until nothing can."""
    while True:
        if draft.ended:
            _after(draft, draft.ended.popleft())
        elif draft.considered:
            starting.consider(draft, draft.considered.popleft())
        elif draft.unfinished:
            _finish(draft, draft.unfinished.popitem()[1])
        else:
            return


def _after(draft: Draft, slot: Slot) -> None:
    """A step has ended."""
    level = slot.level
    draft.unfinished[id(level)] = level
    if level.cause:
        return
    if isinstance(level, ItemsDraft):
        has_failed, failure = level.failure_of_item is not None, level.failure_of_item
    else:
        has_failed = slot.state.status in (StepStatus.FAILED, StepStatus.ABORTED)
        failure = slot.state.failure
    if has_failed and not slot.planned.goes_on:
        failure = failure or Failure(ErrorKind.INTERNAL, "it failed", step_id=slot.path)
        reason = f"step '{failure.step_id or slot.path}' failed"
        stop(draft, level, "failure", failure, never=StepStatus.SKIPPED, reason=reason)
    elif isinstance(level, ItemsDraft):
        starting.release(draft, level)
    else:
        draft.considered.extend(Slot(level, number) for number in level.plan.dependents[slot.key])


def _finish(draft: Draft, level: LevelDraft) -> None:
    """Ends what the level is, when nothing in it is left to end."""
    if not draft.begun and not draft.root.cause:
        return
    if not level.is_done:
        return
    if level.owner is None:
        _finish_run(draft)
        return
    owner = level.owner
    if owner.state.status is not StepStatus.RUNNING:
        return
    if level.cause == "cancel":
        _close(owner, StepStatus.ABORTED, failure=owner.state.failure)
    elif level.cause == "failure":
        _close(owner, StepStatus.FAILED, failure=level.failure)
    elif isinstance(level, ItemsDraft):
        _finish_items(owner, level)
    else:
        _finish_workflow(owner, level)


def _close(owner: Slot, status: StepStatus, **fields: Any) -> None:
    """Ends a step that is made of others. Of items the outputs are kept; of a workflow, what it answered."""
    if isinstance(owner.inner, StepsDraft):
        owner.level.close(owner.key)
        fields["inner"] = None
    owner.end(status, **fields)


def _finish_items(owner: Slot, level: ItemsDraft) -> None:
    """All items have ended. Where some failed and the run goes on, the step has failed and its output has gaps."""
    failure = level.failure_of_item
    if failure is None:
        _close(owner, StepStatus.SUCCESS, failure=None)
    else:
        message = (
            f"not every item succeeded; the first that failed was '{failure.step_id}': {failure.message}"
        )
        _close(owner, StepStatus.FAILED, failure=dataclasses.replace(failure, message=message))


def _finish_workflow(owner: Slot, level: StepsDraft) -> None:
    """All steps of a sub-workflow have ended."""
    try:
        outputs = level.plan.evaluator.outputs(level.scope())
    except EvaluationFailed as error:
        failure = Failure(error.kind, str(error), step_id=owner.path)
        _close(owner, StepStatus.FAILED, failure=failure)
        return
    _close(owner, StepStatus.SUCCESS, output=outputs, failure=None)


def _finish_run(draft: Draft) -> None:
    if draft.status.ended:
        return
    cause = draft.root.cause
    failure = draft.root.failure
    outputs: Payload | None = None
    if not cause:
        try:
            outputs = draft.root.plan.evaluator.outputs(draft.root.scope())
        except EvaluationFailed as error:
            cause, failure = "failure", Failure(error.kind, str(error))
    status = {"": RunStatus.SUCCESS, "failure": RunStatus.FAILED, "cancel": RunStatus.ABORTED}[cause]
    if draft.is_paused:  # the last decision was about something that a pause does not hold back
        draft.note_pause()
    draft.run |= {
        "ended_at": draft.now,
        "status": status,
        "cause": cause,
        "failure": failure,
        "outputs": outputs,
        "copies": {},
    }
    draft.set_timer("", None)
    draft.effects.append(RunChanged(status, failure))


def say_what_it_waits_for(draft: Draft, *, first: bool) -> None:
    """Tells watchers what the run waits for; `first`: that it exists, before everything else."""
    if first and draft.run:
        started = draft.status is not RunStatus.PENDING
        waits = "" if started else waiting_for(draft.done()[0], draft.now)
        draft.effects.insert(0, RunChanged(RunStatus.PENDING, waiting_for=waits))
    elif not first and draft.run and not draft.status.ended:
        draft.effects.append(RunChanged(draft.status, waiting_for=waiting_for(draft.done()[0], draft.now)))


def waiting_for(state: RunState, now: datetime) -> str:
    """What the run waits for, in a few words for people; empty while it simply runs, and at its end."""
    if state.status.ended:
        return ""
    is_paused = state.status is RunStatus.PAUSED
    if not state.begun and not state.cause:
        limit_key = "" if state.admitted else state.limit_key
        return waiting.to_begin(state.start_at, limit_key, now, is_paused=is_paused)
    draft = Draft(state, now)
    live = (_shown(slot, slot.state) for slot in draft.walk() if not slot.planned.is_composite)
    return waiting.describe(live, now, is_stopping=bool(state.cause), is_paused=is_paused)


def _shown(slot: Slot, one: StepState) -> waiting.Live:
    worker = lanes.in_words(lanes.lane_of(slot.planned)) if one.status is StepStatus.READY else ""
    return waiting.Live(slot.path, worker, one.status, one.due_at, one.worker_id, one.gate)
